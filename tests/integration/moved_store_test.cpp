#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/support/binary.hpp"
#include "tests/support/raw_http.hpp"

/// A store's file that has two names, or is taken away under a process that uses it.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace files = std::filesystem;

class MovedStore : public testing::Test {
 protected:
  std::unique_ptr<process> start(const files::path& store, const std::string& subcommand = "broker") {
    auto how =
        amc_command(folder_.path, {subcommand}, {"broker.http.port=0", "broker.store.sqlite.path=" + store.string()});
    return std::make_unique<process>(how);
  }
  /// How many of these messages the store does not have.
  std::size_t missing(const files::path& store, const std::vector<std::string>& ids) {
    const auto broker = start(store);
    const auto port = port_of(*broker);
    std::size_t count = 0;
    for (const auto& id : ids) count += ask(port, "GET", "/?id=" + id).status != 200;
    return count;
  }

  temporary_folder folder_;
  files::path path_ = folder_.path / "one/amc.db";
};

/// Posts until it is told to stop, or nobody answers.
class poster {
 public:
  explicit poster(std::uint16_t port) : thread_([this, port] { run(port); }) {}
  ~poster() { finish(); }
  /// The ids of all that was accepted.
  std::vector<std::string> finish() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return accepted_;
  }
  void wait_for(std::size_t count) const {
    while (count_ < count) std::this_thread::yield();
  }

 private:
  void run(std::uint16_t port) {
    try {
      while (!stopping_) {
        const auto got = ask(port, "POST", "/", R"({"message":"Hi, "})");
        if (got.status != 201) continue;
        accepted_.emplace_back(got.json().at("id").as_string());
        ++count_;
      }
    } catch (const std::exception&) {
      // It listens no more.
    }
  }

  std::vector<std::string> accepted_;
  std::atomic<std::size_t> count_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

TEST_F(MovedStore, ASecondNameOfAFileInUseIsRefused) {
  const auto first = start(path_, "all");
  port_of(*first);
  files::create_directory(folder_.path / "two");
  files::create_hard_link(path_, folder_.path / "two/amc.db");
  const auto second = start(folder_.path / "two/amc.db", "all");
  EXPECT_EQ(second->wait(), 1);
  EXPECT_THAT(second->errors(), HasSubstr("another process owns this store"));
  const auto plan = start(path_, "migrate");
  EXPECT_EQ(plan->wait(), 1);
  first->signal(SIGTERM);
  EXPECT_EQ(first->wait(), 0);
  const auto third = start(folder_.path / "two/amc.db", "all");
  EXPECT_EQ(third->wait(), 1);
  EXPECT_THAT(third->errors(), HasSubstr("2 names (hard links)"));
}

struct disturbance {
  std::string name;
  std::function<void(const files::path& database, const files::path& elsewhere)> happens;
  std::string remains;  ///< where what was accepted is then; empty: nowhere
};

class StoreTakenAway : public MovedStore, public testing::WithParamInterface<disturbance> {};

INSTANTIATE_TEST_SUITE_P(
    All, StoreTakenAway,
    testing::Values(disturbance{"Moved", [](const auto& db, const auto& to) { files::rename(db, to); }, "elsewhere"},
                    disturbance{"FolderMoved",
                                [](const auto& db, const auto& to) { files::rename(db.parent_path(), to); },
                                "elsewhere/amc.db"},
                    disturbance{"LogDeleted", [](const auto& db, const auto&) { files::remove(db.string() + "-wal"); },
                                "one/amc.db"},
                    disturbance{"Deleted", [](const auto& db, const auto&) { files::remove(db); }, ""}),
    [](const auto& of) { return of.param.name; });

TEST_P(StoreTakenAway, TheProcessEndsAndNothingThatWasAcceptedIsMissingInWhatRemains) {
  const auto broker = start(path_);
  poster client(port_of(*broker));
  client.wait_for(50);
  GetParam().happens(path_, folder_.path / "elsewhere");
  EXPECT_EQ(broker->wait(), 1);
  EXPECT_THAT(broker->errors(), AllOf(HasSubstr("critical"), HasSubstr("was moved or deleted while it was in use")));
  const auto accepted = client.finish();
  EXPECT_GE(accepted.size(), 50U);
  if (GetParam().remains.empty()) return;
  EXPECT_EQ(missing(folder_.path / GetParam().remains, accepted), 0U) << "of " << accepted.size();
}

TEST_F(MovedStore, NothingIsAcceptedIntoAFileThatIsGone) {
  const auto broker = start(path_);
  const auto port = port_of(*broker);
  EXPECT_EQ(ask(port, "POST", "/", R"({"message":"Hi, "})").status, 201);
  files::remove(path_);
  try {
    EXPECT_EQ(ask(port, "POST", "/", R"({"message":"Hi, "})").status, 503);
  } catch (const std::exception&) {
    // It has noticed before.
  }
  EXPECT_EQ(broker->wait(), 1);
}

}  // namespace
}  // namespace amc::tests
