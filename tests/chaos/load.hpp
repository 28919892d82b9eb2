#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/journal.hpp"
#include "tests/support/raw_http.hpp"

namespace amc::chaos {

/// Clients that post through any of the brokers, whatever happens to those, and write down what they are told. Half of
/// what they post has an Idempotency-Key and is posted blindly again until its outcome is known.
class load {
 public:
  struct options {
    std::vector<std::uint16_t> ports;  ///< of the brokers; they may be away
    std::string name;                  ///< begins every token
    std::uint64_t seed = 0;
    int clients = 4;
    int pause_max_ms = 40;     ///< between two posts of one client
    int posts_max = 0;         ///< of each client; 0: until it is stopped
    int waiting_percent = 10;  ///< of the posts wait for their answer
  };

  explicit load(const options& how);
  ~load();
  load(const load&) = delete;
  load& operator=(const load&) = delete;

  /// Tells the clients to stop, and waits for them.
  void stop();
  /// Waits until each client has posted all that it is to post.
  void wait();

  /// What was written down; when all clients have stopped.
  std::vector<post> journal() const;
  std::vector<std::string> complaints() const;

  /// So far.
  int accepted() const { return accepted_; }
  int unknown() const { return unknown_; }        ///< tries that nobody told the outcome of
  int refused() const { return refused_; }        ///< tries that reached no broker
  int overloaded() const { return overloaded_; }  ///< answers 503, among the unknown

 private:
  class client;

  std::atomic<bool> stopping_ = false;
  std::atomic<int> accepted_ = 0, unknown_ = 0, refused_ = 0, overloaded_ = 0;
  std::vector<std::unique_ptr<client>> clients_;
};

}  // namespace amc::chaos
