#include "access/exposure.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

namespace amc::access {
namespace {

namespace ip = boost::asio::ip;
using boost::system::error_code;

std::optional<ip::address> parse_address(std::string_view text) {
  error_code failed;
  auto address = ip::make_address(std::string(text), failed);
  if (failed) return {};
  if (address.is_v6() && address.to_v6().is_v4_mapped()) address = ip::make_address_v4(ip::v4_mapped, address.to_v6());
  return address;
}

template <class Network>
bool has(const Network& network, const Network& one) {
  return one == network || one.is_subnet_of(network);
}

/// An address is a network of one.
bool network_has(std::string_view network, const ip::address& one) {
  const auto single = parse_address(network);
  if (single) return *single == one;
  error_code failed;
  if (one.is_v4()) {
    const auto v4 = ip::make_network_v4(std::string(network), failed);
    return !failed && has(v4.canonical(), ip::network_v4(one.to_v4(), 32));
  }
  const auto v6 = ip::make_network_v6(std::string(network), failed);
  return !failed && has(v6.canonical(), ip::network_v6(one.to_v6(), 128));
}

bool is_forwarding(std::string_view field) {
  constexpr std::string_view known[] = {
      "Forwarded",          "Via", "X-Real-IP", "X-Client-IP", "Client-IP", "True-Client-IP", "CF-Connecting-IP",
      "X-Cluster-Client-IP"};
  constexpr std::string_view family = "X-Forwarded";
  return http::same_ignoring_case(field.substr(0, family.size()), family) ||
         std::any_of(std::begin(known), std::end(known),
                     [&](std::string_view name) { return http::same_ignoring_case(field, name); });
}

}  // namespace

bool is_loopback(std::string_view address) {
  const auto parsed = parse_address(address);
  return parsed && parsed->is_loopback();
}

bool is_network(std::string_view text) {
  error_code not_v4, not_v6;
  ip::make_network_v4(std::string(text), not_v4);
  ip::make_network_v6(std::string(text), not_v6);
  return parse_address(text) || !not_v4 || !not_v6;
}

std::optional<std::string> forwarding_guard::refuses(const http::request& asked) const {
  const auto field = std::find_if(asked.headers.begin(), asked.headers.end(),
                                  [](const http::header& h) { return is_forwarding(h.name); });
  if (field == asked.headers.end()) return {};
  const auto from = parse_address(asked.from ? std::string_view(asked.from->address()) : std::string_view());
  const bool is_trusted = from && std::any_of(trusted_.begin(), trusted_.end(),
                                              [&](const auto& network) { return network_has(network, *from); });
  return is_trusted ? std::nullopt : std::optional(field->name);
}

}  // namespace amc::access
