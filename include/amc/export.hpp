#pragma once

/// What the shared libraries offer; everything else in them is hidden.
#define AMC_EXPORT __attribute__((visibility("default")))
