#include <gmock/gmock.h>

#include <optional>
#include <thread>

#include "tests/support/binary.hpp"
#include "tests/support/engine_place.hpp"
#include "tests/support/postgresql.hpp"
#include "tests/support/stubborn_client.hpp"
#include "tests/support/test_server.hpp"

/// The conversation over every queue engine that has a server, with its data wiped in the middle.
namespace amc::tests {
namespace {

class Engines : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const auto why = why_no_server(GetParam()); !why.empty()) GTEST_SKIP() << why;
    use(std::make_unique<engine_place>(GetParam()));
  }

  void use(std::unique_ptr<engine_place> place) {
    place_ = std::move(place);
    for (const auto& set : place_->impatient_sets()) sets_.push_back(set);
  }

  std::unique_ptr<process> start(const std::string& what, std::uint16_t broker_port = 0) const {
    auto sets = sets_;
    if (broker_port > 0)
      sets.push_back("consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(broker_port));
    return std::make_unique<process>(amc_command(folder_.path, {what}, sets));
  }

  static std::string status_after(std::uint16_t port, const std::string& id) {
    return text_in(ask(port, "GET", "/messages/" + id, "", "Prefer: wait=30\r\n"), "status");
  }

  temporary_folder folder_;
  std::unique_ptr<engine_place> place_;
  postgresql_database database_;
  std::vector<std::string> sets_{"broker.store.engine=postgresql", "broker.store.postgresql.url=" + database_.url(),
                                 "broker.http.port=0",
                                 // Short, so that what is lost comes round again soon.
                                 "broker.ring_again_ms=1000", "broker.lease_ms=2000"};
};

TEST_P(Engines, TheConversationGoesOnWhenWhatIsInTheQueuesIsDeleted) {
  const auto broker = start("broker");
  const auto port = port_of(*broker);
  std::vector<std::string> ids;
  const auto post = [&] {
    for (int i = 0; i < 20; ++i) ids.push_back(text_in(ask(port, "POST", "/messages", R"({"message":"Hi, "})"), "id"));
  };
  post();  // nobody listens yet
  place_->wipe();
  const auto a = start("service-a", port), b = start("service-b", port);
  b->wait_for_error_text("takes messages from");
  post();
  place_->wipe();
  post();
  for (const auto& id : ids)
    ASSERT_EQ(status_after(port, id), "done") << id << "\n" << broker->errors() << a->errors() << b->errors();
}

class EnginesAway : public Engines {
 protected:
  void SetUp() override {
    if (const auto why = why_no_server(GetParam()); !why.empty()) GTEST_SKIP() << why;
    server_.emplace(GetParam());
    use(std::make_unique<engine_place>(GetParam(), GetParam() == "kafka" ? server_->told("brokers") : server_->url()));
  }

  std::optional<test_server> server_;
};

TEST_P(EnginesAway, TheBrokerAcceptsIsDegradedAndNothingIsLost) {
  const auto broker = start("broker");
  const auto port = port_of(*broker);
  const auto a = start("service-a", port), b = start("service-b", port);
  const auto post = [&] {
    const auto accepted = ask(port, "POST", "/messages", R"({"message":"Hi, "})");
    EXPECT_EQ(accepted.status, 202);
    return text_in(accepted, "id");
  };
  const auto expect_done = [&](const std::string& id) {
    std::string status;
    for (int i = 0; i < 4 && status != "done"; ++i) status = status_after(port, id);
    EXPECT_EQ(status, "done") << id << "\n" << broker->errors() << a->errors() << b->errors();
  };
  const auto until = [&](const std::string& status) {
    while (text_in(ask(port, "GET", "/readyz"), "status") != status)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  expect_done(post());
  server_->stop();
  const auto meanwhile = post();
  until("degraded");
  server_->start();
  expect_done(meanwhile);
  until("ok");
}

INSTANTIATE_TEST_SUITE_P(All, EnginesAway, testing::ValuesIn(served_engine_names()),
                         [](const auto& suite) { return suite.param; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EnginesAway);

INSTANTIATE_TEST_SUITE_P(All, Engines, testing::ValuesIn(served_engine_names()),
                         [](const auto& suite) { return suite.param; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Engines);

}  // namespace
}  // namespace amc::tests
