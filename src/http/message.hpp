#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/message.hpp"
#include "core/task.hpp"

namespace amc::http {

struct header {
  std::string name;
  std::string value;
};

/// Of ASCII letters; as names of fields, schemes and hosts are compared.
bool same_ignoring_case(std::string_view one, std::string_view other);

class headers {
 public:
  headers() = default;
  headers(std::initializer_list<header> all) : all_(all) {}

  void add(std::string name, std::string value) {
    if (all_.empty()) all_.reserve(usual_count);
    all_.push_back({std::move(name), std::move(value)});
  }
  /// The values of a field, joined by ", " when it came more than once; nothing when absent. Names ignore case.
  std::optional<std::string> find(std::string_view name) const;
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

 private:
  static constexpr std::size_t usual_count = 8;

  std::vector<header> all_;
};

/// Of a query.
struct parameter {
  std::string name;
  std::string value;
};

/// Each `%` and its two hexadecimal digits as the byte that they are; nothing where a `%` has none. All else stays.
std::optional<std::string> percent_decoded(std::string_view text);

/// What is to be known of a certificate that somebody has shown, and that an authority of ours vouches for.
struct peer_certificate {
  /// Whose it is, by its subject's alternative names: "dns:billing.example" (in small letters),
  /// "uri:spiffe://example/billing", "email:billing@example".
  std::vector<std::string> names{};
  timestamp expires_at{};
};

/// Whoever sent a request. For handlers that wait: once it has gone, there is nobody to wait for.
class peer {
 public:
  /// `number`: of its connection, in this process; no two have the same.
  explicit peer(std::uint64_t number = 0, std::string address = {}) : number_(number), address_(std::move(address)) {}
  std::uint64_t number() const { return number_; }
  /// The IP address that it came from; empty where it came over no network.
  const std::string& address() const { return address_; }
  /// Null where it has shown none.
  const peer_certificate* certificate() const { return certificate_ ? &*certificate_ : nullptr; }
  void show(peer_certificate shown) { certificate_ = std::move(shown); }
  bool gone() const { return gone_; }
  /// Sets `waiter` when the peer goes; takes the place of the one before.
  void wakes(std::shared_ptr<one_shot<bool>> waiter) { waiter_ = std::move(waiter); }
  void leave() {
    gone_ = true;
    if (waiter_) waiter_->set(false);
  }

 private:
  std::uint64_t number_;
  std::string address_;
  std::optional<peer_certificate> certificate_;
  bool gone_ = false;
  std::shared_ptr<one_shot<bool>> waiter_;
};

struct request {
  std::string method = "GET";
  std::string target = "/";  ///< path and query, still encoded
  http::headers headers{};
  std::string body{};
  std::shared_ptr<peer> from{};       ///< null where nobody can go away
  std::shared_ptr<void> body_room{};  ///< the room that the body takes among those of all requests

  /// For a request that has been read and waits: nobody needs its body any more.
  void drop_body() {
    std::string().swap(body);
    body_room.reset();
  }

  /// The path, without the query.
  std::string_view path() const;
  /// The parameters of the query, decoded, in order; nothing where one of them cannot be decoded. A "+" is a plus.
  std::optional<std::vector<http::parameter>> parameters() const;
  /// The value of the first parameter of this name; nothing when absent or not decodable.
  std::optional<std::string> parameter(std::string_view name) const;
};

/// Tells, once, whether an answer was written whole.
class receipt {
 public:
  explicit receipt(std::function<void(bool written)> tell) : tell_(std::move(tell)) {}
  ~receipt() {
    if (tell_) tell_(false);
  }
  receipt(const receipt&) = delete;
  receipt& operator=(const receipt&) = delete;

  bool is_written() const { return !tell_; }
  void written() {
    if (tell_) std::exchange(tell_, nullptr)(true);
  }

 private:
  std::function<void(bool)> tell_;
};

struct response {
  int status = 200;
  http::headers headers{};
  std::string body{};
  std::shared_ptr<http::receipt> receipt{};  ///< of who wants to know whether it was written; null: nobody does
};

}  // namespace amc::http
