#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

/// A browser sends what a page of anybody tells it to, also to a server that only this machine reaches. What such a
/// page may not do here is told by fields that it cannot forge: Origin, Sec-Fetch-Site and Host (docs/decisions/0014).
namespace amc::http {

struct browser_rules {
  std::vector<std::string> origins{};  ///< of pages that may use this server: "https://ops.example:8443"
  std::vector<std::string> hosts{};    ///< names that a server on the loopback goes by, beside the loopback's own
};

/// "SCHEME://HOST" or "SCHEME://HOST:PORT", as a browser sends it.
bool is_origin(std::string_view text);
/// "HOST" (with any port) or "HOST:PORT".
bool is_host(std::string_view text);

/// Whether a request that a browser sends its cookies with comes from a page of this server. What changes something
/// must say so (Origin, Sec-Fetch-Site); what reads may say nothing.
bool is_from_own_page(const request& asked);

class browser_guard {
 public:
  browser_guard(browser_rules rules, bool on_loopback);

  struct refusal {
    int status;
    std::string detail;
  };
  /// Why a request is not carried out: 421 where the name that it came by is not one of this server's (a page whose
  /// name was bound to this address anew), 403 where it comes from a page of somebody else.
  std::optional<refusal> refuses(const request& asked) const;

  /// The answer to a page of a configured origin that asks what it may send.
  std::optional<response> preflight(const request& asked) const;

  /// Adds what a browser needs to show an answer to a page of a configured origin, and to no other.
  void mark(const request& asked, response& reply) const;

 private:
  bool knows_host(std::string_view host) const;
  bool knows_origin(const std::optional<std::string>& origin) const;

  browser_rules rules_;
  bool on_loopback_;
};

}  // namespace amc::http
