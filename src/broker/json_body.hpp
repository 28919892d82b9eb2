#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "amc/error.hpp"

namespace amc::broker {

/// Parses a request's body. Refuses (errc::invalid, with the position) what is not JSON, nested too deep, or not valid
/// UTF-8.
result<boost::json::value> parse_body(std::string_view body);

/// The `message` of a body: present, a string, without U+0000. The refusals of a missing body and a missing attribute
/// are the seed's.
result<std::string> message_of(std::string_view body);

}  // namespace amc::broker
