#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/cluster.hpp"
#include "tests/simulation/wording.hpp"

namespace amc::simulation {

/// What the requesters do: when they post what, how they wait for it, and where they meddle. Whoever is killed in the
/// middle of a script never learns how it ends.
class scripts {
 public:
  scripts(const surroundings& around, cluster& nodes);

  void begin();
  /// Every script has begun, and has ended or died with its process.
  bool over() const;

 private:
  enum class style {
    converses,    ///< the production requester
    watches,      ///< posts and waits for each change
    meddles,      ///< and answers in a service's stead
    cancels,      ///< after a while
    retries,      ///< what has died or was cancelled
    insists,      ///< posts with a key until it is told something, and once more
    sends_later,  ///< deliver_at
    sets_a_term,  ///< expires_at
    lists         ///< and lists everything
  };
  struct script {
    wording says{};
    style how = style::watches;
    bool ended = false;
    std::weak_ptr<process> on{};
  };
  using calls = std::shared_ptr<http::caller>;

  void start(script& what);
  task<void> run(script& what, std::shared_ptr<process> on);
  task<void> converse(const script& what, process& on);
  task<void> post_and_follow(const script& what, process& on);
  task<std::string> post(const script& what, calls to, process& on);
  task<std::string> insist(const script& what, calls to, process& on);
  task<std::string> post_once(calls to, std::string body, std::string key);
  task<void> watch(const script& what, calls to, process& on, std::string target);
  task<void> act(const script& what, calls to, process& on, const http::response& seen);
  task<void> meddle(calls to, process& on, const http::response& seen);
  task<void> ask(calls to, std::string method, std::string target);
  task<void> list(calls to, process& on);
  std::string body_of(const script& what) const;
  calls caller(process& on) const;

  surroundings around_;
  cluster& nodes_;
  std::vector<std::unique_ptr<script>> all_;
  std::size_t begun_ = 0;
};

}  // namespace amc::simulation
