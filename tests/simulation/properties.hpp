#pragma once

#include <map>
#include <set>
#include <vector>

#include "tests/simulation/life_table.hpp"
#include "tests/simulation/running.hpp"
#include "tests/simulation/timeliness.hpp"

namespace amc::simulation {

/// What must hold at every moment of a run, seen from the store and from the queues: P1 to P6 of docs/guarantees.md.
/// Where only a world in which nothing goes wrong can keep a promise, it is held to it in calm runs, and in every run
/// once the faults are over.
class properties {
 public:
  explicit properties(const surroundings& around);

  /// From time to time.
  void look();
  /// At the end: who waited for a change was told of it in time.
  void check_waits() const;
  /// And: nobody was refused for no reason.
  void check_refusals() const;
  /// And: nobody died who was not to blame (P2, P3).
  void check_deaths() const;
  void check_what_is_left() const;
  void check_final_failures() const;
  /// And: what operators were told to be done was done, in time.
  void check_operations() const;
  /// From here on there is nothing to do, and nothing may be done.
  void expect_silence();
  /// After a while of that: hardly anybody has even looked (P5).
  void check_silence() const;

 private:
  /// What is known of one revision of one message.
  struct revision_history {
    milliseconds changed{-1};  ///< when it came to be
    milliseconds ended{-1};    ///< when it was answered, or came to another end
    milliseconds arrived{-1};  ///< and when it may be claimed from
    milliseconds first_claimed{-1};
    timestamp lease_ends{};
    bool claimed = false;  ///< and neither released nor failed since
    bool over = false;     ///< it has come to its end
    int runs = 0;
    milliseconds last_rung{-1};
    std::string queue;
    const process* stored_by = nullptr;
    timestamp not_before{};                ///< of what is to be delivered later
    bool rung = false;                     ///< there should be an event for it
    std::map<std::string, int> events{};   ///< for it, in each queue
    std::map<std::string, int> strayed{};  ///< runs of it by services of each queue that it was not in any more
  };
  /// A claim as it was granted.
  struct granted {
    milliseconds at{};
    std::string queue{};
    bool had_expired = false;  ///< its message
  };
  /// Where a message was from then on.
  struct place {
    milliseconds since{};
    std::string queue{};
  };

  void see_change(const database::committed& seen);
  void check_table(const database::committed& seen, std::optional<step> which);
  void check_key(const database::committed& seen);
  void check_past(const message& before) const;
  void see_purge(const message& gone, timestamp at);
  void see_pause(const pause_request& what);
  void check_pause(const message& claimed, const process& by) const;
  void check_purged(const message& before) const;
  milliseconds begun_by(const told& purge) const;
  void see_place(const database::committed& seen);
  void see_operation(const database::committed& seen, step which, revision_history& here);
  bool was_in(const uuid& id, const std::string& queue, milliseconds from, milliseconds until) const;
  void check_place_of(const handled& run);
  void check_place_of(const process& by, const uuid& id, const std::string& queue) const;
  milliseconds in_use_since(const std::string& queue) const;
  void see_claim(const change& what, const outcome& became, revision_history& here);
  void check_company(const message& m);
  void see_arrival(const change& what, const outcome& became, const process& by);
  void check_hand_off(const message& m, const revision_history& handed);
  void see_delivery(const uuid& id, std::int64_t claim);
  void check_undelivered();
  void see_opening(const change& what, const outcome& became, revision_history& here);
  void see_event(const process& by, const outgoing& out, const engine& in);
  int depths_asked() const;
  void forget_unsynced();
  void check_runs();
  void check_rows_stay();
  milliseconds idle_since(const std::string& queue) const;
  void check_due_rows_are_rung();
  void check_all_rung_after_a_start();
  void check_nobody_idles();
  void note_depth(const std::string& queue, std::size_t depth);
  void check_rung_once(const message& m, revision_history& here);
  void check_overtaking(const revision_history& claimed);
  bool clean() const;
  bool calm() const;
  bool all_well_since(milliseconds time) const;
  int claims_that_may_be_lost() const;
  timestamp asked_delivery(const std::string& text) const;
  std::size_t rooms() const;

  surroundings around_;
  life_table table_;
  timeliness timeliness_;
  std::map<std::pair<uuid, int>, revision_history> revisions_;
  std::map<std::pair<uuid, std::int64_t>, granted> claims_;  ///< that were ever given
  std::map<uuid, std::vector<place>> places_;                ///< where each message was, the latest last
  std::map<std::pair<std::string, uuid>, std::vector<place>> known_places_;  ///< as of what each process has changed
  std::vector<std::pair<uuid, milliseconds>> run_now_;                       ///< and when
  struct undelivered {
    milliseconds since;
    std::string by;
    uuid id;
    std::int64_t claim;
  };
  std::vector<undelivered> undelivered_;
  std::map<uuid, row> seen_rows_;
  std::size_t seen_runs_ = 0;
  std::map<std::string, milliseconds> last_full_;               ///< of each queue
  std::map<std::string, milliseconds> paused_since_, resumed_;  ///< of each queue: while it is, and when it last was
  bool silent_ = false;
  milliseconds silent_since_{};
  int looks_before_ = 0;
  int depths_asked_before_ = 0;
};

}  // namespace amc::simulation
