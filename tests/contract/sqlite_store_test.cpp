#include <gtest/gtest.h>
#include <sqlite3.h>

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

/// As with a tool, while a store owns the file.
void run_beside(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
  sqlite3_close(db);
}

TEST(SqliteStore, WhatSomebodyChangesBesideItIsSeenByTheNextChange) {
  const tests::temporary_folder folder;
  const auto path = (folder.path / "amc.db").string();
  const auto opened = message_store::open_sqlite({path, {}});
  const auto id = system_uuid_source()();
  const std::vector accepted{life_cycle::accept(id, "Hi, ", to_queue{"q"}, false, tests::default_rules())};
  ASSERT_TRUE(opened.drivers.at(0)->apply(accepted).at(0).applied);
  run_beside(path, "UPDATE message SET text = 'Bye, '");
  const std::vector claimed{life_cycle::claim({id, 1}, 1, false)};
  const auto became = opened.drivers.at(0)->apply(claimed).at(0);
  ASSERT_TRUE(became.applied);
  EXPECT_EQ(became.now->text, "Bye, ");
}

TEST(SqliteStore, WhatIsRolledBackIsNotSeenByTheNextChange) {
  const tests::temporary_folder folder;
  const auto path = (folder.path / "amc.db").string();
  const auto opened = message_store::open_sqlite({path, {}});
  auto& store = *opened.drivers.at(0);
  const auto next_id = system_uuid_source();
  const auto first = next_id(), second = next_id();
  const std::vector accepted{life_cycle::accept(first, "Hi, ", to_queue{"q"}, false, tests::default_rules()),
                             life_cycle::accept(second, "Hi, ", to_queue{"q"}, false, tests::default_rules())};
  store.apply(accepted);
  run_beside(path,
             "CREATE TRIGGER fails BEFORE UPDATE ON message WHEN NEW.text = 'bad' BEGIN SELECT json('none'); END");
  const std::vector failing{life_cycle::claim({first, 1}, 1, false),
                            life_cycle::answer(second, 1, "bad", to_queue{"q"}, false, tests::default_rules())};
  EXPECT_THROW(store.apply(failing), unavailable);
  const std::vector again{life_cycle::claim({first, 1}, 2, false)};
  EXPECT_TRUE(store.apply(again).at(0).applied);
}

TEST(SqliteStore, MakesItsFolder) {
  tests::temporary_folder folder;
  message_store::open_sqlite({(folder.path / "a" / "b" / "amc.db").string(), {}});
  EXPECT_TRUE(std::filesystem::exists(folder.path / "a" / "b" / "amc.db"));
}

}  // namespace
}  // namespace amc
