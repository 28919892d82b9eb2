#include "api/reading.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <charconv>

#include "core/text.hpp"

namespace amc::api {
namespace {

/// Of what a request asks for, so that a key that is used again for something else is noticed. Not a secret's hash.
std::string fingerprint(const new_message& body) {
  const auto count = [](const std::optional<timestamp>& time) {
    return time ? std::to_string(time->time_since_epoch().count()) : "-";
  };
  const auto all = count(body.deliver_at) + " " + count(body.expires_at) + " " + body.text;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(), digest);
  constexpr const char* digits = "0123456789abcdef";
  std::string hex;
  for (std::size_t i = 0; i < 16; ++i) hex.append(1, digits[digest[i] >> 4]).append(1, digits[digest[i] & 15]);
  return hex;
}

}  // namespace

std::optional<milliseconds> preferred_wait(const http::request& asked) {
  const auto field = asked.headers.find("Prefer");
  if (!field) return {};
  std::string_view rest = *field;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    auto preference = trimmed(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    const auto equals = preference.find('=');
    if (equals == std::string_view::npos || trimmed(preference.substr(0, equals)) != "wait") continue;
    const auto value = trimmed(preference.substr(equals + 1, preference.find(';') - equals - 1));
    std::int64_t seconds = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (failed != std::errc() || end != value.data() + value.size() || seconds < 0) return {};
    return std::chrono::seconds(std::min<std::int64_t>(seconds, 86'400));
  }
  return {};
}

bool none_match_has(std::string_view field, std::string_view tag) {
  while (!field.empty()) {
    const auto comma = field.find(',');
    auto candidate = trimmed(field.substr(0, comma));
    field = comma == std::string_view::npos ? std::string_view{} : field.substr(comma + 1);
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == "*" || candidate == tag) return true;
  }
  return false;
}

std::optional<if_match> parse_if_match(std::string_view field) {
  field = trimmed(field);
  if (field == "*") return if_match{true, 0};
  const bool weak = field.starts_with("W/");
  if (weak) field.remove_prefix(2);
  if (field.size() < 2 || field.front() != '"' || field.back() != '"') return {};
  const auto inside = field.substr(1, field.size() - 2);
  if (inside.find('"') != std::string_view::npos) return {};
  int revision = 0;
  const auto [end, failed] = std::from_chars(inside.data(), inside.data() + inside.size(), revision);
  const bool is_revision = failed == std::errc() && end == inside.data() + inside.size() && revision > 0;
  return if_match{false, weak || !is_revision ? 0 : revision};
}

result<broker::life_cycle::accept_options> accept_options_of(const http::request& asked, const new_message& body,
                                                             milliseconds key_kept) {
  broker::life_cycle::accept_options options{.deliver_at = body.deliver_at, .expires_at = body.expires_at};
  if (const auto key = asked.headers.find("Idempotency-Key")) {
    constexpr std::size_t key_max = 255;
    const bool printable = std::all_of(key->begin(), key->end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (key->empty() || key->size() > key_max || !printable)
      return error{errc::invalid, "An Idempotency-Key has 1 to 255 printable ASCII characters."};
    options.once = idempotency{*key, fingerprint(body), key_kept};
  }
  if (const auto trace = asked.headers.find("traceparent"); trace && is_traceparent(*trace))
    options.traceparent = *trace;
  return options;
}

result<list_filter> parse_filter(const http::request& asked, std::size_t page_max) {
  list_filter filter;
  if (const auto name = asked.parameter("status"); name && !name->empty()) {
    filter.status = parse_status(*name);
    if (!filter.status) return error{errc::invalid, "\"status\" is one of pending, done, dead, cancelled, expired."};
  }
  filter.queue = asked.parameter("queue").value_or("");
  if (const auto limit = asked.parameter("limit"); limit && !limit->empty()) {
    const auto [end, failed] = std::from_chars(limit->data(), limit->data() + limit->size(), filter.limit);
    if (failed != std::errc() || end != limit->data() + limit->size() || filter.limit < 1 || filter.limit > page_max)
      return error{errc::invalid, "\"limit\" is a number from 1 to " + std::to_string(page_max) + "."};
  }
  if (const auto after = asked.parameter("after"); after && !after->empty()) {
    const auto cursor = parse_uuid(*after);
    if (!cursor) return error{errc::invalid, "\"after\" is the \"next\" of the page before."};
    filter.after = *cursor;
  }
  return filter;
}

}  // namespace amc::api
