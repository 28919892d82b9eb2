#include "core/message.hpp"

#include <array>
#include <utility>

#include "core/hex.hpp"

namespace amc {

namespace {

// Each request names some ids: those of Boost take ten times as long.
constexpr std::size_t id_length = 36;

constexpr bool dash_before(std::size_t byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

}  // namespace

std::string to_string(const uuid& id) {
  std::string text(id_length, '-');
  std::size_t at = 0;
  for (std::size_t i = 0; i < sizeof id.data; ++i) {
    if (dash_before(i)) ++at;
    for (const int half : {id.data[i] >> 4, id.data[i] & 0xf}) text[at++] = "0123456789abcdef"[half];
  }
  return text;
}

std::optional<uuid> parse_uuid(std::string_view text) {
  if (text.size() != id_length) return {};
  uuid id{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < sizeof id.data; ++i) {
    if (dash_before(i) && text[at++] != '-') return {};
    const int high = hex_digit(text[at]), low = hex_digit(text[at + 1]);
    if (high < 0 || low < 0) return {};
    id.data[i] = static_cast<std::uint8_t>(high << 4 | low);
    at += 2;
  }
  return id;
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
