#include "api/reading.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "api/wording.hpp"
#include "core/hex.hpp"
#include "core/text.hpp"

namespace amc::api {
namespace {

constexpr std::string_view blanks = " \t";

/// Takes the next element off a list of header values; what stands in quotes separates nothing. Of quoted strings, and
/// not of entity tags, a backslash makes the character behind it one of the text.
std::string_view take_element(std::string_view& list, char separator, bool with_backslashes) {
  bool in_quotes = false;
  std::size_t end = 0;
  for (; end < list.size() && (in_quotes || list[end] != separator); ++end) {
    if (list[end] == '"') in_quotes = !in_quotes;
    if (with_backslashes && in_quotes && list[end] == '\\') ++end;
  }
  end = std::min(end, list.size());
  const auto element = trimmed(list.substr(0, end), blanks);
  list.remove_prefix(std::min(list.size(), end + 1));
  return element;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// As we write numbers: digits, without a sign or zeros in front. Nothing for anything else, and for too large a one.
template <class Number>
std::optional<Number> plain_number(std::string_view text) {
  Number value{};
  if (!is_number(text) || (text.size() > 1 && text.front() == '0')) return {};
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return {};
  return value;
}

/// What stands between the quotes of a strong or weak entity tag; nothing when it is none.
std::optional<std::string_view> inside_of_tag(std::string_view tag) {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  if (tag.size() < 2 || tag.front() != '"' || tag.back() != '"') return {};
  tag = tag.substr(1, tag.size() - 2);
  const bool allowed =
      std::none_of(tag.begin(), tag.end(), [](unsigned char c) { return c <= ' ' || c == '"' || c == 0x7f; });
  return allowed ? std::optional(tag) : std::nullopt;
}

/// A text is itself, as it was for schema 2.
std::string of_content(const content& said) {
  if (said.content_type.empty() && !said.headers) return said.text;
  auto all = std::string(to_string(said.form)) + " " + said.content_type + "\n";
  for (const auto& h : said.headers.value_or(std::vector<header>()))
    for (const auto* text : {&h.name, &h.value}) all += std::to_string(text->size()) + " " + *text;
  return all + "\n" + said.text;
}

/// Of what a request asks for, so that a key that is used again for something else is noticed. Not a secret's hash.
std::string fingerprint(const new_message& body) {
  const auto count = [](const std::optional<timestamp>& time) {
    return time ? std::to_string(time->time_since_epoch().count()) : "-";
  };
  std::string to;
  if (body.to)
    to = std::holds_alternative<to_done>(*body.to) ? "done " : "to " + std::get<to_queue>(*body.to).name + " ";
  const auto all = to + count(body.deliver_at) + " " + count(body.expires_at) + " " + of_content(body.said);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(), digest);
  std::string hex;
  for (std::size_t i = 0; i < 16; ++i) append_hex(hex, digest[i]);
  return hex;
}

}  // namespace

std::optional<http::response> query_fault(const http::request& asked, std::span<const std::string_view> known,
                                          bool root) {
  const auto parameters = asked.parameters();
  if (!parameters)
    return problem(400, "In the query a \"%\" is not followed by two hexadecimal digits; write \"%\" as \"%25\".",
                   root);
  const auto refuse = [root](const std::string& why) { return problem(422, why, root); };
  std::set<std::string_view> seen;
  for (const auto& [name, value] : *parameters) {
    const bool is_known = std::find(known.begin(), known.end(), name) != known.end();
    if (!is_known && root) continue;
    if (!is_known) return refuse(unknown_name("parameter", name, known));
    if (!seen.insert(name).second) return refuse("The parameter \"" + name + "\" comes twice; give it once.");
    if (!is_valid_utf8(value) || value.find('\0') != std::string::npos)
      return refuse("The parameter \"" + name + "\" is " + in_quotes(value) + ", which is not UTF-8 without U+0000.");
  }
  return {};
}

bool is_encoded(const http::request& asked) {
  const auto field = asked.headers.find("Content-Encoding");
  std::string_view rest = field ? std::string_view(*field) : std::string_view();
  while (!rest.empty()) {
    const auto coding = take_element(rest, ',', false);
    if (!coding.empty() && !http::same_ignoring_case(coding, "identity")) return true;
  }
  return false;
}

void note_wait(http::response& reply, std::optional<milliseconds> preferred, milliseconds longest) {
  reply.headers.add("Vary", "Prefer");
  if (!preferred) return;
  const auto applied = std::chrono::duration_cast<std::chrono::seconds>(std::min(*preferred, longest));
  reply.headers.add("Preference-Applied", "wait=" + std::to_string(applied.count()));
}

std::string_view segment(std::string_view path, std::size_t index) {
  for (; index > 0 && !path.empty(); --index) path.remove_prefix(std::min(path.find('/'), path.size() - 1) + 1);
  return path.substr(0, path.find('/'));
}

std::string segment_of(const http::request& asked, std::size_t index) {
  const auto encoded = segment(asked.path(), index + 1);
  return http::percent_decoded(encoded).value_or(std::string(encoded));
}

std::optional<milliseconds> preferred_wait(const http::request& asked) {
  const auto field = asked.headers.find("Prefer");
  std::string_view rest = field ? std::string_view(*field) : std::string_view();
  while (!rest.empty()) {
    auto with_parameters = take_element(rest, ',', true);
    const auto preference = take_element(with_parameters, ';', true);
    const auto equals = std::min(preference.find('='), preference.size());
    if (!http::same_ignoring_case(trimmed(preference.substr(0, equals), blanks), "wait")) continue;
    // Only the first of several counts.
    auto value = trimmed(preference.substr(std::min(equals + 1, preference.size())), blanks);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (!is_number(value)) return {};
    constexpr std::chrono::seconds longest = std::chrono::days(1);
    std::int64_t seconds = 0;
    const bool too_many = std::from_chars(value.data(), value.data() + value.size(), seconds).ec != std::errc();
    return too_many ? longest : std::min(std::chrono::seconds(seconds), longest);
  }
  return {};
}

bool none_match_has(std::string_view field, std::string_view tag) {
  while (!field.empty()) {
    auto candidate = take_element(field, ',', false);
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == "*" || candidate == tag) return true;
  }
  return false;
}

std::optional<if_match> parse_if_match(std::string_view field) {
  if (trimmed(field, blanks) == "*") return if_match{.any = true};
  if_match match;
  bool empty = true;
  while (!field.empty()) {
    const auto tag = take_element(field, ',', false);
    if (tag.empty()) continue;
    empty = false;
    const auto inside = inside_of_tag(tag);
    if (!inside) return {};
    // Comparison is strong, so a weak tag matches nothing; and only what we write is a revision of ours.
    const auto revision = tag.front() == '"' ? plain_number<int>(*inside) : std::nullopt;
    if (revision && *revision > 0) match.revisions.push_back(*revision);
  }
  return empty ? std::nullopt : std::optional(std::move(match));
}

result<broker::life_cycle::accept_options> accept_options_of(const http::request& asked, const new_message& body,
                                                             std::optional<std::string> key, milliseconds key_kept) {
  broker::life_cycle::accept_options options{
      .to = body.to, .deliver_at = body.deliver_at, .expires_at = body.expires_at};
  if (key) {
    if (!is_idempotency_key(*key)) return error{errc::invalid, bad_idempotency_key};
    options.once = idempotency{*std::move(key), fingerprint(body), key_kept};
  }
  const auto trace = asked.headers.find("traceparent");
  if (!trace || !is_traceparent(*trace)) return options;
  options.traceparent = *trace;
  if (const auto state = asked.headers.find("tracestate"); state && is_tracestate(*state)) options.tracestate = *state;
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
    const auto number = plain_number<std::size_t>(*limit);
    if (!number || *number < 1 || *number > page_max)
      return error{errc::invalid, "\"limit\" is a number from 1 to " + std::to_string(page_max) +
                                      " (broker.http.page_max), in digits alone."};
    filter.limit = *number;
  }
  if (const auto after = asked.parameter("after"); after && !after->empty()) {
    const auto cursor = parse_uuid(*after);
    if (!cursor) return error{errc::invalid, "\"after\" is the \"next\" of the page before."};
    filter.after = *cursor;
  }
  return filter;
}

}  // namespace amc::api
