#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/contents.hpp"
#include "core/error.hpp"
#include "core/message.hpp"
#include "core/work.hpp"

namespace amc::api {

/// Parses a request's body. Refuses (errc::invalid, with the position) what is not JSON, nested too deep, or not valid
/// UTF-8, and an object that names a member twice, since readers differ in which of the two counts.
result<boost::json::value> parse_body(std::string_view body);

/// What is done about members that nobody knows. Only the root ignores them, as the seed does.
enum class others { refused, ignored };

/// Refuses a member that is none of these; the refusal names it and the nearest known one.
result<void> only_known(const boost::json::object& fields, std::span<const std::string_view> known);

/// What the body of an answer says (`content_in`), and `queue` or `done`. The refusals of a missing body and a missing
/// attribute are the seed's. Where unknown members are ignored, so is all but a text in `message`.
struct answer_body {
  content said{};
  std::optional<destination> to{};
};
result<answer_body> answer_of(std::string_view body, others unknown = others::refused);

/// `queue` or `done` of an object; nothing where it has neither. The queue's name is not looked at.
/// Also nothing where unknown members are ignored.
result<std::optional<destination>> destination_in(const boost::json::object& fields, others unknown = others::refused);

/// `{}`, or no body at all.
result<void> says_nothing(std::string_view body);

/// What a retry brings along, if anything: what the message says from now on (`content_in`), and the queue.
struct second_try_body {
  std::optional<content> said{};
  std::optional<std::string> queue{};
};
result<second_try_body> second_try_of(std::string_view body);

/// `{"queue": "…"}`.
result<std::string> queue_of_move(std::string_view body);

/// What the body of a new message asks for.
struct new_message {
  content said{};
  std::optional<destination> to{};
  std::optional<timestamp> deliver_at{};
  std::optional<timestamp> expires_at{};
};

inline constexpr std::string_view new_message_members[] = {"message", "message_base64", "content_type", "headers",
                                                           "queue",   "done",           "deliver_at",   "expires_at"};

/// As `answer_of`, with `deliver_at` and `expires_at`: RFC 3339 times, the first before the second; null means absent.
result<new_message> new_message_of(std::string_view body, others unknown = others::refused);
/// The same of an object, which is `written` so.
result<new_message> new_message_in(const boost::json::object& fields, std::string_view written,
                                   others unknown = others::refused);

/// To the queue that the path names. Refused where the body names another destination.
std::optional<error> send_to(new_message& body, std::string queue);

}  // namespace amc::api
