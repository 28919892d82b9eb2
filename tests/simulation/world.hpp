#pragma once

#include <array>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/random.hpp"
#include "tests/simulation/scenario.hpp"
#include "tests/simulation/trace.hpp"

namespace amc::simulation {

/// Something that is to happen at a time; of one time, in the order in which it was asked for.
struct planned {
  milliseconds at{};
  std::uint64_t number = 0;
  std::function<void()> action{};
};

/// What is planned, earliest first.
class agenda {
 public:
  void add(milliseconds at, std::function<void()> action);
  bool empty() const { return heap_.empty(); }
  milliseconds next() const { return heap_.front().at; }
  planned take();

 private:
  std::vector<planned> heap_;
  std::uint64_t last_number_ = 0;
};

/// One thread, virtual time, and one seed that decides everything. Nothing in a run asks for any other clock or chance.
class world {
 public:
  world(const scenario& what, bool prints);

  const scenario& plan() const { return scenario_; }
  milliseconds now() const { return now_; }
  void later(milliseconds delay, std::function<void()> action);
  /// Does what is planned next; false when there is nothing, or something has gone wrong.
  bool step();

  /// Whether things may still go wrong.
  bool faulty() const { return now_ < scenario_.faults_until; }
  /// When a process was last killed, whoever did it; and how many faults may have cost somebody a claim.
  std::optional<milliseconds> last_harm{};
  int claims_lost = 0;
  /// Nothing has gone wrong at all, and nothing will.
  bool calm() const { return scenario_.calm() && !last_harm; }
  milliseconds last_start{};  ///< of a process that is everything at once

  /// Something goes wrong with one process, or with everything, until then.
  void note_trouble(fault kind, milliseconds until);
  void note_trouble_of(const std::string& name, milliseconds until);
  void note_start_of(const std::string& name) { troubles_of_[name] = now_; }
  /// When one of these last went wrong, or until when it does; long ago when it never did.
  milliseconds last_trouble(std::initializer_list<fault> kinds) const;
  milliseconds last_trouble_of(const std::string& name) const;

  /// Whether a fault strikes now: `most` is how often, of 1, at the scenario's highest rate.
  bool strikes(fault kind, double most);
  random_stream& random(fault kind) { return fault_random_[static_cast<std::size_t>(kind)]; }
  /// For everything that is no fault: how long things take, what clients do.
  random_stream& random() { return random_; }
  milliseconds between(std::int64_t least_ms, std::int64_t most_ms) {
    return milliseconds(random_.between(least_ms, most_ms));
  }

  void note(std::string_view who, std::string_view what, std::uint64_t number = 0) {
    trace_.note(now_, who, what, number);
  }
  void note(std::string_view who, std::string_view what, const uuid& id, int revision) {
    trace_.note(now_, who, what, id, revision);
  }
  const amc::simulation::trace& log() const { return trace_; }

  /// Something does not hold. The first one is kept, and ends the run.
  void fail(const std::string& why);
  const std::optional<std::string>& failure() const { return failure_; }

 private:
  const scenario& scenario_;
  milliseconds now_{};
  agenda agenda_;
  random_stream random_;
  std::vector<random_stream> fault_random_;
  amc::simulation::trace trace_;
  std::optional<std::string> failure_;
  std::array<milliseconds, faults> troubles_;
  std::map<std::string, milliseconds> troubles_of_;
};

}  // namespace amc::simulation
