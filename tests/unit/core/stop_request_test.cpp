#include "core/stop_request.hpp"

#include <gmock/gmock.h>

#include <boost/asio/post.hpp>
#include <csignal>
#include <stdexcept>

#include "core/log.hpp"

namespace amc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// What is logged meanwhile.
class StopRequest : public testing::Test {
 protected:
  StopRequest() {
    log::redirect([this](const log::line& line) { lines_.emplace_back(line.text); });
  }
  ~StopRequest() override {
    log::redirect(nullptr);
    std::signal(SIGHUP, SIG_DFL);
  }

  std::vector<std::string> lines_;
};

TEST_F(StopRequest, SigtermEndsItWithSuccess) {
  stop_request stop;
  std::raise(SIGTERM);
  EXPECT_EQ(stop.wait(), 0);
  EXPECT_THAT(lines_, ElementsAre("stopping on SIGTERM"));
}

TEST_F(StopRequest, AFailureEndsItWithout) {
  stop_request stop;
  boost::asio::post(stop.executor(), [&] { stop.fail(); });
  EXPECT_EQ(stop.wait(), 1);
}

TEST_F(StopRequest, SighupIsToldAndEndsNothing) {
  stop_request stop;
  for (int i = 0; i < 2; ++i) {
    std::raise(SIGHUP);
    stop.pause(milliseconds(1));
  }
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("SIGHUP: nothing to reload"), HasSubstr("SIGHUP: nothing to reload")));
}

TEST_F(StopRequest, SighupReloadsAndTellsWhatItDid) {
  stop_request stop;
  int reloaded = 0;
  stop.when_asked_to_reload([&] {
    if (++reloaded == 2) throw std::runtime_error("a.local.yaml:1: nonsense");
    return std::string("3 routes");
  });
  for (int i = 0; i < 2; ++i) {
    std::raise(SIGHUP);
    stop.pause(milliseconds(1));
  }
  EXPECT_THAT(lines_, ElementsAre("SIGHUP: 3 routes", "SIGHUP: nothing is changed: a.local.yaml:1: nonsense"));
}

TEST_F(StopRequest, SighupDoesNotCutADrainShort) {
  stop_request stop;
  std::raise(SIGINT);
  EXPECT_EQ(stop.wait(), 0);
  std::raise(SIGHUP);  // would end this test
}

}  // namespace
}  // namespace amc
