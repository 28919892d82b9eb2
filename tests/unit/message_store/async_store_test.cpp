#include "message_store/async_store.hpp"

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <future>

#include "broker/life_cycle.hpp"
#include "core/log.hpp"
#include "core/uuid_source.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/manual_environment.hpp"
#include "tests/support/memory_store.hpp"

namespace amc::message_store {
namespace {

constexpr limits bounds{.inbox_max = 100,
                        .inbox_max_bytes = 1'000'000,
                        .batch_max = 100,
                        .batch_max_bytes = 1'000'000,
                        .text_max_bytes = 1'000};

/// Counts as the test says.
class scripted_reader : public store_reader {
 public:
  explicit scripted_reader(std::function<std::vector<queue_counts>()> count) : count_(std::move(count)) {}
  message_page list(const list_filter&) override { return {}; }
  std::vector<queue_counts> counts() override { return count_(); }
  std::size_t pending_of(const std::string&, std::size_t) override { return 0; }
  place_told place_of(const place_question&) override { return {}; }
  told_past past_of(const uuid&) override { return {}; }

 private:
  std::function<std::vector<queue_counts>()> count_;
};

async_store store_that_counts(const environment& env, std::function<std::vector<queue_counts>()> how) {
  auto opened = tests::open_memory(system_wall_clock);
  opened.reader = std::make_unique<scripted_reader>(std::move(how));
  return async_store(env, std::make_shared<shared_store>(env, std::move(opened), bounds));
}

task<void> count(async_store store, int& counted) {
  const auto queues = co_await store.counts();
  counted += static_cast<int>(queues.size());
}

task<void> accept(async_store store, std::promise<void>& changed) {
  auto fresh = broker::life_cycle::accept(system_uuid_source()(), "Hi, ", broker::life_cycle::to_queue{"q"}, true,
                                          tests::default_rules());
  co_await store.apply(std::move(fresh));
  changed.set_value();
}

TEST(AsyncStore, NoChangeWaitsForACount) {
  // With threads, as in production.
  boost::asio::io_context context;
  const auto env = system_environment(context.get_executor());
  std::promise<void> changed;
  const auto store = store_that_counts(env, [&] {
    const auto meanwhile = changed.get_future().wait_for(std::chrono::seconds(20));
    return std::vector<queue_counts>(meanwhile == std::future_status::ready ? 1 : 0);
  });
  int counted = 0;
  boost::asio::co_spawn(context, count(store, counted), boost::asio::detached);
  boost::asio::co_spawn(context, accept(store, changed), boost::asio::detached);
  context.run();
  EXPECT_EQ(counted, 1) << "the change was not made before the count had ended";
}

TEST(AsyncStore, ManyWhoAskAtOnceShareOneCount) {
  tests::manual_environment world;
  int counts = 0;
  const auto store = store_that_counts(world.env(), [&] {
    ++counts;
    return std::vector<queue_counts>(1);
  });
  int counted = 0;
  for (int i = 0; i < 3; ++i) boost::asio::co_spawn(world.env().executor, count(store, counted), boost::asio::detached);
  world.settle();
  EXPECT_EQ(counted, 3);
  EXPECT_EQ(counts, 1);
}

TEST(AsyncStore, ThatNothingCanBeCountedIsToldOnceUntilItCan) {
  tests::manual_environment world;
  std::vector<std::string> told;
  log::redirect([&](const log::line& line) { told.emplace_back(line.text); });
  bool away = true;
  const auto store = store_that_counts(world.env(), [&] {
    if (away) throw unavailable(unavailable::reason::away, "too many connections");
    return std::vector<queue_counts>(1);
  });
  int counted = 0;
  for (int i = 0; i < 2; ++i) EXPECT_THROW(world.run(count(store, counted)), unavailable);
  away = false;
  world.run(count(store, counted));
  log::redirect(nullptr);
  EXPECT_THAT(told, testing::ElementsAre("cannot list or count: too many connections", "lists and counts again"));
}

/// Tells as the test says.
class scripted_feed : public change_feed {
 public:
  explicit scripted_feed(std::function<news()> tell) : tell_(std::move(tell)) {}
  news wait(milliseconds) override { return tell_(); }

 private:
  std::function<news()> tell_;
};

TEST(AsyncStore, ThatChangesAreNotHeardOfIsToldOnceUntilTheyAre) {
  tests::manual_environment world;
  std::vector<std::string> told;
  log::redirect([&](const log::line& line) { told.emplace_back(line.text); });
  int waits = 0, heard = 0;
  auto opened = tests::open_memory(system_wall_clock);
  opened.changes_elsewhere = std::make_unique<scripted_feed>([&]() -> change_feed::news {
    constexpr int heard_at = 3;
    if (++waits != heard_at) throw unavailable(unavailable::reason::away, "too many connections");
    return {.ids = {}, .everything = true};
  });
  const async_store store(world.env(), std::make_shared<shared_store>(world.env(), std::move(opened), bounds));
  {
    const auto hearing = store.observe_elsewhere([&](const change_feed::news& news) { heard += news.everything; });
    while (heard == 0) world.advance(milliseconds(1));
  }
  log::redirect(nullptr);
  EXPECT_THAT(told, testing::ElementsAre("does not hear of changes by other processes: too many connections",
                                         "hears of changes by other processes again"));
}

}  // namespace
}  // namespace amc::message_store
