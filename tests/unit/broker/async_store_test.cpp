#include "broker/async_store.hpp"

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <future>

#include "broker/life_cycle.hpp"
#include "core/uuid_source.hpp"
#include "tests/support/memory_store.hpp"

/// The store's workers on threads of their own, as in production.
namespace amc::broker {
namespace {

/// Counts until a change has been made meanwhile.
class slow_reader : public store_reader {
 public:
  explicit slow_reader(std::future<void> changed) : changed_(std::move(changed)) {}
  message_page list(const list_filter&) override { return {}; }
  std::vector<queue_counts> counts() override {
    if (changed_.wait_for(std::chrono::seconds(20)) != std::future_status::ready) return {};
    queue_counts proof;
    proof.queue = "changed meanwhile";
    return {proof};
  }

 private:
  std::future<void> changed_;
};

task<void> count(const environment& env, async_store& store, std::vector<queue_counts>& counted) {
  counted = co_await store.counts(env);
}

task<void> accept(const environment& env, async_store& store, std::promise<void>& changed) {
  auto fresh = life_cycle::accept(system_uuid_source()(), "Hi, ", life_cycle::to_queue{"q"}, true, {});
  co_await store.apply(env, std::move(fresh));
  changed.set_value();
}

TEST(AsyncStore, NoChangeWaitsForACount) {
  boost::asio::io_context context;
  const auto env = system_environment(context.get_executor());
  std::promise<void> changed;
  auto opened = tests::open_memory(system_wall_clock);
  opened.reader = std::make_unique<slow_reader>(changed.get_future());
  async_store store(env, std::move(opened), async_store::limits{});
  std::vector<queue_counts> counted;
  boost::asio::co_spawn(context, count(env, store, counted), boost::asio::detached);
  boost::asio::co_spawn(context, accept(env, store, changed), boost::asio::detached);
  context.run();
  ASSERT_EQ(counted.size(), 1U);
  EXPECT_EQ(counted[0].queue, "changed meanwhile");
}

}  // namespace
}  // namespace amc::broker
