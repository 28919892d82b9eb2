#include "core/message.hpp"

#include <array>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <utility>

namespace amc {

std::string to_string(const uuid& id) {
  return boost::uuids::to_string(id);
}

std::optional<uuid> parse_uuid(std::string_view text) {
  // The generator also takes braces and missing dashes; one spelling of an id is enough.
  constexpr std::size_t length = 36;
  if (text.size() != length || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return {};
  try {
    return boost::uuids::string_generator{}(text.begin(), text.end());
  } catch (const std::runtime_error&) {
    return {};
  }
}

bool is_traceparent(std::string_view text) {
  constexpr std::string_view form = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
  if (text.size() != form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    if (form[i] == 'x' ? !digit : text[i] != form[i]) return false;
  }
  return true;
}

namespace {

constexpr std::array<std::pair<status, const char*>, 5> status_names{{
    {status::pending, "pending"},
    {status::done, "done"},
    {status::dead, "dead"},
    {status::cancelled, "cancelled"},
    {status::expired, "expired"},
}};

}  // namespace

const char* to_string(status value) {
  return status_names.at(static_cast<std::size_t>(value)).second;
}

std::optional<status> parse_status(std::string_view text) {
  for (const auto& [value, name] : status_names)
    if (text == name) return value;
  return {};
}

const char* to_string(content_form form) {
  switch (form) {
    case content_form::text:
      break;
    case content_form::json:
      return "json";
    case content_form::bytes:
      return "base64";
  }
  return "";
}

std::optional<content_form> parse_content_form(std::string_view text) {
  for (const auto form : {content_form::text, content_form::json, content_form::bytes})
    if (text == to_string(form)) return form;
  return {};
}

}  // namespace amc
