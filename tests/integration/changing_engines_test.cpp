#include <gmock/gmock.h>

#include <csignal>

#include "tests/support/binary.hpp"
#include "tests/support/engine_place.hpp"
#include "tests/support/postgresql.hpp"
#include "tests/support/stubborn_client.hpp"
#include "tests/support/tcp_proxy.hpp"

/// A running system goes from one queue engine to the next, process by process, while clients post.
namespace amc::tests {
namespace {

using testing::HasSubstr;

class moving_system {
 public:
  moving_system() {
    sets_ = {"broker.store.engine=postgresql", "broker.store.postgresql.url=" + database_.url(),
             "broker.http.port=" + std::to_string(port),
             "consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(port),
             // Short, so that what is lost comes round again soon.
             "broker.lease_ms=2000", "broker.ring_again_ms=3000"};
    for (const auto& engine : served_engine_names()) {
      if (!why_no_server(engine).empty()) continue;
      places_.push_back(std::make_unique<engine_place>(engine, "", places_.empty() ? "" : places_[0]->prefix()));
      for (const auto& set : places_.back()->impatient_sets())
        if (!set.starts_with("queue_system.platform=")) sets_.push_back(set);
      engines_.push_back(engine);
    }
  }

  /// Every engine of this build that has a server here, PostgreSQL alone, and back to the first.
  std::vector<std::string> engines() const {
    auto all = engines_;
    all.insert(all.end(), {"embedded", engines_.front()});
    return all;
  }

  /// Restarts each process, which then also hears the engine before, where that reaches it.
  void move_to(const std::string& engine) {
    auto sets = sets_;
    sets.push_back("queue_system.platform=" + engine);
    if (!now_.empty() && now_ != "embedded" && engine != "embedded")
      sets.push_back("queue_system.also_receive_from=[" + now_ + "]");
    for (const auto* what : {"broker", "service-a", "service-b"}) {
      auto& one = processes_[what];
      if (one) {
        one->signal(SIGTERM);
        EXPECT_EQ(one->wait(), 0) << one->errors();
      }
      one = std::make_unique<process>(amc_command(folder_.path, {what}, sets));
      one->wait_for_error_text(what == std::string("broker") ? "listening on" : "takes messages from");
    }
    now_ = engine;
  }

  std::string queues() {
    process asked(amc_command(folder_.path, {"queues"}, sets_));
    EXPECT_EQ(asked.wait(), 0) << asked.errors();
    return asked.output();
  }

  static std::uint16_t free_port() {
    tcp_proxy there(1, 0);
    return there.port();
  }

  std::atomic<std::uint16_t> port = free_port();

 private:
  temporary_folder folder_;
  postgresql_database database_;
  std::vector<std::unique_ptr<engine_place>> places_;
  std::vector<std::string> engines_;
  std::vector<std::string> sets_;
  std::string now_;
  std::map<std::string, std::unique_ptr<process>> processes_;
};

TEST(ChangingEngines, UnderLoadLosesAndDoublesNothing) {
  moving_system system;
  std::vector<std::string> ids;
  for (const auto& engine : system.engines()) {
    constexpr int messages = 200;
    stubborn_client client(system.port, messages);
    system.move_to(engine);
    client.join();
    stubborn_client after(system.port, messages / 4);
    after.join();
    for (const auto* each : {&client, &after}) ids.insert(ids.end(), each->accepted.begin(), each->accepted.end());
  }
  expect_finished(system.port, ids);
}

TEST(ChangingEngines, TheQueuesTellWhatIsLeft) {
  moving_system system;
  const auto engines = system.engines();
  if (engines.size() < 4) GTEST_SKIP() << "this build has no second engine with a server";
  system.move_to(engines[0]);
  system.move_to(engines[1]);
  EXPECT_THAT(system.queues(), HasSubstr("rabbitmq (queue_system.also_receive_from): nothing is left; it can go"));
}

TEST(ChangingEngines, AnEngineThatIsNoneIsAMistakeOfTheConfiguration) {
  const temporary_folder folder;
  for (const auto& [sets, told] :
       {std::pair("queue_system.also_receive_from=[rabbitmw]", "is no engine of this build"),
        std::pair("queue_system.also_receive_from=[embedded]", "is received from already"),
        std::pair("queue_system.also_receive_from=[rabbitmq, rabbitmq]", "is received from already")}) {
    process refused(amc_command(folder.path, {"broker"}, {sets}));
    EXPECT_EQ(refused.wait(), 2) << sets;
    EXPECT_THAT(refused.errors(), HasSubstr(told));
  }
}

}  // namespace
}  // namespace amc::tests
