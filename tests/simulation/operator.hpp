#pragma once

#include "tests/simulation/cluster.hpp"

namespace amc::simulation {

/// Who looks after the whole: counts, lists what is dead, retries much at once. Each thing is asked of one broker, and
/// held against the rows in the store.
class store_operator {
 public:
  store_operator(const surroundings& around, cluster& nodes) : around_(around), nodes_(nodes) {}

  void begin();
  bool over() const;
  /// At the end: every mass retry has retried what it should, and stopped when it should.
  void check_mass_retries() const;

 private:
  using calls = std::shared_ptr<http::caller>;

  /// A run of POST /retries from its beginning to where it tells of its end.
  struct mass_run {
    milliseconds begun{};
    milliseconds ended{};
    mass_retry which{};
    std::map<uuid, row> rows_before{};
    std::map<uuid, row> rows_after{};
    std::string stopped_because{};
  };

  task<void> run(std::shared_ptr<process> on);
  task<void> act(process& on);
  task<void> count(calls to, process& on);
  task<void> list(calls to, process& on);
  task<void> retry_all(calls to, process& on, const node& broker);
  task<std::optional<http::response>> ask(calls to, std::string method, std::string target, std::string body);
  mass_retry some_of_them() const;
  void check(const mass_run& one) const;
  void check_it_stops(const mass_run& one) const;

  surroundings around_;
  cluster& nodes_;
  std::weak_ptr<process> on_{};
  bool ended_ = false;
  std::vector<mass_run> runs_;
};

}  // namespace amc::simulation
