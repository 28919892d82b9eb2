#include <gmock/gmock.h>

#include <csignal>
#include <fstream>

#include "tests/support/binary.hpp"
#include "tests/support/raw_http.hpp"

namespace amc::tests {
namespace {

using testing::HasSubstr;

class FailingDisk : public testing::Test {
 protected:
  std::unique_ptr<process> start(const std::string& subcommand = "broker") {
    auto how = amc_command(folder_.path, {subcommand}, {"broker.http.port=0"});
    how.environment = {"AMC_TEST_DISK=" + (folder_.path / "mood").string()};
    auto broker = std::make_unique<process>(how);
    port_ = port_of(*broker);
    return broker;
  }
  void disk(const std::string& mood) const {
    std::ofstream(folder_.path / "mood.new") << mood;
    std::filesystem::rename(folder_.path / "mood.new", folder_.path / "mood");
  }
  answer post() const { return ask(port_, "POST", "/", R"({"message":"Hi, "})"); }
  std::string accepted() const {
    const auto got = post();
    EXPECT_EQ(got.status, 201);
    return std::string(got.json().at("id").as_string());
  }
  int status_of(const std::string& id) const { return ask(port_, "GET", "/?id=" + id).status; }

  temporary_folder folder_;
  std::uint16_t port_ = 0;
};

TEST_F(FailingDisk, AFullDiskIs503AndPassesWhenThereIsRoom) {
  const auto broker = start();
  const auto before = accepted();
  disk("full");
  const auto refused = post();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(status_of(before), 200) << "what is there can be read";
  EXPECT_EQ(ask(port_, "GET", "/readyz").status, 503);
  disk("");
  EXPECT_EQ(ask(port_, "GET", "/readyz").status, 200);
  const auto after = accepted();
  EXPECT_EQ(status_of(before), 200);
  EXPECT_EQ(status_of(after), 200);
  broker->signal(SIGTERM);
  EXPECT_EQ(broker->wait(), 0);
}

TEST_F(FailingDisk, WhatWasAcceptedBeforeAFullDiskIsThereAfterAKill) {
  auto broker = start();
  std::vector<std::string> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(accepted());
  disk("full");
  EXPECT_EQ(post().status, 503);
  broker->signal(SIGKILL);
  broker->wait();
  disk("");
  broker = start();
  for (const auto& id : ids) EXPECT_EQ(status_of(id), 200);
}

TEST_F(FailingDisk, AFailedSyncIs503ThenExit1AndNothingAcceptedIsMissing) {
  auto broker = start();
  const auto id = accepted();
  disk("sync-fails");
  EXPECT_EQ(post().status, 503);
  EXPECT_EQ(broker->wait(), 1);
  EXPECT_THAT(broker->errors(), HasSubstr("failed to sync"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path / "mood.late")) << "nothing is written after a failed sync";
  disk("");
  broker = start();
  EXPECT_EQ(status_of(id), 200);
}

TEST_F(FailingDisk, AFailedSyncUnderLoadIsExit1Too) {
  const auto all = start("all");
  disk("sync-fails");
  // Services have messages in hand that they cannot answer any more.
  while (all->running()) {
    try {
      post();
    } catch (const std::exception&) {
      break;  // it has stopped listening
    }
  }
  EXPECT_EQ(all->wait(), 1);
}

}  // namespace
}  // namespace amc::tests
