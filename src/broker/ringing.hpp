#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/life_cycle.hpp"
#include "broker/messages_metrics.hpp"
#include "broker/pauses.hpp"
#include "broker/router.hpp"
#include "core/task.hpp"
#include "queue_system/publisher.hpp"

namespace amc::broker {

/// Of so many queues, each, what one look for due rows takes: what was asked for, as long as all of it together is no
/// more than a process can hold; one row at the least.
constexpr std::size_t rows_of_each_queue(std::size_t asked, std::size_t queues) {
  constexpr std::size_t rows_max = 100'000;
  return std::min(asked, std::max<std::size_t>(1, rows_max / std::max<std::size_t>(1, queues)));
}

/// Rings queues: how much room each has, what is rung together, and whether the engine can be reached. An engine holds
/// at most about `broker.queue_depth_max` events of a queue; what finds no room is stored un-rung, and the sweeper
/// feeds it, oldest first. Shared by the verbs, which ring what they have just stored, and the sweeper, which rings
/// what is due. For one thread.
class ringing {
  struct known_queue {
    std::size_t depth = 0;       ///< as last asked, and what this process has taken since
    std::size_t on_the_way = 0;  ///< of that, what the engine may not have yet
    bool backlog = false;        ///< older rows wait for room
  };

 public:
  /// `heard`: somebody can hear the engine. Otherwise nothing is ever rung: rows wait in the store, due at once.
  ringing(const environment& env, std::shared_ptr<queue_system::publisher> publish,
          std::shared_ptr<const router> routes, std::shared_ptr<messages_metrics> numbers,
          std::shared_ptr<const pauses> paused, bool heard = true);

  /// Room in a queue for one event, until the engine has the event or it comes to nothing.
  class place {
   public:
    explicit place(known_queue& in) : in_(&in) {
      ++in.depth;
      ++in.on_the_way;
    }
    ~place() {
      if (in_) --in_->on_the_way;
    }
    place(place&& other) noexcept : in_(std::exchange(other.in_, nullptr)) {}
    place& operator=(place&&) = delete;

   private:
    known_queue* in_;
  };

  /// A place if a new revision may be rung at once; it is taken before the change is stored, so that a batch does not
  /// ring more than there is room for. A place that was taken for nothing is free again when depths are asked next.
  /// Nothing for a message that is done, while the engine cannot be reached, in a queue that is paused, and behind a
  /// backlog.
  std::optional<place> take_room(const life_cycle::destination& to);
  /// `by`: "relay", right after the change, or "sweeper". What is rung in one turn of the loop is published together.
  void ring(const row& now, place taken, const char* by);
  /// The same for a row that has just been rung in the store.
  void ring_due(const row& now);

  /// A queue that was paused may be rung again: the sweeper feeds it, what waits there first.
  void resumed(const std::string& queue);

  /// Those that routes name, and those in which something was found.
  std::size_t known_queues() const { return queues_.size(); }

  /// Of the rows that a look has found due, oldest first, a share of those that there is room for; remembers which
  /// queues have more. `look_max`: a look that has found so many of one queue may have left others unseen.
  std::vector<change> choose(const std::vector<due_row>& rows, std::size_t look_max);
  /// Asks the engine how deep each queue is that is known, these included.
  task<void> ask_depths(const std::vector<due_row>& rows = {});

  /// Whether a queue needs a look sooner than usual.
  bool feeding() const;
  bool feeding_has_room() const;

  /// Whether anybody can hear the engine.
  bool heard() const { return heard_; }
  /// Whether the engine was reached the last time that something was to be rung.
  bool engine_reachable() const { return !engine_trouble_; }
  /// Why it was not.
  const std::optional<std::string>& engine_trouble() const { return engine_trouble_; }

  /// What the sweeper is asked to do soon: look at the store, or at the depths only.
  enum class errand { look, ask_depths };
  /// For one who is called until `when_wanted(nullptr)`.
  void when_wanted(std::function<void(errand)> call) { wanted_ = std::move(call); }
  void want(errand what) const {
    if (wanted_) wanted_(what);
  }

  /// Returns when nothing that was rung is on its way any more.
  task<void> drain() { return tasks_.drain(); }

 private:
  /// What is rung together.
  struct together {
    std::vector<queue_system::publisher::ringing> events;
    std::vector<place> places;
  };

  task<void> publish();
  void note_engine(bool reachable, const std::string& why);
  bool is_filling(const std::string& queue, const known_queue& state) const;

  environment env_;
  std::shared_ptr<queue_system::publisher> publisher_;
  std::shared_ptr<const router> routes_;
  std::shared_ptr<messages_metrics> numbers_;
  std::shared_ptr<const pauses> paused_;
  bool heard_;
  std::map<std::string, known_queue, std::less<>> queues_;  ///< also those that no route names any more
  together to_ring_;                                        ///< by the next `publish`
  std::optional<std::string> engine_trouble_{};
  std::function<void(errand)> wanted_;
  task_group tasks_;
};

}  // namespace amc::broker
