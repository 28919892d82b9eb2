#pragma once

#include <boost/functional/hash.hpp>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>

#include "core/message.hpp"
#include "core/task.hpp"
#include "http/message.hpp"
#include "message_store/async_store.hpp"

namespace amc::broker {

struct waiters_options {
  std::size_t max = 0;        ///< requests that may be parked
  std::size_t max_bytes = 0;  ///< of the texts that they hold together; the others are read when they are answered
};

/// Requests that are parked until a message changes. Bounded in number and bytes; each costs one entry and one timer.
class waiters {
 public:
  waiters(const environment& env, message_store::async_store store, waiters_options options);

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
    /// (null: nobody can). Null when no row was seen, and when it has been deleted meanwhile. `enough` must not look at
    /// the text. Throws `unavailable` (its outcome unknown: whatever the request did was done) where the text has to be
    /// read and cannot be.
    task<row> until(std::function<bool(const message&)> enough, milliseconds longest,
                    std::shared_ptr<http::peer> asker = nullptr);

   private:
    friend class waiters;
    void keep(row now, bool with_text);
    task<bool> change_until(const std::function<bool(const message&)>& enough, timers::time_point deadline,
                            std::shared_ptr<http::peer> asker);
    task<row> with_text() const;

    waiters& owner_;
    uuid id_;
    row latest_;
    bool has_text_ = false;                                        ///< of the latest
    const std::function<bool(const message&)>* enough_ = nullptr;  ///< of whoever waits now
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
  void notice(const message_store::shared_store::news& changed);
  void tell(const row& now, bool with_text);
  void hear(const change_feed::news& elsewhere);
  void read_soon();
  task<void> read_stale();
  task<void> read_some(std::set<uuid>& from, std::size_t max, bool with_text);

  environment env_;
  message_store::async_store store_;
  waiters_options options_;
  std::size_t kept_bytes_ = 0;  ///< of texts
  bool closing_ = false;
  std::unordered_multimap<uuid, watch*, boost::hash<uuid>> watches_;
  std::set<uuid> stale_;     ///< watched, and changed
  std::set<uuid> doubtful_;  ///< watched, and perhaps changed by another process
  bool reading_ = false;
  task_group tasks_;
  std::shared_ptr<void> observing_;
  std::shared_ptr<void> observing_elsewhere_;
};

}  // namespace amc::broker
