#include <gmock/gmock.h>

#include <csignal>
#include <iostream>
#include <random>

#include "tests/support/binary.hpp"
#include "tests/support/engine_place.hpp"
#include "tests/support/postgresql.hpp"
#include "tests/support/stubborn_client.hpp"

/// The process dies before and after each call through the store and platform seams, one run for each, until a
/// scenario gets through. Whatever was accepted finishes after a restart, once. AMC_CRASH_POINTS=all tries every point;
/// otherwise every ninth, beginning where the seed says.
namespace amc::tests {
namespace {

struct pair {
  std::string store;
  std::string platform;
};

class CrashPoints : public testing::TestWithParam<pair> {
 protected:
  CrashPoints() {
    sets_ = {"broker.store.engine=" + GetParam().store, "queue_system.platform=" + GetParam().platform,
             // Short, so that what the dead process held comes round again soon.
             "broker.lease_ms=150", "broker.ring_again_ms=300", "broker.sweep_interval_ms=50"};
    if (GetParam().store == "postgresql") {
      database_ = std::make_unique<postgresql_database>();
      sets_.push_back("broker.store.postgresql.url=" + database_->url());
    }
    if (GetParam().platform == "embedded" || !why_no_server(GetParam().platform).empty()) return;
    place_ = std::make_unique<engine_place>(GetParam().platform);
    for (const auto& set : place_->impatient_sets()) sets_.push_back(set);
  }

  void SetUp() override {
    if (const auto why = why_no_server(GetParam().platform); !why.empty()) GTEST_SKIP() << why;
  }

  std::unique_ptr<process> start(const std::string& crash_at) const {
    auto how = amc_all(folder_.path, sets_);
    if (!crash_at.empty()) how.environment.push_back("AMC_CRASH_AT=" + crash_at);
    return std::make_unique<process>(how);
  }

  /// Posts two texts and waits for their ends, until the process dies; true when it got through alive.
  bool converse(process& with) {
    try {
      raw_connection link(port_of(with));
      for (int i = 0; i < 2; ++i) {
        const auto got = link.ask("POST", "/", R"({"message":"Hi, "})");
        if (got.status == 201) accepted_.push_back(text_in(got, "id"));
      }
      for (const auto& id : accepted_)
        if (text_in(link.ask("GET", "/?id=" + id, "", "Prefer: wait=20\r\n"), "status") != "done") return false;
      return true;
    } catch (const std::exception&) {
      return false;  // it died
    }
  }

  /// One run that dies at `crash_at`, perhaps one more that dies while it recovers, and one that lives.
  bool survives(const std::string& crash_at, long second_crash) {
    accepted_.clear();
    bool got_through = false;
    {
      const auto dying = start(crash_at);
      got_through = converse(*dying);
      if (got_through) dying->signal(SIGKILL);
      dying->wait();
    }
    if (second_crash > 0) {
      const auto again = start(std::to_string(second_crash));
      try {
        port_of(*again);
      } catch (const std::exception&) {
        // It died before it listened.
      }
      converse(*again);
      again->signal(SIGKILL);
      again->wait();
    }
    const auto living = start("");
    expect_finished(port_of(*living), accepted_);
    return got_through;
  }

  temporary_folder folder_;
  std::unique_ptr<postgresql_database> database_;
  std::unique_ptr<engine_place> place_;
  std::vector<std::string> sets_;
  std::vector<std::string> accepted_;
};

TEST_P(CrashPoints, NothingAcceptedIsLostOrDoubledWhereverTheProcessDies) {
  const char* which = std::getenv("AMC_CRASH_POINTS");
  const bool all = which && std::string(which) == "all";
  const char* seed_text = std::getenv("AMC_CRASH_SEED");
  std::mt19937_64 random(seed_text ? std::strtoull(seed_text, nullptr, 10) : 1);
  const long step = all ? 1 : 9;
  int points = 0;
  for (long call = all ? 1 : 1 + static_cast<long>(random() % 9);; call += step) {
    bool got_through = true;
    for (const auto* when : {"", "+"}) {
      const long second_crash = random() % 3 == 0 ? 1 + static_cast<long>(random() % 20) : 0;
      SCOPED_TRACE("AMC_CRASH_AT=" + std::to_string(call) + when + ", then " + std::to_string(second_crash));
      got_through = survives(std::to_string(call) + when, second_crash) && got_through;
      ++points;
      if (HasFatalFailure()) return;
    }
    if (got_through) break;
  }
  std::cout << GetParam().store << " and " << GetParam().platform << ": " << points << " crash points\n";
  EXPECT_GE(points, all ? 20 : 2);
}

std::vector<pair> pairs() {
  std::vector<pair> all{{"sqlite", "embedded"}, {"sqlite", "rabbitmq"}, {"postgresql", "embedded"}};
  // Every other engine with one store: what they do to each other is the same.
  bool with_sqlite = false;
  for (const auto& engine : served_engine_names()) {
    const bool is_first = engine == "rabbitmq";
    all.push_back({!is_first && std::exchange(with_sqlite, !with_sqlite) ? "sqlite" : "postgresql", engine});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Pairs, CrashPoints, testing::ValuesIn(pairs()),
                         [](const auto& suite) { return suite.param.store + "_" + suite.param.platform; });

}  // namespace
}  // namespace amc::tests
