#pragma once

#include "core/config.hpp"

namespace amc::broker {

/// Routes, how their messages are treated, and what the maintenance does.
config_provider provider();

/// What one message may have, counted after decoding: `broker.message_max_bytes`, or what a request's body has room
/// for. Throws config_error where a message of that size could be posted and not be answered.
std::size_t message_max_bytes(const config& settings);

}  // namespace amc::broker
