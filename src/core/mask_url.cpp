#include <algorithm>
#include <array>
#include <cctype>

#include "core/config.hpp"
#include "core/text.hpp"

namespace amc {
namespace {

// What is shown is what is known to be no secret, at a place where no secret can stand. A text that is not quite a URL
// shows nothing: a "/" in a password, a forgotten quote or a wrong name must not bring out what follows.

constexpr std::string_view mask = "***";

/// Settings of libpq and of URLs that tell nothing that is worth hiding. Everything else is hidden, typing errors
/// included.
constexpr std::array<std::string_view, 32> open_names{"host",
                                                      "hostaddr",
                                                      "port",
                                                      "dbname",
                                                      "user",
                                                      "passfile",
                                                      "service",
                                                      "sslmode",
                                                      "sslrootcert",
                                                      "sslcert",
                                                      "sslkey",
                                                      "sslcrl",
                                                      "sslcrldir",
                                                      "sslsni",
                                                      "ssl_min_protocol_version",
                                                      "ssl_max_protocol_version",
                                                      "channel_binding",
                                                      "connect_timeout",
                                                      "client_encoding",
                                                      "application_name",
                                                      "fallback_application_name",
                                                      "keepalives",
                                                      "keepalives_idle",
                                                      "keepalives_interval",
                                                      "keepalives_count",
                                                      "tcp_user_timeout",
                                                      "gssencmode",
                                                      "krbsrvname",
                                                      "requirepeer",
                                                      "target_session_attrs",
                                                      "load_balance_hosts",
                                                      "heartbeat"};

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

/// What stands before "://" may be the user of a URL without a scheme, and what follows the password.
bool is_known_scheme(std::string_view scheme) {
  constexpr std::array<std::string_view, 10> known{"http",       "https", "amqp", "amqps", "postgres",
                                                   "postgresql", "nats",  "tls",  "redis", "rediss"};
  return std::find(known.begin(), known.end(), in_lower_case(scheme)) != known.end();
}

/// To NATS a user alone is a token, and to Redis some write a password so.
bool is_secret_alone(std::string_view scheme) {
  constexpr std::array<std::string_view, 4> those{"nats", "tls", "redis", "rediss"};
  return std::find(those.begin(), those.end(), in_lower_case(scheme)) != those.end();
}

bool is_open(std::string_view name) {
  return std::find(open_names.begin(), open_names.end(), name) != open_names.end();
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Letters, digits, what is beyond ASCII, and these.
bool consists_of(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alphanumeric(c) || (static_cast<unsigned char>(c) & 0x80) != 0 ||
           others.find(c) != std::string_view::npos;
  });
}

/// A name, a path, a number, a list of hosts, or addresses of IPv6; nothing that could end in a setting of its own.
bool is_plain_value(std::string_view value) {
  return consists_of(value, "-._~/,+") ||
         value.find_first_not_of("0123456789abcdefABCDEF.:,") == std::string_view::npos;
}

/// The text up to one of these characters, taken off the front.
std::string_view take_until(std::string_view& rest, std::string_view ends) {
  const auto part = rest.substr(0, rest.find_first_of(ends));
  rest.remove_prefix(part.size());
  return part;
}

bool is_port(std::string_view text) {
  return text.size() <= 5 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// HOST, HOST:PORT or [ADDRESS]:PORT.
bool is_host(std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos || !consists_of(text.substr(1, end - 1), ":.%-_~")) return false;
    port = text.substr(end + 1);
  } else {
    const auto name = take_until(text, ":");
    const bool folder = name.starts_with("%2F") || name.starts_with("%2f");  // of a socket, as libpq takes it
    if (!consists_of(name, folder ? "-._~%" : "-._~")) return false;
    port = text;
  }
  return port.empty() || (port[0] == ':' && is_port(port.substr(1)));
}

/// One host, or several with commas between them, as libpq takes them.
bool are_hosts(std::string_view text) {
  for (;;) {
    if (!is_host(take_until(text, ","))) return false;
    if (text.empty()) return true;
    text.remove_prefix(1);
  }
}

/// NAME=VALUE&…, up to the first that is not known to be open.
std::string masked_query(std::string_view query) {
  std::string shown;
  for (;;) {
    const auto pair = take_until(query, "&;");
    const auto equals = pair.find('=');
    const auto name = pair.substr(0, equals);
    const bool open = equals != std::string_view::npos && is_open(name) && is_plain_value(pair.substr(equals + 1));
    if (!open) return shown + (name == "password" ? "password=" : "") + std::string(mask);
    shown += pair;
    if (query.empty()) return shown;
    shown += query[0];
    query.remove_prefix(1);
  }
}

/// USER or USER:PASSWORD, with the "@".
std::string masked_user(std::string_view scheme, std::string_view user) {
  const auto name = take_until(user, ":");
  if (user.empty() && is_secret_alone(scheme)) return std::string(mask) + "@";
  if (name.find('%') != std::string_view::npos || !consists_of(name, "-._~+")) return std::string(mask) + "@";
  return std::string(name) + (user.empty() ? "@" : ":" + std::string(mask) + "@");
}

std::string masked_url(std::string_view scheme, std::string_view rest) {
  const auto begin = std::string(scheme) + "://";
  auto nothing_shown = begin + std::string(mask);
  const auto authority = take_until(rest, "/?#");
  // An "@" further on may end a password that holds one of these characters.
  if (rest.find('@') != std::string_view::npos) return nothing_shown;
  const auto at = authority.rfind('@');
  const auto hosts = at == std::string_view::npos ? authority : authority.substr(at + 1);
  if (!are_hosts(hosts)) return nothing_shown;
  const auto path = take_until(rest, "?#");
  if (!consists_of(path, "-._~/%+")) return nothing_shown;
  auto shown = begin + (at == std::string_view::npos ? "" : masked_user(scheme, authority.substr(0, at))) +
               std::string(hosts) + std::string(path);
  if (rest.empty()) return shown;
  if (rest[0] == '?' && rest.find('#') == std::string_view::npos) return shown + "?" + masked_query(rest.substr(1));
  return shown + rest[0] + std::string(mask);
}

/// libpq's other form, "host=db password = 's3cret'", up to the first setting that is not known to be open.
std::string masked_settings(std::string_view text) {
  constexpr std::string_view white = " \t\n\r\v\f";
  const auto skip_white = [&] { text.remove_prefix(std::min(text.find_first_not_of(white), text.size())); };
  std::string shown;
  for (skip_white(); !text.empty(); skip_white()) {
    const auto name = take_until(text, " \t\n\r\v\f=");
    skip_white();
    const std::string separator = shown.empty() ? "" : " ";
    if (name == "password" && text.starts_with('=')) return shown + separator + "password=" + std::string(mask);
    if (!is_open(name) || !text.starts_with('=')) return shown + separator + std::string(mask);
    text.remove_prefix(1);
    skip_white();
    std::string_view value;
    if (text.starts_with('\'')) {
      text.remove_prefix(1);
      value = take_until(text, "'");
      const bool ends = text.starts_with('\'') && (text.size() == 1 || white.find(text[1]) != std::string_view::npos);
      if (!ends) return shown + separator + std::string(mask);
      text.remove_prefix(1);
    } else {
      value = take_until(text, white);
    }
    if (!is_plain_value(value)) return shown + separator + std::string(mask);
    shown += separator + std::string(name) + "=" + (value.empty() ? "''" : std::string(value));
  }
  return shown;
}

}  // namespace

std::string mask_url(std::string_view url) {
  if (url.empty()) return {};
  const auto end = url.find("://");
  const auto scheme = url.substr(0, end);
  const bool is_url = end != std::string_view::npos && is_known_scheme(scheme);
  return is_url ? masked_url(scheme, url.substr(end + 3)) : masked_settings(url);
}

std::string repeated(std::string_view given) {
  constexpr std::size_t longest = 100;
  const bool may_hold_a_secret =
      given.find_first_of("@=") != std::string_view::npos || given.find("://") != std::string_view::npos;
  const auto shown = may_hold_a_secret ? mask_url(given) : std::string(given);
  return "\"" + escaped(shortened(shown, longest)) + (shown.size() > longest ? "…" : "") + "\"";
}

}  // namespace amc
