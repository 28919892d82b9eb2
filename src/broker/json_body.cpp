#include "broker/json_body.hpp"

#include <boost/json/stream_parser.hpp>

namespace amc::broker {
namespace json = boost::json;

result<json::value> parse_body(std::string_view body) {
  json::parse_options options;
  options.max_depth = 32;
  json::stream_parser parser({}, options);
  boost::system::error_code failed;
  const auto used = parser.write_some(body, failed);
  if (failed)
    return error{errc::invalid,
                 "The body is not valid JSON at byte " + std::to_string(used) + ": " + failed.message() + "."};
  if (!parser.done())
    return error{errc::invalid, "The body is not valid JSON at byte " + std::to_string(used) + ": it is incomplete."};
  if (body.find_first_not_of(" \t\r\n", used) != std::string_view::npos)
    return error{errc::invalid, "The body is not valid JSON at byte " + std::to_string(used) + ": more follows."};
  return parser.release();
}

result<std::string> message_of(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return error{errc::invalid, "Missing body content."};
  auto parsed = parse_body(body);
  if (!parsed) return parsed.error();
  const auto* fields = parsed->if_object();
  const auto* message = fields ? fields->if_contains("message") : nullptr;
  if (!message) return error{errc::invalid, "Missing the \"message\" attribute."};
  if (!message->is_string()) return error{errc::invalid, "The \"message\" attribute must be a string."};
  std::string text(message->get_string());
  if (text.find('\0') != std::string::npos)
    return error{errc::invalid, "The \"message\" attribute contains U+0000, which cannot be stored."};
  return text;
}

}  // namespace amc::broker
