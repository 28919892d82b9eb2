#pragma once

#include <memory>
#include <vector>

#include "message_store/shared_store.hpp"

namespace amc::message_store {

/// A shared store, for the coroutines of one environment: each verb resumes on its thread, and throws `unavailable` as
/// the store does. A value; copies are the same store.
class async_store {
 public:
  async_store(const environment& env, std::shared_ptr<shared_store> store) : env_(env), store_(std::move(store)) {}

  task<std::vector<outcome>> apply(std::vector<change> changes) const {
    return store_->apply(env_, std::move(changes));
  }
  task<outcome> apply(change what) const { return store_->apply(env_, std::move(what)); }
  task<found_row> find(uuid id) const { return store_->find(env_, id); }
  /// In order; null for an unknown one, and for one that cannot be read.
  task<std::vector<row>> find(std::vector<uuid> ids) const { return store_->find(env_, std::move(ids), true); }
  task<std::vector<row>> find_without_text(std::vector<uuid> ids) const {
    return store_->find(env_, std::move(ids), false);
  }
  task<std::vector<due_row>> due(std::size_t limit) const { return store_->due(env_, limit); }
  task<std::vector<due_row>> waiting(waiting_request which) const { return store_->waiting(env_, std::move(which)); }
  task<void> make_all_due(std::string queue = {}) const { return store_->make_all_due(env_, std::move(queue)); }
  task<paused_queues> paused(std::optional<pause_request> request = {}) const {
    return store_->paused(env_, std::move(request));
  }
  /// To other processes; at once where there can be none.
  task<void> tell_receiving(std::vector<receiving> who) const { return store_->tell_receiving(env_, std::move(who)); }
  task<message_page> list(list_filter filter) const { return store_->list(env_, std::move(filter)); }
  task<std::vector<queue_counts>> counts() const { return store_->counts(env_); }
  task<std::size_t> pending_of(std::string owner, std::size_t at_most) const {
    return store_->pending_of(env_, std::move(owner), at_most);
  }
  task<place_told> place_of(place_question which) const { return store_->place_of(env_, std::move(which)); }
  task<told_past> past_of(uuid id) const { return store_->past_of(env_, id); }
  task<purged> purge(purge_request what) const { return store_->purge(env_, what); }
  task<timestamp> now() const { return store_->now(env_); }
  /// Throws while the store can be read and not written, too. That costs a write only where one has failed, after an
  /// absence, and the first time.
  task<void> check() const { return store_->check(env_); }

  /// `observe` runs on this environment's thread for each transaction of this process, in the order of the commits,
  /// until the returned handle is destroyed (on that thread).
  [[nodiscard]] std::shared_ptr<void> observe(std::function<void(const shared_store::news&)> observe) const {
    return store_->observe(env_.executor, std::move(observe));
  }
  /// The same for what other processes have changed, and where they have left work. From one thread. Does nothing where
  /// no other process can change the store.
  [[nodiscard]] std::shared_ptr<void> observe_elsewhere(std::function<void(const change_feed::news&)> hear) const {
    return store_->observe_elsewhere(env_, std::move(hear));
  }

 private:
  environment env_;
  std::shared_ptr<shared_store> store_;
};

}  // namespace amc::message_store
