#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/environment.hpp"
#include "core/work.hpp"
#include "queue_system/event_source.hpp"
#include "service/company.hpp"
#include "service/handling.hpp"
#include "telemetry/tracer.hpp"

namespace amc::service {

struct runtime_options {
  std::size_t concurrency = 0;     ///< deliveries in hand at once; at least one
  milliseconds handler_timeout{};  ///< a handler that takes longer has failed
  /// Texts and answers in hand at once; one message is always taken, whatever its size.
  std::size_t in_hand_max_bytes = SIZE_MAX;
  std::string peer = "broker";  ///< who grants claims and takes answers, for logs
  /// Of the process; services that share one share this, and its name as a worker.
  std::shared_ptr<service::company> company = std::make_shared<service::company>();
  std::shared_ptr<const telemetry::tracer> traces{};  ///< null: nothing is traced
};

/// The rules of a service's runtime, as plain logic without I/O, clock or coroutines: what to claim, when alone, which
/// leases to extend, whose time is over, what to tell next. The shell (service_runtime) says what has happened and
/// carries out what comes back. It throws std::logic_error where something is said that cannot have happened.
class work_rules {
 public:
  using time_point = timers::time_point;
  using received = queue_system::event_source::received;

  /// A delivery with a claim that the broker granted.
  struct in_hand {
    std::shared_ptr<const claimed_revision> work;
    time_point lease_ends;
    time_point handler_ends;  ///< then it has failed
    bool lost = false;        ///< its claim is somebody else's, or nobody's
    std::optional<handler_outcome> outcome{};
  };
  /// A delivery in hand, whose handler is to be started.
  struct beginning {
    std::uint64_t number = 0;
    std::shared_ptr<claimed_revision> work;  ///< whoever starts the handler may still change its trace
  };
  /// A refusal that is not the course of things.
  struct refusal {
    event what;
    /// Too large for this client even by itself: not claimed again, so that claims do not make it dead.
    bool out_of_reach = false;
    std::string why;
  };
  struct decision {
    std::vector<std::uint64_t> settled;  ///< tags of events that are done with
    std::vector<beginning> begin;
    std::vector<refusal> refused;
  };
  /// Outcomes to tell in one request, all of one kind.
  struct telling {
    std::vector<std::uint64_t> numbers;
    std::vector<answer_request> answers;
    std::vector<failed_claim> failures;
  };
  struct lease {
    std::uint64_t number = 0;
    claimed what;
  };

  /// `go_on` is called when another service of the company has made room: it may ask for the next claim again.
  work_rules(const runtime_options& options, std::function<void()> go_on);
  ~work_rules();
  work_rules(const work_rules&) = delete;
  work_rules& operator=(const work_rules&) = delete;

  // ---- claiming ----

  /// The tags of those that are out of reach: they are done with.
  std::vector<std::uint64_t> hear(std::vector<received> events);
  /// What to claim now, in one request, if anything. One claim is under way at a time, until `claim_over`.
  std::optional<std::vector<claim_request>> next_claim();
  /// What the broker has said of each that was asked for.
  decision claim_decided(std::vector<result<claimed_revision>> results, time_point now);
  /// The broker could not be asked: they are asked for again.
  void claim_undecided();
  void claim_over();

  // ---- receiving: the broker chooses, and has claimed ----

  struct room {
    std::size_t deliveries = 0;
    std::size_t bytes = 0;  ///< of their texts
  };
  /// What can be taken in hand once this is told, and so in hand no more. Room for one has room for any size; beside
  /// what must be alone there is none, whatever a broker that has not given it out would add.
  room free_room(const std::optional<telling>& told) const;
  /// The same, once all that can be told is.
  bool any_room_in_the_end() const;
  /// Takes them in hand. While this stops they are not: they are to be released.
  std::vector<beginning> take_in(std::vector<claimed_revision> deliveries, time_point now);

  // ---- working ----

  /// Whether the outcome counts. It does not when the handler took too long, or its message was released.
  bool handler_ended(std::uint64_t number, handler_outcome outcome);
  /// Fails those whose handlers take too long.
  void end_overdue(time_point now);
  std::vector<lease> leases_to_extend(time_point now) const;
  void extended(std::uint64_t number, time_point ends);
  /// The claim is not its own any more: its lease is not extended again. Its answer may be taken all the same.
  void lost(std::uint64_t number);
  /// How long nothing can become overdue, and no lease has to be extended.
  milliseconds until_next_look(time_point now) const;

  // ---- telling ----

  bool anything_untold() const { return !untold_answers_.empty() || !untold_failures_.empty(); }
  /// What to tell now, if anything: bounded by count and bytes; answers and failures take turns. It is under way until
  /// `telling_over`.
  std::optional<telling> next_telling();
  /// The broker has taken it, or has no use for it: it is in hand no more.
  void forget(std::uint64_t number);
  /// The answer was refused, and is a failure now, to be told next.
  void refused(std::uint64_t number, std::string why);
  void telling_over(const std::vector<std::uint64_t>& numbers);

  // ---- stopping ----

  /// From now on nothing new is claimed.
  void stop();
  /// What is in hand, to be released: nothing is, afterwards. Handlers that still run are counted by `overdue`.
  std::vector<claimed> give_up();

  bool stopping() const { return stopping_; }
  bool empty_handed() const { return in_hand_.empty(); }
  std::size_t in_hand_count() const { return in_hand_.size(); }
  /// Whether no handler runs whose end counts.
  bool all_have_ended() const { return outcomes() == in_hand_.size(); }
  /// Handlers that still run, and whose end counts for nothing.
  std::size_t overdue() const { return overdue_; }
  /// Null when it is in hand no more.
  const in_hand* find(std::uint64_t number) const;

  /// Looks at everything that must hold. Costs something; after each step where checks are thorough.
  void check() const;

 private:
  enum class reach { by_itself, none };
  std::optional<reach> reach_of(const event& ready) const;
  void remember(const event& ready, reach how);
  std::vector<received> choose();
  std::size_t bytes_in_hand() const;
  static std::size_t bytes_of(const in_hand& hand);
  beginning take(claimed_revision work, time_point now);
  std::size_t outcomes() const { return untold_answers_.size() + untold_failures_.size() + telling_.size(); }
  void conclude(std::uint64_t number, handler_outcome outcome);
  void end_of_lonely_run();
  void note_busy();
  void checked() const;

  std::size_t concurrency_;
  milliseconds handler_timeout_;
  std::size_t in_hand_max_bytes_;
  std::shared_ptr<company> company_;

  std::deque<received> waiting_;  ///< heard, not claimed yet
  std::deque<received> large_;    ///< to be claimed by themselves, in a request of one
  std::deque<received> lonely_;   ///< to be claimed alone
  /// What is known of revisions that an answer to several claims has no room for: they come round again.
  std::map<std::pair<uuid, int>, reach> reaches_;
  std::deque<std::pair<uuid, int>> remembered_;  ///< the oldest first
  std::vector<received> asked_;                  ///< the claim under way
  bool claiming_ = false;                        ///< a claim is under way, or may not follow yet
  bool alone_ = false;                           ///< what is asked for or in hand was claimed alone
  bool company_next_ = false;                    ///< after a lonely run the others have their turn
  std::map<std::uint64_t, in_hand> in_hand_;
  std::uint64_t last_number_ = 0;
  std::deque<std::uint64_t> untold_answers_;  ///< in hand, with an outcome that the broker does not know
  std::deque<std::uint64_t> untold_failures_;
  std::set<std::uint64_t> telling_;  ///< being told
  bool answers_next_ = true;
  std::size_t overdue_ = 0;
  bool stopping_ = false;
};

}  // namespace amc::service
