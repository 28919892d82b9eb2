#pragma once

#include "broker/messages_metrics.hpp"

namespace amc::broker {

/// Counts and logs that a message has become terminal; nothing while it is pending.
void note_end(messages_metrics& numbers, const message& now);

}  // namespace amc::broker
