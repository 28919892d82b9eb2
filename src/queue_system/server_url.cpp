#include "queue_system/server_url.hpp"

#include <boost/url/parse.hpp>

#include "core/text.hpp"

namespace amc::queue_system {
namespace {

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

bool has_nul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

/// What stands before the hosts, each host, and what stands behind them.
struct parts {
  std::string begin;
  std::vector<std::string> hosts;
  std::string end;
};

parts parts_of(std::string_view url) {
  const auto scheme_end = std::min(url.find("://"), url.size());
  const auto authority = std::min(scheme_end + 3, url.size());
  const auto end = std::min(url.find_first_of("/?#", authority), url.size());
  const auto at = url.substr(0, end).rfind('@');
  const auto hosts = at == std::string_view::npos || at < authority ? authority : at + 1;
  parts all{std::string(url.substr(0, hosts)), {}, std::string(url.substr(end))};
  for (auto begin = hosts; begin <= end;) {
    const auto comma = std::min(url.find(',', begin), end);
    all.hosts.emplace_back(url.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return all;
}

}  // namespace

std::optional<server_url> parse_server_url(std::string_view url, const url_rules& rules) {
  const auto split = parts_of(url);
  if (split.hosts.size() > 1 && !rules.has_many_hosts) return {};
  server_url all;
  for (const auto& host : split.hosts) {
    const auto text = split.begin + host + split.end;
    const auto one = boost::urls::parse_uri(text);
    if (!one || !one->has_authority() || one->has_query() || one->has_fragment()) return {};
    const auto scheme = in_lower_case(one->scheme());
    all.tls = scheme == rules.tls_scheme;
    if (!all.tls && scheme != rules.scheme) return {};
    all.has_user = one->has_userinfo();
    all.user = one->user();
    all.password = one->password();
    // Boost 1.81 takes what follows the digits of a port for a path.
    if (!one->encoded_path().empty() && !one->is_path_absolute()) return {};
    const auto segments = one->segments();
    if (segments.size() > (rules.has_path ? 1U : 0U) && !(segments.size() == 1 && segments.front().empty())) return {};
    all.path = segments.empty() ? std::string() : std::string(segments.front());
    server_url::host_and_port where{one->host_address(), all.tls ? rules.tls_port : rules.port};
    if (where.host.empty()) {
      if (split.hosts.size() > 1) return {};
      where.host = "localhost";
    }
    if (one->has_port() && !one->port().empty()) where.port = port_in(one->port());
    if (where.port == 0 || has_nul(where.host)) return {};
    all.hosts.push_back(std::move(where));
  }
  if (has_nul(all.user) || has_nul(all.password) || has_nul(all.path)) return {};
  return all;
}

}  // namespace amc::queue_system
