#pragma once

#include <map>
#include <string>

#include "tests/simulation/life_table.hpp"
#include "tests/simulation/running.hpp"

namespace amc::simulation {

/// P4 and P6, to the moment: how soon whatever waits is rung, again and again until somebody takes it; what has expired
/// or is used up ends; what ended long ago is deleted; and that nothing is rung past an older row that waits for room.
/// What a fault delays is owed a look of the sweeper after that fault, and no more; a fault that cannot delay it
/// excuses nothing.
class timeliness {
 public:
  explicit timeliness(const surroundings& around) : around_(around) {}

  void see(const database::committed& seen, step which);
  void see_event(const process& by, const uuid& id, int revision);
  void see_depth(const std::string& queue, std::size_t depth);
  /// A queue is paused, or has just been resumed: then what has waited there since before `paused_since` is rung.
  void see_pause(const std::string& queue) { last_full_[queue] = around_.in.now(); }
  void see_resume(const std::string& queue, milliseconds paused_since);
  /// Rows are not what they were, or the clock is not: what is owed is told by when they are due.
  void begin_again();
  /// From time to time.
  void look();

 private:
  /// That a row is rung.
  struct owed {
    milliseconds since{};
    milliseconds by{};
    const char* because = "";
    const process* ringer = nullptr;  ///< who is about to ring it: by `by`, or else the sweeper when it is due again
  };

  void owe(const row& m, milliseconds in, const char* because);
  void owe_at_once(const process& by, const row& m, const char* because);
  void settle(const row& m);
  void check_overtaking(const process& by, const message& rung);
  void check_ends(const message& m);
  bool is_late(const owed& what, const std::string& queue) const;
  milliseconds trouble() const;
  milliseconds trouble_of_sweepers() const;
  milliseconds soon() const;
  milliseconds passed(timestamp since) const { return around_.store.clock() - since; }

  surroundings around_;
  std::map<uuid, owed> owed_;                      ///< of pending rows
  std::map<std::string, milliseconds> last_full_;  ///< of each queue
};

}  // namespace amc::simulation
