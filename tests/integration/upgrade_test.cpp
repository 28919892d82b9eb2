#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <csignal>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/support/binary.hpp"
#include "tests/support/postgresql.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/source_folder.hpp"

/// Stores that a release has written (tests/fixtures), opened by the binary of today: every message is there, as that
/// release told it, and goes on.
namespace amc::tests {
namespace {

namespace json = boost::json;

const std::filesystem::path fixtures = source_folder() / "tests/fixtures";

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  if (!in) throw std::runtime_error("cannot read " + file.string());
  return content.str();
}

std::vector<std::string> releases() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(fixtures))
    if (entry.is_directory()) found.push_back(entry.path().filename());
  std::sort(found.begin(), found.end());
  return found;
}

/// A release and the engine of its store.
class Upgrade : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  /// A copy of the release's store, configured.
  void SetUp() override {
    const auto& [version, engine] = GetParam();
    const auto from = fixtures / version;
    stored_ = json::parse(content_of(from / "messages.json")).at(engine).as_array();
    ASSERT_FALSE(stored_.empty());
    // What was finished then is not deleted for its age, and no key is forgotten.
    sets_ = {"broker.http.port=0", "broker.retention_ms=3153600000000", "broker.dead_retention_ms=3153600000000",
             "broker.idempotency_ms=3153600000000", "broker.store.engine=" + engine};
    if (engine == "sqlite") {
      std::filesystem::copy_file(from / "amc.db", folder_.path / "amc.db");
      sets_.push_back("broker.store.sqlite.path=amc.db");
    } else {
      database_ = std::make_unique<postgresql_database>();
      database_->execute(content_of(from / "amc.sql"));
      sets_.push_back("broker.store.postgresql.url=" + database_->url());
    }
  }

  process::options command(const std::string& subcommand) const {
    return amc_command(folder_.path, {subcommand}, sets_);
  }

  json::array stored_{};
  temporary_folder folder_{};
  std::unique_ptr<postgresql_database> database_{};
  std::vector<std::string> sets_{};
};

/// Rung since, or its lease has run out since: what the sweeper changes by itself, at any moment.
bool changes_by_itself(std::string_view member, const json::object& message) {
  return message.at("status") == "pending" && (member == "held" || member == "due" || member == "updated_at") &&
         message.at("due").as_string() < "2999";
}

TEST_P(Upgrade, EveryMessageIsThereAsItWasTold) {
  process broker(command("broker"));
  const auto port = port_of(broker);
  std::multiset<std::string> ids;
  for (const auto& entry : stored_) {
    const auto& told = entry.at("message").as_object();
    ids.emplace(told.at("id").as_string());
    const auto reply = ask(port, "GET", "/messages/" + std::string(told.at("id").as_string()));
    ASSERT_EQ(reply.status, 200) << told;
    const auto now = reply.json();
    for (const auto& [name, value] : told)
      if (!changes_by_itself(name, told))
        EXPECT_EQ(now.as_object().contains(name) ? now.at(name) : "is missing", value) << name << " of " << told;
  }

  std::multiset<std::string> listed;
  for (std::string after = "&"; !after.empty();) {
    const auto page = ask(port, "GET", "/messages?limit=5" + (after == "&" ? "" : "&after=" + after)).json();
    for (const auto& message : page.at("messages").as_array()) listed.emplace(message.at("id").as_string());
    const auto* next = page.as_object().if_contains("next");
    after = next ? std::string(next->as_string()) : "";
  }
  EXPECT_EQ(listed, ids);
}

TEST_P(Upgrade, AnIdempotencyKeyStillFindsItsMessage) {
  process broker(command("broker"));
  const auto port = port_of(broker);
  int keys = 0;
  for (const auto& entry : stored_) {
    const auto* key = entry.as_object().if_contains("idempotency_key");
    if (!key) continue;
    ++keys;
    const auto reply = ask(port, "POST", "/messages", std::string(entry.at("body").as_string()),
                           "Idempotency-Key: " + std::string(key->as_string()) + "\r\n");
    ASSERT_EQ(reply.status, 202) << reply.body;
    EXPECT_EQ(reply.json().at("id"), entry.at("message").at("id"));
  }
  EXPECT_GT(keys, 0);
}

TEST_P(Upgrade, WhatWasPendingIsFinished) {
  process all(command("all"));
  const auto port = port_of(all);
  int finished = 0;
  for (const auto& entry : stored_) {
    const auto& told = entry.at("message");
    // What the default routes and the example's services take to its end, whatever step it was at.
    const bool due = told.at("status") == "pending" && told.at("due").as_string() < "2999";
    if (!due || (told.at("message") != "Hi, " && told.at("message") != "Hi, Łukasz.")) continue;
    const auto reply =
        ask(port, "GET", "/messages/" + std::string(told.at("id").as_string()), "", "Prefer: wait=30\r\n");
    EXPECT_EQ(reply.json().at("status"), "done") << reply.body;
    ++finished;
  }
  EXPECT_GE(finished, 2);
}

INSTANTIATE_TEST_SUITE_P(From, Upgrade,
                         testing::Combine(testing::ValuesIn(releases()), testing::Values("sqlite", "postgresql")),
                         [](const auto& store) {
                           auto name = std::get<0>(store.param) + "_" + std::get<1>(store.param);
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace amc::tests
