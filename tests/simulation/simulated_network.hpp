#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "http/client.hpp"
#include "tests/simulation/process.hpp"

namespace amc::simulation {

/// Carries requests to brokers and answers back, as values: it may lose either, delay them, and cut a client off.
class network {
 public:
  using service = std::function<task<http::response>(http::request&)>;

  explicit network(world& in) : world_(in) {}

  /// The broker with this name answers from now on; `close` refuses new requests.
  void listen(const std::string& address, process& by, service handle);
  void close(const std::string& address) { listeners_.erase(address); }
  /// Requests that this process has not answered yet.
  std::size_t in_flight(const process& by) const;
  /// Nothing is on its way or being answered, but for requests for work.
  bool quiet() const;
  /// A process is gone: whoever waits for an answer of it learns that the connection is lost.
  void forget(const process& gone);

  using deliveries_seen = std::function<void(const process& by, const uuid& id, std::int64_t claim)>;
  /// A delivery that its broker has written whole, or knows to have reached nobody.
  deliveries_seen seen_delivered, seen_undelivered;

  /// One client, behind a balancer: it stays with a broker while that answers, more or less.
  std::shared_ptr<http::caller> connect(process& client, std::vector<std::string> addresses);

  /// A client and a broker do not reach each other for a while.
  void cut(const std::string& client, const std::string& address, milliseconds longest);

 private:
  struct listener {
    process* by = nullptr;
    service handle;
  };
  struct call;
  class balanced_caller;

  bool is_cut(const call& what) const;
  void carry(const std::shared_ptr<call>& what);
  void send_on(const std::shared_ptr<call>& what, milliseconds delay);
  static bool makes_a_message(const http::request& asked);
  void arrive(const std::shared_ptr<call>& what);
  task<void> serve(std::shared_ptr<call> what, service handle);
  void answer(const std::shared_ptr<call>& what, http::response reply);
  static void hang_up(const std::shared_ptr<call>& what);
  static void receive(call& what, const http::response& reply);
  static void tell_deliveries(const deliveries_seen& seen, const process& by, const http::response& reply);
  void fail(const std::shared_ptr<call>& what, const unavailable& why);

  world& world_;
  std::map<std::string, listener> listeners_;
  std::map<std::pair<std::string, std::string>, milliseconds> cut_until_;
  std::vector<std::shared_ptr<call>> in_flight_;
  int on_the_way_ = 0;
};

}  // namespace amc::simulation
