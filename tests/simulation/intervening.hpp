#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/cluster.hpp"

namespace amc::simulation {

/// Operators who take a hand: run now, move, edit and retry single messages, and purge queues, at random moments and at
/// any broker. They ask for what makes sense as a rule, and now and then for what does not, or twice. All that they
/// choose comes from a stream of its own.
class intervening {
 public:
  intervening(const surroundings& around, cluster& nodes);

  void begin();
  /// All is asked for, and has its answer, or nobody who waits for it any more.
  bool over() const;
  /// At the end: each purge that came to its end has left nothing behind that it should have cancelled.
  void check_purges() const;

 private:
  using calls = std::shared_ptr<http::caller>;

  struct act {
    std::weak_ptr<process> by{};
    bool ended = false;
  };
  /// A purge from its beginning to where it tells of its end.
  struct purge_run {
    std::string queue{};
    std::map<uuid, row> rows_before{};
    std::map<uuid, row> rows_after{};
  };

  void tick();
  task<void> run(std::shared_ptr<act> what, std::shared_ptr<process> on);
  task<void> intervene(calls to, process& on, const node& broker);
  task<void> purge(calls to, process& on, const node& broker);
  task<void> ask_about_one(calls to, process& on);
  http::request edit(const message& m, const process& on);
  task<std::optional<http::response>> ask(calls to, http::request what);
  row any_of(bool (*meant)(const message&));
  void check(const purge_run& one) const;

  surroundings around_;
  cluster& nodes_;
  random_stream random_;
  int left_;
  std::vector<std::shared_ptr<act>> acts_;
  std::vector<purge_run> purges_;
};

}  // namespace amc::simulation
