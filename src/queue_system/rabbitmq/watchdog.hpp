#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include "core/message.hpp"

namespace amc::queue_system::rabbitmq {

/// Ends calls that hang: rabbitmq-c waits for ever where a server neither reads nor answers (a memory alarm, a frozen
/// process). When a guard's time is over its socket is shut down, and the call in it fails. Thread-safe.
class watchdog {
 public:
  watchdog();
  ~watchdog();
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;

  /// For as long as it lives, and at most for `longest`, the socket may be used.
  class guard {
   public:
    guard(watchdog& owner, int socket, milliseconds longest);
    ~guard();
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;

   private:
    friend class watchdog;
    watchdog& owner_;
    int socket_;
    std::chrono::steady_clock::time_point ends_;
    std::list<guard*>::iterator place_;
  };

 private:
  void loop();
  void end_overdue(std::chrono::steady_clock::time_point now);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<guard*> guards_;
  bool idle_ = false;  ///< sleeps until there is a guard
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace amc::queue_system::rabbitmq
