#include "http/browsers.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

namespace amc::http {
namespace {

namespace asio = boost::asio;

struct authority {
  std::string host;  ///< in small letters, without a dot at the end; an IPv6 address without brackets
  std::string port;  ///< empty where none is given
};

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string in_small_letters(std::string_view text) {
  std::string small(text);
  for (char& c : small)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return small;
}

bool is_ipv6(const std::string& text) {
  boost::system::error_code failed;
  asio::ip::make_address_v6(text, failed);
  return !failed;
}

/// Nothing for what is no host, with or without a port.
std::optional<authority> parse_authority(std::string_view text) {
  authority parsed;
  const bool bracketed = text.starts_with('[');
  const auto end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
  if (end == std::string_view::npos) return {};
  parsed.host = in_small_letters(text.substr(bracketed, end - bracketed));
  text.remove_prefix(end + bracketed);
  if (!text.empty() && (text.front() != ':' || !all_digits(text.substr(1)))) return {};
  if (!text.empty()) parsed.port = text.substr(1);
  if (bracketed) return is_ipv6(parsed.host) ? std::optional(parsed) : std::nullopt;
  if (parsed.host.ends_with('.')) parsed.host.pop_back();
  constexpr std::string_view no_part_of_a_host = " \t/?#@[]\\\"<>";
  const bool named = !parsed.host.empty() && parsed.host.find_first_of(no_part_of_a_host) == std::string::npos;
  return named ? std::optional(parsed) : std::nullopt;
}

struct origin {
  std::string scheme;
  authority at;
};

std::optional<origin> parse_origin(std::string_view text) {
  constexpr std::string_view behind_scheme = "://";
  const auto end = text.find(behind_scheme);
  if (end == std::string_view::npos || end == 0) return {};
  auto at = parse_authority(text.substr(end + behind_scheme.size()));
  if (!at) return {};
  return origin{in_small_letters(text.substr(0, end)), std::move(*at)};
}

/// Where no port is given it is the scheme's.
std::string_view port_of(const std::string& scheme, const authority& at) {
  if (!at.port.empty()) return at.port;
  return scheme == "https" ? "443" : scheme == "http" ? "80" : "";
}

bool same(const origin& page, const std::string& scheme, const authority& at) {
  return page.scheme == scheme && page.at.host == at.host && port_of(scheme, page.at) == port_of(scheme, at);
}

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  boost::system::error_code failed;
  const auto address = asio::ip::make_address(host, failed);
  return !failed && address.is_loopback();
}

/// A page that this server itself has given out.
bool is_own(const std::string& from, const std::optional<std::string>& host) {
  const auto page = parse_origin(from);
  const auto at = host ? parse_authority(*host) : std::nullopt;
  return page && at && same(*page, page->scheme, *at);
}

}  // namespace

bool is_origin(std::string_view text) {
  return parse_origin(text).has_value();
}

bool is_host(std::string_view text) {
  return parse_authority(text).has_value();
}

bool is_from_own_page(const request& asked) {
  if (const auto from = asked.headers.find("Origin")) return is_own(*from, asked.headers.find("Host"));
  const bool reads = asked.method == "GET" || asked.method == "HEAD";
  const auto site = asked.headers.find("Sec-Fetch-Site");
  if (!site) return reads;
  return same_ignoring_case(*site, "same-origin") || (reads && same_ignoring_case(*site, "none"));
}

browser_guard::browser_guard(browser_rules rules, bool on_loopback)
    : rules_(std::move(rules)), on_loopback_(on_loopback) {}

bool browser_guard::knows_host(std::string_view host) const {
  const auto asked = parse_authority(host);
  if (!asked) return false;
  return is_loopback(asked->host) || std::any_of(rules_.hosts.begin(), rules_.hosts.end(), [&](const auto& name) {
           const auto known = parse_authority(name);
           return known && known->host == asked->host && (known->port.empty() || known->port == asked->port);
         });
}

bool browser_guard::knows_origin(const std::optional<std::string>& from) const {
  const auto page = from ? parse_origin(*from) : std::nullopt;
  return page && std::any_of(rules_.origins.begin(), rules_.origins.end(), [&](const auto& name) {
           const auto known = parse_origin(name);
           return known && same(*page, known->scheme, known->at);
         });
}

std::optional<browser_guard::refusal> browser_guard::refuses(const request& asked) const {
  const auto host = asked.headers.find("Host"), from = asked.headers.find("Origin");
  // HTTP/1.0 may come without one, and no browser does.
  if (on_loopback_ && host && !knows_host(*host))
    return refusal{421, "This server is not called \"" + *host +
                            "\": ask for localhost or 127.0.0.1, or add the name to broker.http.hosts."};
  if (knows_origin(from)) return {};
  if (from && !is_own(*from, host))
    return refusal{403,
                   "Pages of the origin \"" + *from + "\" may not use this server: add it to broker.http.origins."};
  const auto site = asked.headers.find("Sec-Fetch-Site").value_or("");
  if (same_ignoring_case(site, "cross-site") || same_ignoring_case(site, "same-site"))
    return refusal{403, "Pages of another site may not use this server: Sec-Fetch-Site is \"" + site +
                            "\", and no origin in broker.http.origins."};
  return {};
}

std::optional<response> browser_guard::preflight(const request& asked) const {
  if (asked.method != "OPTIONS" || !asked.headers.find("Access-Control-Request-Method") ||
      !knows_origin(asked.headers.find("Origin")))
    return {};
  response reply{204,
                 {{"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE"},
                  {"Access-Control-Allow-Headers",
                   "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, traceparent"},
                  {"Access-Control-Max-Age", "600"}},
                 {}};
  return reply;
}

void browser_guard::mark(const request& asked, response& reply) const {
  if (rules_.origins.empty()) return;
  reply.headers.add("Vary", "Origin");
  const auto from = asked.headers.find("Origin");
  if (!knows_origin(from)) return;
  reply.headers.add("Access-Control-Allow-Origin", *from);
  reply.headers.add("Access-Control-Expose-Headers",
                    "Allow, Content-Location, ETag, Location, Preference-Applied, Retry-After");
}

}  // namespace amc::http
