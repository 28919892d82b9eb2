#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <random>
#include <string>
#include <thread>

namespace amc::tests {

/// A loopback proxy in front of a server, that cuts connections in the middle of a reply, or says something else than
/// the server. Where it cuts is decided by a seed.
class tcp_proxy {
 public:
  tcp_proxy(std::uint16_t target, std::uint64_t seed);
  /// For a server that has to know its proxy before it starts.
  void set_target(std::uint16_t port) { target_ = port; }
  ~tcp_proxy();
  tcp_proxy(const tcp_proxy&) = delete;
  tcp_proxy& operator=(const tcp_proxy&) = delete;

  std::uint16_t port() const { return port_; }

  /// From now on each connection, old or new, is cut after at most this many more bytes of replies; 0: none is cut.
  void cut_replies_within(std::size_t bytes);
  /// The next replies that have `said` in them have `instead` there, which is as long; so many of them.
  void misquote(std::string said, std::string instead, int times = 1);
  /// How many connections have been cut.
  int cuts() const { return cuts_; }

 private:
  struct pair {
    int client;
    int server;
    std::size_t left;  ///< bytes of replies until the cut
  };

  void loop();
  void take();
  bool forward(int from, int to, std::size_t* left);
  void change(char* bytes, std::size_t count);
  std::size_t next_cut();

  std::atomic<std::uint16_t> target_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::mutex mutex_;
  std::mt19937_64 random_;
  std::size_t within_ = 0;
  std::string said_, instead_;
  int misquotes_ = 0;
  std::list<pair> pairs_;
  std::atomic<int> cuts_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace amc::tests
