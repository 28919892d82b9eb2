#include <benchmark/benchmark.h>

#include <boost/asio/executor_work_guard.hpp>

#include "broker/configuration.hpp"
#include "broker/life_cycle.hpp"
#include "broker/router.hpp"
#include "core/batching_worker.hpp"
#include "core/uuid_source.hpp"
#include "queue_system/event_codec.hpp"

/// What a conversation spends between the engines. A wrong answer fails its benchmark.
namespace amc::benchmarks {
namespace {

namespace life_cycle = broker::life_cycle;

const uuid id = *parse_uuid("019ab2c4-5c0e-7000-b1e3-2f5d1c2a9b70");
const event ready{id, 1, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"};

void codec_encode(benchmark::State& state) {
  const auto now = std::chrono::system_clock::now();
  for (auto _ : state) benchmark::DoNotOptimize(queue_system::encode(ready, id, now));
}
BENCHMARK(codec_encode);

void codec_decode(benchmark::State& state) {
  const auto bytes = queue_system::encode(ready, id, std::chrono::system_clock::now());
  for (auto _ : state) {
    const auto came = queue_system::decode(bytes);
    if (!came || came->id != id || came->revision != 1) state.SkipWithError("decoded something else");
  }
}
BENCHMARK(codec_decode);

const broker::router& routes() {
  static const broker::router all(load_config({broker::provider()}, {.folder = "/nowhere"}));
  return all;
}

/// The texts of the three steps: the first, the second and the third route match.
void router_route(benchmark::State& state) {
  const std::string text = std::array{"Hi, ", "Hi, Bram.", "Hi, Bram. Bye!"}[static_cast<std::size_t>(state.range(0))];
  const bool ends = state.range(0) == 2;
  for (auto _ : state) {
    const auto to = routes().route(text);
    if (!to || std::holds_alternative<life_cycle::to_done>(*to) != ends) state.SkipWithError("routed elsewhere");
  }
}
BENCHMARK(router_route)->DenseRange(0, 2);

void router_no_route(benchmark::State& state) {
  const std::string text(static_cast<std::size_t>(state.range(0)), 'a');
  for (auto _ : state)
    if (routes().route(text)) state.SkipWithError("routed somewhere");
}
BENCHMARK(router_no_route)->Arg(10)->Arg(10'000);

/// The five changes of a conversation, made and applied to a row in memory, as SQLite's driver does.
void life_cycle_of_a_conversation(benchmark::State& state) {
  const auto now = system_wall_clock();
  const auto rules = routes().of("").rules;
  for (auto _ : state) {
    row current;
    const auto apply = [&](const change& what) {
      if (current && !admits(what.when, *current, now)) state.SkipWithError("a change was refused");
      current = std::make_shared<const message>(changed(what, current.get(), now));
    };
    apply(life_cycle::accept(id, "Hi, ", life_cycle::to_queue{"topic-a"}, true, rules));
    apply(life_cycle::claim({id, 1}, 1, false));
    apply(life_cycle::answer(id, 1, "Hi, Bram.", life_cycle::to_queue{"topic-b"}, true, rules));
    apply(life_cycle::claim({id, 2}, 1, false));
    apply(life_cycle::answer(id, 2, "Hi, Bram. Bye!", life_cycle::to_done{}, true, rules));
    if (current->status != status::done || current->revision != 3) state.SkipWithError("not done");
  }
}
BENCHMARK(life_cycle_of_a_conversation);

/// Jobs through a worker's thread and back, as many at once as the argument says.
void worker_round_trips(benchmark::State& state) {
  using worker = batching_worker<int, int>;
  const auto at_once = static_cast<int>(state.range(0));
  boost::asio::io_context context{1};
  const auto guard = boost::asio::make_work_guard(context);
  const auto env = system_environment(context.get_executor());
  worker w(env.start_worker, {"worker", 10'000, 512}, {[](std::vector<int>& jobs) { return jobs; }});
  for (auto _ : state) {
    int completed = 0;
    for (int job = 0; job < at_once; ++job)
      w.submit(job, env.executor, [&completed, job](const worker::reply& reply) {
        if (std::get<int>(reply) == job) ++completed;
      });
    while (completed < at_once) context.run_one();
  }
  state.SetItemsProcessed(state.iterations() * at_once);
}
BENCHMARK(worker_round_trips)->Arg(1)->Arg(64)->Arg(512)->UseRealTime();

void new_ids(benchmark::State& state) {
  const auto next = system_uuid_source();
  uuid last{};
  for (auto _ : state) {
    const auto id_now = next();
    if (!(last < id_now)) state.SkipWithError("ids do not grow");
    last = id_now;
  }
}
BENCHMARK(new_ids);

}  // namespace
}  // namespace amc::benchmarks

BENCHMARK_MAIN();
