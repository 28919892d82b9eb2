#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amc::queue_system {

/// What the URLs of one engine's servers are like.
struct url_rules {
  std::string_view scheme, tls_scheme;
  std::uint16_t port = 0, tls_port = 0;  ///< where none is given
  bool has_path = true;                  ///< one segment may follow: a virtual host, a database
  bool has_many_hosts = false;           ///< HOST:PORT,HOST:PORT
};

/// SCHEME://USER:PASSWORD@HOST:PORT/PATH, its parts decoded.
struct server_url {
  struct host_and_port {
    std::string host{};  ///< of an IPv6 address without its brackets
    std::uint16_t port = 0;
  };
  bool tls = false;
  bool has_user = false;  ///< or a password, or both empty: an @ stands before the hosts
  std::string user{}, password{};
  std::vector<host_and_port> hosts{};  ///< one or more
  std::string path{};                  ///< without the slash before it
};

/// Nothing where it is none, or has what the rules know nothing of: another scheme, a query, a port that is none,
/// U+0000.
std::optional<server_url> parse_server_url(std::string_view url, const url_rules& rules);

}  // namespace amc::queue_system
