#pragma once

#include "amc/config.hpp"

namespace amc::api {

/// The keys `broker.http.*`.
config_provider provider();

}  // namespace amc::api
