#pragma once

#include <gmock/gmock.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/raw_http.hpp"

namespace amc::tests {

inline std::string text_in(const answer& got, const char* member) {
  return std::string(got.json().at(member).as_string());
}

/// Posts until it has `count` answers 201, whatever happens to the broker meanwhile.
class stubborn_client {
 public:
  stubborn_client(std::atomic<std::uint16_t>& port, int count)
      : thread_([this, &port, count] {
          while (!stopping_ && static_cast<int>(accepted.size()) < count) {
            try {
              raw_connection link(port);
              while (!stopping_ && static_cast<int>(accepted.size()) < count) {
                const auto got = link.ask("POST", "/", R"({"message":"Hi, "})");
                if (got.status == 201)
                  accepted.push_back(text_in(got, "id"));
                else
                  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // 503: it asks to be left alone
                posted_ = accepted.size();
              }
            } catch (const std::exception&) {
              std::this_thread::yield();  // killed in the middle: connect again
            }
          }
        }) {}
  /// Where a test ends by an exception, it posts no more.
  ~stubborn_client() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  stubborn_client(const stubborn_client&) = delete;
  stubborn_client& operator=(const stubborn_client&) = delete;
  void join() { thread_.join(); }

  std::size_t posted() const { return posted_; }
  std::vector<std::string> accepted{};

 private:
  std::atomic<std::size_t> posted_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

/// Each of these messages comes to its end, with one name and one "Bye!".
inline void expect_finished(std::uint16_t port, const std::vector<std::string>& ids) {
  raw_connection link(port);
  for (const auto& id : ids) {
    const auto got = link.ask("GET", "/?id=" + id, "", "Prefer: wait=60\r\n");
    ASSERT_EQ(got.status, 200);
    ASSERT_EQ(text_in(got, "status"), "done") << text_in(got, "message");
    ASSERT_THAT(text_in(got, "message"), testing::MatchesRegex("Hi, [A-Za-z]+\\. Bye!")) << "one name and one Bye!";
  }
}

}  // namespace amc::tests
