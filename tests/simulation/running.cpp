#include "tests/simulation/running.hpp"

#include "broker/api.hpp"
#include "broker/broker.hpp"
#include "consumer_services/service_runtime.hpp"
#include "tests/simulation/recording.hpp"
#include "tests/simulation/wording.hpp"

namespace amc::simulation {
namespace {

using consumer_services::broker_client;

/// Routers are few, and shared by all runs: to compile one takes longer than a run.
std::shared_ptr<const broker::router> routes(const scenario& plan) {
  static std::map<std::vector<std::string>, std::shared_ptr<const broker::router>> made;
  const auto settings = settings_of(plan);
  auto& shared = made[settings];
  if (!shared) {
    config_sources sources{.folder = "/nowhere", .sets = settings};
    sources.sets.emplace_back(R"(broker.routes=[{match: '^[0-9]+[a-z]*>a', queue: a},
        {match: '^[0-9]+[a-z]*>b', queue: b}, {match: '^[0-9]+[a-z]*>:', done: true}])");
    shared = std::make_shared<const broker::router>(load_config({broker::provider()}, sources));
  }
  return shared;
}

broker::messages_options options_of(const scenario& plan) {
  broker::messages_options options;
  options.sweep_interval = plan.sweep_interval;
  constexpr milliseconds seldom{5'000};
  options.purge_interval = seldom;
  return options;
}

/// What everything that works on messages directly stands on, in one process.
struct foundation {
  foundation(const surroundings& around, process& by) {
    const auto& env = by.env();
    platform = around.queues.connect(by);
    if (around.planted.wrap_engine) platform = around.planted.wrap_engine(std::move(platform), by);
    auto opened = around.store.open(by);
    if (around.planted.wrap_store)
      for (auto& driver : opened.drivers) driver = around.planted.wrap_store(std::move(driver), by, *platform);
    if (around.planted.wrap_feed)
      opened.changes_elsewhere = around.planted.wrap_feed(std::move(opened.changes_elsewhere));
    store = std::make_shared<broker::async_store>(env, std::move(opened), broker::async_store::limits{});
    publisher = std::make_shared<queue_system::publisher>(env, *platform);
    auto ids = uuid_v7_source(env.wall_clock, env.random);
    messages = std::make_shared<broker::messages>(env, store, publisher, routes(around.in.plan()), std::move(ids),
                                                  options_of(around.in.plan()));
  }

  std::unique_ptr<amc::platform> platform;
  std::shared_ptr<broker::async_store> store;
  std::shared_ptr<queue_system::publisher> publisher;
  std::shared_ptr<broker::messages> messages;
};

class running_broker : public running {
 public:
  running_broker(const surroundings& around, process& by)
      : net_(around.net),
        by_(by),
        base_(around, by),
        waiters_(std::make_shared<broker::waiters>(by.env(), *base_.store, waiters_max)),
        retries_(std::make_shared<broker::mass_retry>(by.env(), base_.messages, broker::mass_retry_options{})),
        api_(by.env(), base_.messages, waiters_, retries_, broker::api_options{}) {
    base_.messages->run(base_.platform->capabilities().empty_at_start);
    net_.listen(by.name(), by, [this](const http::request& asked) { return api_.handle(asked); });
  }

  task<void> stop() override {
    waiters_->send_home();
    if (by_.alive()) net_.close(by_.name());
    while (by_.alive() && net_.in_flight(by_) > 0) co_await nap();
    co_await waiters_->stop();
    co_await retries_->stop();
    co_await base_.messages->stop();
  }

 private:
  task<void> nap() {
    auto over = std::make_shared<one_shot<bool>>(by_.env().executor);
    constexpr milliseconds a_moment{20};
    const auto timer = by_.env().timers->start(a_moment, [over] { over->set(true); });
    co_await over->wait();
  }

  static constexpr std::size_t waiters_max = 100;

  network& net_;
  process& by_;
  foundation base_;
  std::shared_ptr<broker::waiters> waiters_;
  std::shared_ptr<broker::mass_retry> retries_;
  broker::api api_;
};

class running_service : public running {
 public:
  running_service(const surroundings& around, process& by, char letter, bool on_the_store) : around_(around), by_(by) {
    std::shared_ptr<broker_client> client;
    if (on_the_store) {
      base_ = std::make_unique<foundation>(around, by);
      base_->messages->run(false);
      client = consumer_services::make_direct_broker_client(base_->messages);
    } else {
      platform_ = around.queues.connect(by);
      if (around.planted.wrap_engine) platform_ = around.planted.wrap_engine(std::move(platform_), by);
      constexpr milliseconds timeout{2'000};
      client = consumer_services::make_http_broker_client(around.net.connect(by, broker_addresses(around.in.plan())),
                                                          timeout);
    }
    if (around.planted.wrap_client) client = around.planted.wrap_client(std::move(client), by);
    consumer_services::runtime_options options;
    options.concurrency = around.in.plan().concurrency;
    options.handler_timeout = around.in.plan().handler_timeout;
    runtime_ = std::make_unique<consumer_services::service_runtime>(
        by.env(), definition(letter), record(std::move(client), by, around.told), base_ ? *base_->platform : *platform_,
        by.slow_executor([this] { return handler_time(); }), options);
    runtime_->run();
  }

  task<void> stop() override {
    const auto longest = by_.alive() ? drain_timeout : milliseconds(0);
    finished_ = co_await runtime_->stop(longest);
    if (base_) co_await base_->messages->stop();
  }

 private:
  service_definition definition(char letter) {
    return {.name = by_.name(), .queue = std::string(1, letter), .handler = [this](const delivery& work) {
              return handle(work);
            }};
  }

  std::string handle(const delivery& work) {
    if (!by_.alive()) return work.text;
    suffer(read(work.text)->nature);
    const int run = ++around_.told.last_run;
    auto next = answered(work.text, by_.name(), run);
    around_.told.runs.push_back({by_.name(), run, work.id, work.revision, work.claim, around_.in.now()});
    around_.in.note(by_.name(), "handles", work.id, work.revision);
    return next;
  }

  /// What the message does to its handler.
  void suffer(const std::string& nature) {
    if (nature.empty()) return;
    around_.in.note(by_.name(), "suffers a message of nature " + nature);
    if (nature.front() == poisonous) by_.doom();
    if (nature.front() == failing || (nature.front() == capricious && around_.in.random().chance(0.5)))
      throw std::runtime_error("a message of nature " + nature);
  }

  milliseconds handler_time() {
    auto& in = around_.in;
    if (!by_.alive()) return milliseconds(1);
    if (in.random().chance(in.plan().slow_handlers)) return in.between(0, 3 * in.plan().lease.count());
    return in.between(0, in.plan().handler_longest.count());
  }

  static constexpr milliseconds drain_timeout{4'000};

  surroundings around_;
  process& by_;
  std::unique_ptr<platform> platform_;
  std::unique_ptr<foundation> base_;
  bool finished_ = false;
  std::unique_ptr<consumer_services::service_runtime> runtime_;
};

}  // namespace

std::vector<std::string> broker_addresses(const scenario& plan) {
  std::vector<std::string> all;
  for (int i = 1; i <= plan.brokers; ++i) all.push_back("broker" + std::to_string(i));
  return all;
}

std::unique_ptr<running> run_broker(const surroundings& around, process& by) {
  return std::make_unique<running_broker>(around, by);
}

std::unique_ptr<running> run_service(const surroundings& around, process& by, char letter, bool on_the_store) {
  return std::make_unique<running_service>(around, by, letter, on_the_store);
}

}  // namespace amc::simulation
