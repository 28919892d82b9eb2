#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "core/batching_worker.hpp"
#include "message_store/availability.hpp"
#include "message_store/store.hpp"

namespace amc::message_store {

/// What a store may have to do at once. What a request may get back counts with the largest that it can be.
struct limits {
  std::size_t inbox_max = 0;        ///< requests that may wait; more are refused (overloaded)
  std::size_t inbox_max_bytes = 0;  ///< of their texts
  std::size_t batch_max = 0;        ///< requests that become one transaction
  std::size_t batch_max_bytes = 0;  ///< of the texts that it takes and gives
  std::size_t text_max_bytes = 0;   ///< of one message
  std::size_t past_max_bytes = 0;   ///< of what its earlier revisions said
};

/// A store that the threads of a process share, asynchronously and in batches: each of its drivers, and its reader, on
/// a thread of its own. May be used from any thread's coroutines; each call resumes on the environment that it names,
/// and throws `unavailable` as the store does. Most use it through an `async_store`.
class shared_store {
 public:
  shared_store(const environment& env, opened_store opened, limits bounds);

  task<std::vector<outcome>> apply(const environment& env, std::vector<change> changes);
  task<outcome> apply(const environment& env, change what);
  task<found_row> find(const environment& env, uuid id);
  task<std::vector<row>> find(const environment& env, std::vector<uuid> ids, bool with_text);
  task<std::vector<due_row>> due(const environment& env, std::size_t limit);
  task<std::vector<due_row>> waiting(const environment& env, waiting_request which);
  task<void> make_all_due(const environment& env, std::string queue);
  task<paused_queues> paused(const environment& env, std::optional<pause_request> request);
  task<void> tell_receiving(const environment& env, std::vector<receiving> who);
  task<message_page> list(const environment& env, list_filter filter);
  task<std::vector<queue_counts>> counts(const environment& env);
  task<std::size_t> pending_of(const environment& env, std::string owner, std::size_t at_most);
  task<place_told> place_of(const environment& env, place_question which);
  task<told_past> past_of(const environment& env, uuid id);
  task<purged> purge(const environment& env, purge_request what);
  task<timestamp> now(const environment& env);
  task<void> check(const environment& env);

  /// What one transaction has changed: rows that are new, have a new revision or a new status.
  struct news {
    std::vector<row> rows{};  ///< with their texts
    std::vector<uuid> ids{};  ///< of rows whose texts nobody has read
  };
  [[nodiscard]] std::shared_ptr<void> observe(boost::asio::any_io_executor executor,
                                              std::function<void(const news&)> observe);
  [[nodiscard]] std::shared_ptr<void> observe_elsewhere(const environment& env,
                                                        std::function<void(const change_feed::news&)> hear);

  /// `stop` runs once, on the executor, when the store cannot go on safely, with what has happened.
  void when_broken(boost::asio::any_io_executor executor, std::function<void(const std::string& why)> stop);

 private:
  class listener;
  struct find_all {
    std::vector<uuid> ids;
    bool with_text;
  };
  struct find_due {
    std::size_t limit;
  };
  struct ring_all {
    std::string queue;
  };
  struct telling {
    std::vector<receiving> who;
  };
  struct pausing {
    std::optional<pause_request> request;
  };
  struct tell_time {};
  struct be_checked {};
  using job = std::variant<std::vector<change>, find_all, find_due, waiting_request, ring_all, purge_request, tell_time,
                           be_checked, pausing, telling>;
  using answer = std::variant<std::monostate, std::vector<outcome>, std::vector<found_row>, std::vector<due_row>,
                              purged, timestamp, unavailable, paused_queues>;
  struct count_all {};
  struct count_owned {
    std::string owner;
    std::size_t at_most;
  };
  struct past_question {
    uuid id;
  };
  using question = std::variant<list_filter, count_all, count_owned, place_question, past_question>;
  using look = std::variant<message_page, std::vector<queue_counts>, std::size_t, place_told, told_past>;
  struct observer {
    boost::asio::any_io_executor executor;
    std::weak_ptr<std::function<void(const news&)>> call;
  };

  job_bytes bytes_of(const job& asked) const;
  std::vector<answer> run(store& driver, std::vector<job>& batch);
  static answer read(store& driver, const job& asked);
  std::vector<look> look_up(const std::vector<question>& batch);
  /// Whether anything was written.
  bool apply_all(store& driver, std::vector<job>& batch, std::vector<answer>& answers);
  static bool writes(const job& asked) {
    const auto* told = std::get_if<pausing>(&asked);
    return std::holds_alternative<purge_request>(asked) || (told && told->request);
  }
  static bool asks_for_a_check(const job& asked) { return std::holds_alternative<be_checked>(asked); }
  void try_writing(store& driver, const std::vector<job>& batch, std::vector<answer>& answers);
  bool writes_are_in_doubt();
  void tell(const std::vector<change>& changes, const std::vector<outcome>& outcomes);
  void tell_broken(const unavailable& failed);
  void note_readable();
  void note_writable();
  void note_failure(availability::failed how, const std::string& why);

  opened_store opened_;
  std::weak_ptr<listener> listener_;  ///< of the thread that observes what others do
  limits bounds_;
  std::mutex mutex_;
  std::list<observer> observers_;
  boost::asio::any_io_executor broken_executor_;
  std::function<void(const std::string&)> broken_;
  availability known_;
  std::unique_ptr<batching_worker<job, answer>> worker_;
  bool reader_away_ = false;  // of the reader's thread
  std::unique_ptr<batching_worker<question, look>> reader_;
};

}  // namespace amc::message_store
