#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "http/message.hpp"

/// What a broker has answered, for people.
namespace amc::app {

/// Why it refused: "Message \"x\" not found. (404)".
std::string reason_of(const http::response& reply);

/// What a broker told; of anything else that answers so throws startup_error. `member`: what that kind of answer has.
boost::json::value told_by(const http::response& reply, std::string_view member);

/// JSON on a line of its own, in which texts of strangers steer no terminal.
std::string json_line(std::string_view body);

/// What a message or a delivery says: a text, bytes, or of a value its JSON as it stands in `written`, the JSON of the
/// message.
std::string said_in(const boost::json::object& message, std::string_view written);

}  // namespace amc::app
