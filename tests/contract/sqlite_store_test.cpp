#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "broker/life_cycle.hpp"
#include "core/uuid_source.hpp"
#include "message_store/sqlite/sqlite.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/temporary_folder.hpp"

/// What SQLite's store does beside the contract.
namespace amc {
namespace {

using broker::life_cycle::to_queue;
namespace life_cycle = broker::life_cycle;

TEST(SqliteStore, TheLogDoesNotGrowForEverWhileSomebodyAlwaysCounts) {
  const tests::temporary_folder folder;
  const auto path = (folder.path / "amc.db").string();
  const auto opened = message_store::open_sqlite({path, {}});
  auto& store = *opened.drivers.at(0);
  std::vector<change> pending;
  const auto next_id = system_uuid_source();
  for (int i = 0; i < 50'000; ++i)
    pending.push_back(life_cycle::accept(next_id(), "Hi, ", to_queue{"q"}, true, tests::default_rules()));
  store.apply(pending);
  std::atomic<bool> stopping = false;
  std::thread counting([&] {
    while (!stopping) opened.reader->counts();
  });
  // Each batch puts about two pages for each of its rows into the log.
  std::uintmax_t largest = 0, written = 0;
  constexpr std::size_t rows = 100, page_bytes = 4'096;
  for (std::size_t at = 0; written < 120'000'000; ++at) {
    std::vector<change> batch;
    for (std::size_t i = 0; i < rows; ++i)
      batch.push_back({.id = pending[(at + i * 499) % pending.size()].id,
                       .then = {.due_in = milliseconds(static_cast<int>(at))},
                       .durable = false});
    store.apply(batch);
    written += rows * page_bytes;
    largest = std::max(largest, std::filesystem::file_size(path + "-wal"));
  }
  stopping = true;
  counting.join();
  EXPECT_LT(largest, written);
}

TEST(SqliteStore, MakesItsFolder) {
  tests::temporary_folder folder;
  message_store::open_sqlite({(folder.path / "a" / "b" / "amc.db").string(), {}});
  EXPECT_TRUE(std::filesystem::exists(folder.path / "a" / "b" / "amc.db"));
}

}  // namespace
}  // namespace amc
