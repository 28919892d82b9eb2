#pragma once

#include <boost/functional/hash.hpp>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>

#include "amc/message.hpp"
#include "core/task.hpp"
#include "http/message.hpp"
#include "message_store/async_store.hpp"

namespace amc::broker {

/// Requests that are parked until a message changes. Bounded in number; each costs one entry and one timer.
class waiters {
 public:
  waiters(const environment& env, message_store::async_store& store, std::size_t max);

  /// Sees every change of one message from its making to its destruction, so: watch first, then read, then wait.
  class watch {
   public:
    watch(waiters& owner, const uuid& id);
    ~watch();
    watch(const watch&) = delete;
    watch& operator=(const watch&) = delete;

    /// A row that was read elsewhere; ignored when a newer one is known.
    void saw(row now);

    /// Returns when `enough` is true of the latest row, the time is over, everyone is sent home, or who asked has gone
    /// (null: nobody can). Null when no row was seen.
    task<row> until(std::function<bool(const message&)> enough, milliseconds longest,
                    std::shared_ptr<http::peer> asker = nullptr);

   private:
    friend class waiters;
    waiters& owner_;
    uuid id_;
    row latest_;
    std::shared_ptr<one_shot<bool>> woken_;
  };

  /// Throws `unavailable` (overloaded) when there are too many.
  std::unique_ptr<watch> watch_for(const uuid& id);

  /// Wakes everyone: each answers with what it knows.
  void send_home();
  /// Returns when nothing of this is under way any more.
  task<void> stop();

  std::size_t size() const { return watches_.size(); }

 private:
  void notice(const std::vector<row>& changed);
  void hear(const change_feed::news& elsewhere);
  task<void> read_stale();

  environment env_;
  message_store::async_store& store_;
  std::size_t max_;
  bool closing_ = false;
  std::unordered_multimap<uuid, watch*, boost::hash<uuid>> watches_;
  std::set<uuid> stale_;  ///< watched, and perhaps changed by another process
  bool reading_ = false;
  task_group tasks_;
  std::shared_ptr<void> observing_;
  std::shared_ptr<void> observing_elsewhere_;
};

}  // namespace amc::broker
