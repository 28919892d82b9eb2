#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/environment.hpp"
#include "queue_system/platform.hpp"

namespace amc::queue_system {

/// Events out of one queue, asynchronously: a platform's subscriber on a thread of its own.
class event_source {
 public:
  struct received {
    std::uint64_t tag = 0;
    event ready;
  };
  /// Runs on the environment's thread. Undecodable events never get here: they are counted, told at most
  /// once a second, and acknowledged.
  using handler = std::function<void(std::vector<received>)>;

  /// Receives at most `window` events that are not settled. Begins at once; while the engine is away it tries again,
  /// with back-off.
  event_source(const environment& env, platform& engine, std::string queue, std::size_t window, handler take);

  /// Gives back what is not settled. Events still on their way to the handler are dropped.
  ~event_source();

  /// Ends it without keeping anybody waiting: from now on nothing is handed on, what is not settled is given back, and
  /// `done` is called, once, when destroying this waits for nothing any more.
  void retire(std::function<void()> done);

  void acknowledge(std::vector<std::uint64_t> tags);
  void give_back(std::vector<std::uint64_t> tags);

 private:
  class implementation;
  std::shared_ptr<implementation> implementation_;
};

}  // namespace amc::queue_system
