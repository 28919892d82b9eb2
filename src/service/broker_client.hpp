#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/message.hpp"
#include "core/task.hpp"
#include "core/work.hpp"
#include "http/client.hpp"

namespace amc::service {

/// What a service asks of a broker. Each verb throws `unavailable` when the broker cannot be asked; asking again is
/// always safe, since every verb names the revision or the claim that it is about.
class broker_client {
 public:
  virtual ~broker_client() = default;
  virtual task<std::vector<result<claimed_revision>>> claim(std::vector<claim_request> requests) = 0;
  virtual task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims) = 0;
  virtual task<void> release(std::vector<claimed> claims) = 0;
  /// What has become of each: pending again, or dead. Errors of each: not_found, terminal, stale.
  virtual task<std::vector<result<status>>> fail(std::vector<failed_claim> failures) = 0;
  /// Errors of each: not_found, terminal, stale, unroutable, invalid (nothing that the broker takes, or too large).
  virtual task<std::vector<result<void>>> answer(std::vector<answer_request> answers) = 0;
};

/// A request for work, and outcomes of earlier work, which are settled first.
struct receive_round {
  std::string queue{};
  std::string service{};  ///< its name, for whoever looks at who has worked
  std::string worker{};   ///< one start of one process; no two have the same
  std::size_t max = 1;    ///< deliveries; 0: nothing more, and what this worker has parked for the queue is answered
  std::size_t max_bytes = 0;  ///< of their texts together; the first comes whatever its size
  std::size_t in_hand = 0;  ///< deliveries that the whole process has in hand, without those whose outcomes come along
  milliseconds wait{};      ///< parked for so long while there is no work
  std::vector<answer_request> answers{};
  std::vector<failed_claim> failures{};
  /// Of a request that stands: what has come, and so many bytes of `max_bytes` with it.
  std::function<void(std::vector<claimed_revision> deliveries, std::size_t bytes)> take{};
};

/// What a service has room for beyond what it has asked for with a request that stands.
struct more_room {
  std::size_t deliveries = 0;
  std::int64_t bytes = 0;   ///< of their texts; negative where answers have taken it up
  std::size_t in_hand = 0;  ///< as in `receive_round`
};

/// Deliveries that are claimed already, and what has become of the outcomes, in their order.
struct received_round {
  std::vector<claimed_revision> deliveries{};
  std::vector<result<void>> answers{};
  std::vector<result<status>> failures{};
};

/// A broker that services receive from, instead of hearing a queue engine.
class receiving_client : public broker_client {
 public:
  /// Returns as soon as there is work, or the time is over. Throws `unavailable` as the other verbs do; deliveries that
  /// got lost on the way are open again when the worker asks with nothing in hand, or when their leases are over.
  virtual task<received_round> receive(receive_round asked) = 0;

  /// Whether requests *stand*: one with `take`, and without outcomes, returns when its time is over, a later one ends
  /// it, or it has brought what must be alone; until then deliveries come by `take`, on the caller's executor, as soon
  /// as they are claimed. They use up `max` and `max_bytes`, to which `offer` adds.
  virtual bool stands() const { return false; }
  /// To the request that stands for the queue. Nothing where none does.
  virtual void offer(const std::string& /*queue*/, const more_room& /*room*/) {}
};

/// Over HTTP. `timeout` is for one request, and comes on top of what a request is parked for.
std::shared_ptr<receiving_client> make_http_broker_client(std::shared_ptr<http::caller> http, milliseconds timeout);

}  // namespace amc::service
