#include <gtest/gtest.h>

#include <thread>

#include "amc/client.hpp"
#include "amc/service.hpp"
#include "amc/testing.hpp"
#include "tests/support/raw_http.hpp"

/// Workers that ask for too much, answer what nobody asked, or hang up: what they cost is their own.
namespace amc {
namespace {

using std::chrono::seconds;

constexpr auto long_enough = seconds(30);

class MisbehavingWorkers : public ::testing::Test {
 protected:
  /// A service that does as it should.
  std::unique_ptr<serving> good_service() const {
    const auto upper = [](const delivery& work) {
      return answer(work.text() + ", attempt " + std::to_string(work.attempt())).done();
    };
    return std::make_unique<serving>(std::vector<service_definition>{{.name = "good", .queue = "q", .handler = upper}},
                                     std::vector<std::string>{"consumer_services.broker_client.url=" + broker_.url()});
  }

  std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoi(broker_.url().substr(broker_.url().rfind(':') + 1)));
  }

  static std::string receive(const std::string& worker) {
    const auto body = R"({"worker":")" + worker + "\"}";
    return "POST /queues/q/receive HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=20\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  int parked() const {
    const auto text = tests::ask(port(), "GET", "/metrics").body;
    const std::string name = "\namc_receivers ";
    return std::stoi(text.substr(text.find(name) + name.size()));
  }
  void until_parked(int count) const {
    while (parked() != count) std::this_thread::sleep_for(milliseconds(2));
  }

  testing::broker broker_{{"broker.http.receivers_max=20", "broker.http.connections_max=60", "broker.lease_ms=2000"}};
  client client_{broker_.url()};
};

TEST_F(MisbehavingWorkers, WhoParksTooManyIsToldSoAndOthersAreServed) {
  std::vector<std::unique_ptr<tests::raw_connection>> greedy;
  int refused = 0;
  for (int i = 0; i < 40; ++i) {
    greedy.push_back(std::make_unique<tests::raw_connection>(port()));
    greedy.back()->send(receive("w" + std::to_string(i)));
  }
  for (auto& one : greedy)
    while (!one->readable() && parked() < 20) std::this_thread::sleep_for(milliseconds(2));
  until_parked(20);
  for (auto& one : greedy)
    if (one->readable()) refused += one->read().status == 503 ? 1 : 0;
  EXPECT_EQ(refused, 20);
  EXPECT_EQ(client_.post_and_wait(new_message("x").done(), long_enough).state, status::done);
  greedy.clear();
  const auto good = good_service();
  EXPECT_EQ(client_.post_and_wait(new_message("x").to("q"), long_enough).text, "x, attempt 1");
}

TEST_F(MisbehavingWorkers, WhoHangsUpInALoopWhileItWaitsCostsNoClaim) {
  for (int i = 0; i < 50; ++i) {
    tests::raw_connection gone(port());
    gone.send(receive("w" + std::to_string(i)));
    if (i % 10 == 0) until_parked(1);
  }
  until_parked(0);
  const auto good = good_service();
  EXPECT_EQ(client_.post_and_wait(new_message("x").to("q"), long_enough).text, "x, attempt 1");
}

TEST_F(MisbehavingWorkers, WhoAnswersWithTheWrongRevisionForEverIsRefusedAndItsMessageGoesToOthers) {
  const auto id = client_.post(new_message("x").to("q")).id;
  tests::raw_connection link(port());
  link.send(receive("w"));
  ASSERT_EQ(link.read().json().at("deliveries").as_array().size(), 1U);
  for (int i = 0; i < 20; ++i) {
    const auto told = link.ask("POST", "/answers", R"([{"id":")" + id + R"(","revision":7,"message":"wrong"}])").json();
    EXPECT_EQ(told.at(0).at("refused"), "stale");
  }
  const auto good = good_service();
  broker_.advance(seconds(3));
  EXPECT_EQ(client_.wait(id, long_enough).text, "x, attempt 2");
}

TEST_F(MisbehavingWorkers, AnAnswerUnderAClaimThatWasNeverGivenIsRefused) {
  const auto id = client_.post(new_message("x").to("q")).id;
  const auto told =
      tests::ask(port(), "POST", "/answers", R"([{"id":")" + id + R"(","revision":1,"claim":7,"message":"mine"}])");
  EXPECT_TRUE(told.json().at(0).as_object().contains("refused")) << told.body;
  EXPECT_EQ(client_.find(id)->revision, 1);
}

}  // namespace
}  // namespace amc
