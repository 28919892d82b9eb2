#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "amc/error.hpp"
#include "amc/message.hpp"
#include "core/work.hpp"

namespace amc::api {

/// Parses a request's body. Refuses (errc::invalid, with the position) what is not JSON, nested too deep, or not valid
/// UTF-8, and an object that names a member twice, since readers differ in which of the two counts.
result<boost::json::value> parse_body(std::string_view body);

/// What is done about members that nobody knows. Only the root ignores them, as the seed does.
enum class others { refused, ignored };

/// Refuses a member that is none of these; the refusal names it and the nearest known one.
result<void> only_known(const boost::json::object& fields, std::span<const std::string_view> known);

/// The `message` of an object: present, a string, without U+0000. The refusal of a missing one is the seed's.
result<std::string> text_in(const boost::json::object& fields);

/// What the body of an answer says: `message` (present, a string, without U+0000), and `queue` or `done`. The refusals
/// of a missing body and a missing attribute are the seed's. Where unknown members are ignored, so are `queue` and
/// `done`.
struct answer_body {
  std::string text{};
  std::optional<destination> to{};
};
result<answer_body> answer_of(std::string_view body, others unknown = others::refused);

/// `queue` or `done` of an object; nothing where it has neither. The queue's name is not looked at.
/// Also nothing where unknown members are ignored.
result<std::optional<destination>> destination_in(const boost::json::object& fields, others unknown = others::refused);

/// What the body of a new message asks for.
struct new_message {
  std::string text{};
  std::optional<destination> to{};
  std::optional<timestamp> deliver_at{};
  std::optional<timestamp> expires_at{};
};

/// As `answer_of`, with `deliver_at` and `expires_at`: RFC 3339 times, the first before the second; null means absent.
result<new_message> new_message_of(std::string_view body, others unknown = others::refused);

}  // namespace amc::api
