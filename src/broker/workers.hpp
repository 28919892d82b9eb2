#pragma once

#include <boost/functional/hash.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/environment.hpp"
#include "core/work.hpp"

namespace amc::broker {

/// One start of one process that receives, as a broker knows it.
struct worker {
  using time_point = timers::time_point;

  /// What it was handed here, and nobody has settled yet.
  struct hand {
    int revision = 0;
    std::int64_t claim = 0;
    bool alone = false;
    time_point ends{};  ///< of its lease
    std::string queue{};
  };

  std::map<uuid, hand> hands{};
  std::size_t elsewhere = 0;  ///< in hand, and not from here, as it said last
  std::size_t claiming = 0;   ///< claims under way for it
  std::size_t requests = 0;   ///< under way
  bool is_alone = false;      ///< what it is given now, or has, is alone
  /// Until then it gets nothing but what must be alone; afterwards that all the same.
  std::optional<time_point> reserved_until{};

  /// With nothing in hand that could go down with it.
  bool is_idle() const { return elsewhere == 0 && hands.empty() && claiming == 0; }
};

/// Who works on what, as plain logic without I/O: so that a message that was left unanswered twice is given to a worker
/// with nothing else in hand, which gets nothing else until it is settled or its lease is over. For one thread.
class workers {
 public:
  using time_point = worker::time_point;

  std::shared_ptr<worker> of(const std::string& name);

  /// It has so many in hand, of all queues. Those that it was handed here are known: they may be settled before it says
  /// so again.
  static void says(worker& who, std::size_t in_hand);

  /// Whether it may be given something in company.
  static bool may_take(const worker& who) { return !who.is_alone && !who.reserved_until; }
  /// Whether it may be given something that must be alone. One that was reserved for longer than a lease, all the same.
  static bool may_take_alone(const worker& who, time_point now);

  /// A claim for it is under way, until `handed` or `claim_over`.
  void claims(worker& who, bool alone);
  void claim_over(worker& who);
  void handed(const std::shared_ptr<worker>& who, const message& what, bool alone, time_point lease_ends);

  /// It has nothing in hand, and asks for work of this queue again: what it had of it, which is lost. What it was
  /// handed of other queues may still be on its way.
  std::vector<claimed> lost(worker& who, const std::string& queue);
  void settled(const uuid& id);
  /// The same, where this is the claim that it is known by.
  void settled(const uuid& id, std::int64_t claim);
  void extended(const uuid& id, time_point lease_ends);
  /// Forgets leases that are over, and workers of whom nothing is known.
  void tidy(time_point now);

  std::size_t size() const { return all_.size(); }

 private:
  static void end_of_lonely_run(worker& who);

  std::map<std::string, std::shared_ptr<worker>> all_;
  std::unordered_map<uuid, std::weak_ptr<worker>, boost::hash<uuid>> holders_;
};

}  // namespace amc::broker
