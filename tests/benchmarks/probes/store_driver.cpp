#include "tests/benchmarks/probes/store_driver.hpp"

#include <future>

#include "broker/life_cycle.hpp"
#include "tests/support/configured.hpp"

namespace amc::benchmarks {
namespace life_cycle = broker::life_cycle;

store_driver::store_driver(opened_store opened, amount work) : opened_(std::move(opened)), work_(work) {}

double store_driver::insert() {
  ids_ = make_ids(work_.count);
  return apply([](const uuid& id) {
    return life_cycle::accept(id, first_text, life_cycle::to_queue{"topic-a"}, true, tests::default_rules());
  });
}

double store_driver::update() {
  const auto seconds = apply([](const uuid& id) {
    return life_cycle::answer(id, 1, second_text, life_cycle::to_queue{"topic-b"}, true, tests::default_rules());
  });
  for (const auto& found : opened_.drivers.front()->find(ids_, true))
    require(found.now && found.now->revision == 2 && found.now->text == second_text, "the store has lost a change");
  return seconds;
}

double store_driver::apply(const std::function<change(const uuid&)>& change_of) {
  const stopwatch watch;
  on_threads(opened_.drivers.size(), ids_, [&](std::size_t lane, std::span<const uuid> part) {
    in_batches(part, work_.batch, [&](std::span<const uuid> ids) {
      std::vector<change> changes;
      changes.reserve(ids.size());
      for (const auto& id : ids) changes.push_back(change_of(id));
      for (const auto& became : opened_.drivers[lane]->apply(changes)) require(became.applied, "a change was refused");
    });
  });
  return watch.seconds();
}

void on_threads(std::size_t lanes, std::span<const uuid> ids,
                const std::function<void(std::size_t lane, std::span<const uuid> part)>& work) {
  std::vector<std::future<void>> running;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    const auto begin = ids.size() * lane / lanes;
    const auto part = ids.subspan(begin, ids.size() * (lane + 1) / lanes - begin);
    running.push_back(std::async(std::launch::async, [&work, lane, part] { work(lane, part); }));
  }
  for (auto& one : running) one.get();
}

void in_batches(std::span<const uuid> ids, std::size_t batch, const std::function<void(std::span<const uuid>)>& run) {
  for (std::size_t at = 0; at < ids.size(); at += batch) run(ids.subspan(at, std::min(batch, ids.size() - at)));
}

}  // namespace amc::benchmarks
