#include <gmock/gmock.h>
#include <sys/resource.h>

#include <fstream>
#include <thread>

#include "tests/support/binary.hpp"
#include "tests/support/raw_http.hpp"

/// What many, greedy or vanishing clients may cost: the real broker goes on for everybody else.
namespace amc::tests {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool is_instrumented = true;
#else
constexpr bool is_instrumented = false;
#endif

class HttpLimits : public testing::Test {
 protected:
  void start(std::vector<std::string> sets = {}, std::size_t open_files_max = 0) {
    sets.insert(sets.begin(), "broker.http.port=0");
    auto how = amc_command(folder_.path, {"broker"}, std::move(sets));
    how.open_files_max = open_files_max;
    broker_ = std::make_unique<process>(how);
    port_ = port_of(*broker_);
  }

  template <class Condition>
  static void until(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waits for something that never comes";
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  bool answers() const { return tests::ask(port_, "GET", "/healthz").status == 200; }

  std::size_t resident_bytes() const {
    std::ifstream file("/proc/" + std::to_string(broker_->id()) + "/statm");
    std::size_t whole = 0, resident = 0;
    file >> whole >> resident;
    return resident * 4'096;
  }

  std::string post() const {
    return std::string(ask(port_, "POST", "/", R"({"message":"Hi, "})").json().at("id").as_string());
  }

  /// A look that would wait for no time at all: 503 while every place to wait in is taken.
  int look(const std::string& id) const {
    return ask(port_, "GET", "/messages/" + id, "", "Prefer: wait=0\r\n").status;
  }

  /// Parks a request in the only place there is.
  void park(raw_connection& link, const std::string& id) {
    const auto request = "GET /messages/" + id + " HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\n\r\n";
    link.send(request);
    until([&] {
      if (look(id) == 503) return true;
      // A look was there first.
      if (link.readable() && link.read().status == 503) link.send(request);
      return false;
    });
  }

  temporary_folder folder_;
  std::unique_ptr<process> broker_;
  std::uint16_t port_ = 0;
};

/// Room in this process for so many more connections; false where the system has none.
bool may_open(rlim_t count) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_max > count + 100;
}

TEST_F(HttpLimits, TwoThousandIdleConnectionsHinderNobody) {
  constexpr int many = 2'000;
  if (!may_open(many)) GTEST_SKIP() << "SKIPPED: the system lets a process open too few files";
  start();
  ASSERT_TRUE(answers());
  const auto before = resident_bytes();
  std::vector<std::unique_ptr<raw_connection>> idle;
  for (int i = 0; i < many; ++i) {
    idle.push_back(std::make_unique<raw_connection>(port_));
    // One half has been used, and one in four has begun a request.
    if (i % 2) {
      EXPECT_EQ(idle.back()->ask("GET", "/healthz").status, 200);
    }
    if (i % 4 == 3) idle.back()->send("GET /healthz HTTP/1.1\r\n");
  }
  EXPECT_EQ(ask(port_, "POST", "/", R"({"message":"Hi, "})").status, 201);
  // What a sanitizer notes about each byte of a connection is more than the connection.
  if (!is_instrumented) {
    EXPECT_LT(resident_bytes() - before, many * 24'576U) << "bytes: a connection that waits holds no buffer";
  }
  for (int i = 3; i < many; i += 4) idle[i]->send("Host: localhost\r\n\r\n");
  for (int i = 3; i < many; i += 4) ASSERT_EQ(idle[i]->read().status, 200) << "all of them still live";
}

TEST_F(HttpLimits, RunningOutOfDescriptorsIsSurvived) {
  constexpr std::size_t descriptors = 64;
  start({}, descriptors);
  std::vector<std::unique_ptr<raw_connection>> open;
  for (std::size_t i = 0; i < descriptors; ++i) open.push_back(std::make_unique<raw_connection>(port_));
  broker_->wait_for_error_text("cannot accept connections");
  EXPECT_EQ(open.front()->ask("GET", "/healthz").status, 200) << "those that are open go on";
  EXPECT_EQ(open.front()->ask("POST", "/", R"({"message":"Hi, "})").status, 201);
  open.back()->send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  open.erase(open.begin(), open.begin() + descriptors / 2);
  EXPECT_EQ(open.back()->read().status, 200) << "the others are accepted when there is room";
}

TEST_F(HttpLimits, ConnectionsOverTheLimitAre503) {
  start({"broker.http.connections_max=1"});
  auto first = std::make_unique<raw_connection>(port_);
  ASSERT_EQ(first->ask("GET", "/healthz").status, 200);
  raw_connection second(port_);
  EXPECT_EQ(second.read().status, 503);
  EXPECT_TRUE(second.closed());
  first.reset();
  until([&] { return answers(); });
}

TEST_F(HttpLimits, ParkedRequestsOverTheLimitAre503) {
  start({"broker.http.waiters_max=1"});
  const auto id = post();
  raw_connection parked(port_);
  park(parked, id);
  EXPECT_EQ(look(id), 503);
  ask(port_, "PUT", "/messages/" + id, R"({"message":"Hi, X. Bye!"})", "If-Match: *\r\n");
  EXPECT_EQ(parked.read().status, 200);
  until([&] { return look(id) == 200; });
}

TEST_F(HttpLimits, AClientThatHangsUpIsNotWaitedFor) {
  start({"broker.http.waiters_max=1"});
  const auto id = post();
  auto parked = std::make_unique<raw_connection>(port_);
  park(*parked, id);
  parked.reset();
  until([&] { return look(id) == 200; });
}

TEST_F(HttpLimits, AClientThatSendsNoMoreIsAnsweredAtOnce) {
  start();
  raw_connection link(port_);
  link.send("GET /messages/" + post() + " HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\n\r\n");
  link.finish_sending();
  EXPECT_EQ(link.read().status, 200);
  EXPECT_TRUE(link.closed());
}

TEST_F(HttpLimits, WaitingIsCapped) {
  start({"broker.http.wait_max_ms=1"});
  const auto got = ask(port_, "GET", "/messages/" + post(), "", "Prefer: wait=86400\r\n");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.headers.at("preference-applied"), "wait=0");
}

TEST_F(HttpLimits, ClaimsOverTheLimitAre422) {
  start({"broker.http.claims_max=1"});
  const auto entry = R"({"id":")" + post() + R"(","revision":1})";
  EXPECT_EQ(ask(port_, "POST", "/claims", "[" + entry + "]").status, 200);
  EXPECT_EQ(ask(port_, "POST", "/claims", "[" + entry + "," + entry + "]").status, 422);
}

}  // namespace
}  // namespace amc::tests
