#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

/// Who can reach a listener: the same machine only, or others, also by way of a proxy on the same machine.
namespace amc::access {

/// Of an IP address; false for any other text.
bool is_loopback(std::string_view address);

/// "10.0.0.7", "10.0.0.0/8", "fd00::/8".
bool is_network(std::string_view text);

/// For a server that only its own machine is to reach, and that asks nobody who they are: what a proxy passes on comes
/// from others.
class forwarding_guard {
 public:
  /// `trusted`: networks of proxies that have been told whom to let through.
  explicit forwarding_guard(std::vector<std::string> trusted) : trusted_(std::move(trusted)) {}

  /// The field that a proxy has added, where no trusted one has; nothing: it may be carried out.
  std::optional<std::string> refuses(const http::request& asked) const;

 private:
  std::vector<std::string> trusted_;
};

}  // namespace amc::access
