#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "message_store/store.hpp"
#include "tests/simulation/process.hpp"
#include "tests/support/memory_store.hpp"

namespace amc::simulation {

/// A database server, to which every process has connections of its own. What a change means is what `admits` and
/// `changed` say; this adds what a server adds: it can be away, crash, be full, lose a commit's outcome, and its clock
/// can jump.
class database {
 public:
  explicit database(world& in);

  /// Connections for one process.
  opened_store open(process& by);

  timestamp clock() const;
  const std::map<uuid, row>& rows() const { return now_.rows(); }
  const paused_queues& pauses() const { return now_.pauses(); }
  /// What the earlier revisions of each message said.
  const std::map<uuid, std::vector<past_content>>& past() const { return now_.past(); }
  /// What is noted of them passes this from now on.
  void note_past_through(std::function<void(message&)> spoil) { now_.noting_past = std::move(spoil); }
  /// How often anybody has looked for due rows.
  int looks() const { return looks_; }

  /// Forgets what it had not synced: all of it, or the latest part.
  void crash();
  void go_away(milliseconds longest);
  void fill_up(milliseconds longest);
  void jump(milliseconds by);
  void cut_feeds(milliseconds longest);

  /// A change at its commit, applied or refused, and its row before and after it (null: there is none).
  struct committed {
    const process& by;
    const change& what;
    const outcome& became;
    row before;
    row after;
  };
  std::function<void(const committed& seen)> seen;
  /// A queue was paused, or resumed.
  std::function<void(const pause_request& what)> seen_pause;
  /// Called for every row that is deleted, and when.
  std::function<void(const row& gone, timestamp at)> seen_purge;
  /// Called when rows went back to what they were before, and when the clock has jumped.
  std::function<void()> seen_crash;
  std::function<void()> seen_jump;

 private:
  class connection;
  class feed;
  class reader;

  void reach(const process& by) const;
  void refuse_writes(const process& by) const;
  paused_queues paused(process& by, const std::optional<pause_request>& request);
  std::vector<outcome> apply(process& by, std::span<const change> batch);
  std::vector<outcome> commit(process& by, std::span<const change> batch);
  outcome commit_one(process& by, const change& what);
  purged purge(const purge_request& what);
  void keep(bool synced);
  void tell(const process& by, const std::vector<outcome>& outcomes, std::span<const change> batch);

  world& world_;
  tests::memory_store now_;
  std::deque<tests::memory_store> since_sync_;  ///< the synced state, and each after it; only where it may crash
  bool may_crash_;
  int looks_ = 0;
  milliseconds clock_offset_{};
  milliseconds away_until_{-1};
  milliseconds full_until_{-1};
  milliseconds feeds_cut_until_{-1};
  std::vector<feed*> feeds_;
};

}  // namespace amc::simulation
