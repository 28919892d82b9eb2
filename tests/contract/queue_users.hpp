#pragma once

#include <gmock/gmock.h>

#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "queue_system/platform.hpp"
#include "tests/support/test_server.hpp"

/// Who publishes to and receives from an engine whose server is disturbed.
namespace amc::tests {

inline std::vector<outgoing> numbered(int from, int to) {
  std::vector<outgoing> batch;
  for (int i = from; i < to; ++i) batch.push_back({"q", std::to_string(i)});
  return batch;
}

/// Publishes as its callers do: again, until it is confirmed.
inline void publish_stubbornly(queue_publisher& to, const std::vector<outgoing>& batch) {
  for (;;) {
    try {
      return to.publish(batch);
    } catch (const unavailable&) {
      std::this_thread::sleep_for(milliseconds(20));
    }
  }
}

inline unavailable failure_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const unavailable& failed) {
    return failed;
  }
  return {unavailable::reason::broken, "it did not fail"};
}

/// Of an engine whose server is not there: both say so, and wait for nothing.
inline void expect_away(platform& engine) {
  EXPECT_EQ(failure_of([&] { engine.make_publisher()->publish(numbered(0, 1)); }).why(), unavailable::reason::away);
  const auto failed = failure_of([&] { engine.make_subscriber("q", 1); });
  EXPECT_EQ(failed.why(), unavailable::reason::away);
  EXPECT_THAT(failed.what(), testing::HasSubstr("Connection refused"));
}

/// Of one whose server is frozen, though more is published than a socket takes.
inline void expect_to_take_nothing(queue_publisher& publisher) {
  const std::vector<outgoing> large(20, {"q", std::string(1 << 20, 'x')});
  EXPECT_EQ(failure_of([&] { publisher.publish(large); }).why(), unavailable::reason::away);
  EXPECT_EQ(failure_of([&] { publisher.depth("q"); }).why(), unavailable::reason::away);
}

/// Receives and acknowledges in a thread of its own, through every failure, until everything has been seen.
class stubborn_consumer {
 public:
  stubborn_consumer(platform& engine, std::size_t all)
      : thread_([this, &engine, all] {
          while (seen.size() < all) {
            try {
              const auto from = engine.make_subscriber("q", 200);
              while (seen.size() < all) {
                std::vector<std::uint64_t> tags;
                for (auto& in : from->receive(200, milliseconds(100))) {
                  seen.insert(in.bytes);
                  tags.push_back(in.tag);
                }
                from->acknowledge(tags);
              }
            } catch (const unavailable&) {
              std::this_thread::sleep_for(milliseconds(20));
            }
          }
        }) {}
  void join() { thread_.join(); }

  std::set<std::string> seen{};

 private:
  std::thread thread_;
};

/// For `seen_of`: the server is stopped and started, and killed and started, before the parts that begin with these.
inline std::function<void(int)> restarted_at(test_server& server, int stopped, int killed) {
  return [&server, stopped, killed](int number) {
    if (number == stopped) server.stop();
    if (number == killed) server.kill();
    if (number == stopped || number == killed) server.start();
  };
}

/// Publishes so many, in parts of `part`, while somebody consumes them; `before` is done before the part that begins
/// with its number. Returns how many have been seen.
inline std::size_t seen_of(
    platform& engine, int all, int part, const std::function<void(int)>& before = [](int) {}) {
  stubborn_consumer consumer(engine, static_cast<std::size_t>(all));
  const auto publisher = engine.make_publisher();
  for (int i = 0; i < all; i += part) {
    before(i);
    publish_stubbornly(*publisher, numbered(i, i + part));
  }
  consumer.join();
  return consumer.seen.size();
}

}  // namespace amc::tests
