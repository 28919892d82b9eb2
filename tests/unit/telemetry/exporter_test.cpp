#include "telemetry/exporter.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <deque>

#include "core/log.hpp"
#include "tests/support/manual_environment.hpp"

namespace amc::telemetry {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;
using testing::SizeIs;

/// A collector in the hands of a test: it answers what it is told to, then 200.
class scripted_collector : public http::caller {
 public:
  explicit scripted_collector(const environment& env) : env_(env) {}

  task<http::response> send(http::request asked, milliseconds timeout) override {
    requests.push_back(std::move(asked));
    if (hangs) {
      co_await sleep_for(env_, timeout);
      throw unavailable(unavailable::reason::outcome_unknown, "no answer in time");
    }
    if (away) throw unavailable(unavailable::reason::away, "nobody is there");
    if (answers.empty()) co_return http::response{200, {}, "{}"};
    auto next = std::move(answers.front());
    answers.pop_front();
    co_return next;
  }

  std::deque<http::response> answers;
  std::vector<http::request> requests;
  bool away = false, hangs = false;

 private:
  environment env_;
};

class Exporter : public testing::Test {
 protected:
  Exporter() {
    log::redirect([this](const log::line& line) { lines_.emplace_back(line.text); });
    exporter_options options;
    options.collector = "http://collector/v1/traces";
    options.target = "/v1/traces";
    options.headers.add("X-Key", "secret");
    options.interval = milliseconds(1'000);
    options.timeout = milliseconds(5'000);
    options.retry_max = milliseconds(60'000);
    options.retry_after_max = milliseconds(600'000);
    exporter_ = std::make_unique<exporter>(world_.env(), collector_, buffer_, std::move(options));
    exporter_->run();
    world_.settle();
  }
  ~Exporter() override {
    collector_->away = true;  // nothing is left to wait for
    if (exporter_) stop();
    log::redirect(nullptr);
  }

  void stop() {
    world_.run(exporter_->stop());
    exporter_.reset();
  }
  void add(int count) {
    for (int i = 0; i < count; ++i) buffer_->add({});
    world_.settle();
  }
  void pass(int milliseconds_passed) { world_.advance(milliseconds(milliseconds_passed)); }
  double sent() { return world_.env().metrics->counter("amc_spans_sent_total", "").Add({}).Value(); }
  double dropped(const char* reason) { return dropped_spans(*world_.env().metrics, reason).Value(); }
  static std::size_t spans_in(const http::request& asked) {
    const auto body = boost::json::parse(asked.body);
    return body.at_pointer("/resourceSpans/0/scopeSpans/0/spans").as_array().size();
  }

  tests::manual_environment world_;
  std::vector<std::string> lines_;
  std::shared_ptr<scripted_collector> collector_ = std::make_shared<scripted_collector>(world_.env());
  std::shared_ptr<span_buffer> buffer_ =
      std::make_shared<span_buffer>(*world_.env().metrics, span_buffer_options{20, 1'000'000, 10});
  std::unique_ptr<exporter> exporter_;
};

TEST_F(Exporter, SendsWhatHasComeInAnInterval) {
  add(3);
  EXPECT_THAT(collector_->requests, IsEmpty());
  pass(1'000);
  ASSERT_THAT(collector_->requests, SizeIs(1));
  const auto& asked = collector_->requests[0];
  EXPECT_EQ(asked.method, "POST");
  EXPECT_EQ(asked.target, "/v1/traces");
  EXPECT_EQ(asked.headers.find("Content-Type"), "application/json");
  EXPECT_EQ(asked.headers.find("X-Key"), "secret");
  EXPECT_EQ(spans_in(asked), 3U);
  EXPECT_EQ(sent(), 3);
}

TEST_F(Exporter, AFullBatchWaitsForNothing) {
  add(10);
  EXPECT_THAT(collector_->requests, SizeIs(1));
}

TEST_F(Exporter, ComesAgainWhenItIsTold) {
  collector_->answers.push_back({503, {{"Retry-After", "7"}}, "not now"});
  add(10);
  pass(6'999);
  EXPECT_THAT(collector_->requests, SizeIs(1));
  pass(1);
  ASSERT_THAT(collector_->requests, SizeIs(2));
  EXPECT_EQ(collector_->requests[1].body, collector_->requests[0].body);
  EXPECT_EQ(sent(), 10);
}

TEST_F(Exporter, EachStatusThatPassesIsTriedAgain) {
  for (const int status : {429, 502, 503, 504}) {
    collector_->answers.push_back({status, {}, ""});
    add(10);
    pass(200);
  }
  EXPECT_EQ(sent(), 40);
}

TEST_F(Exporter, WhatIsRefusedIsDroppedWithALine) {
  collector_->answers.push_back({400, {}, "bad \x1b[2J data"});
  add(10);
  pass(60'000);
  EXPECT_THAT(collector_->requests, SizeIs(1));
  EXPECT_EQ(dropped("refused"), 10);
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("it answered 400: bad \\u001b[2J data")));
  add(10);
  EXPECT_EQ(sent(), 10);
}

TEST_F(Exporter, WhatIsRefusedInPartIsCounted) {
  collector_->answers.push_back({200, {}, R"({"partialSuccess": {"rejectedSpans": "4", "errorMessage": "old"}})"});
  add(10);
  EXPECT_EQ(sent(), 6);
  EXPECT_EQ(dropped("refused"), 4);
}

TEST_F(Exporter, ACollectorThatIsAwayCostsSpansAndTwoLines) {
  collector_->away = true;
  add(10);
  pass(30'000);
  add(15);  // room for ten
  EXPECT_EQ(dropped("buffer_full"), 5);
  pass(31'000);
  EXPECT_EQ(dropped("not_taken"), 10);
  collector_->away = false;
  pass(10'000);
  EXPECT_EQ(sent(), 10);
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("spans wait for http://collector/v1/traces (telemetry.otlp.url)"),
                                  HasSubstr("takes spans again")));
}

TEST_F(Exporter, APauseThatIsLongerThanItsPatienceEndsTheBatch) {
  collector_->answers.push_back({429, {{"Retry-After", "61"}}, ""});
  add(10);
  EXPECT_EQ(dropped("not_taken"), 10);
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("it answered 429: ; nothing is sent for 61000 ms (Retry-After)")));
}

TEST_F(Exporter, ARestIsKeptWhateverBecomesOfTheBatchThatMetIt) {
  collector_->answers.push_back({429, {{"Retry-After", "61"}}, ""});
  add(10);
  add(15);
  EXPECT_EQ(dropped("buffer_full"), 0);
  pass(60'999);
  EXPECT_THAT(collector_->requests, SizeIs(1));
  pass(1);
  EXPECT_THAT(collector_->requests, SizeIs(3));
  EXPECT_EQ(sent(), 15);
}

TEST_F(Exporter, WhatFindsNoRoomInARestIsDropped) {
  collector_->answers.push_back({429, {{"Retry-After", "61"}}, ""});
  add(10);
  add(23);
  EXPECT_EQ(dropped("buffer_full"), 3);
  pass(61'000);
  EXPECT_EQ(sent(), 20);
}

TEST_F(Exporter, NoRestIsLongerThanItsMaximum) {
  collector_->answers.push_back({503, {{"Retry-After", "99999999999"}}, ""});
  add(10);
  add(10);
  pass(599'999);
  EXPECT_THAT(collector_->requests, SizeIs(1));
  pass(1);
  EXPECT_EQ(sent(), 10);
  EXPECT_THAT(lines_[0], HasSubstr("for 600000 ms (Retry-After is more: telemetry.otlp.retry_after_max_ms)"));
}

TEST_F(Exporter, ACollectorThatAsksForNoRestIsNotHammered) {
  for (int i = 0; i < 100; ++i) collector_->answers.push_back({503, {{"Retry-After", "0"}}, ""});
  add(10);
  pass(10'000);
  EXPECT_THAT(collector_->requests.size(), AllOf(Ge(3), Le(12)));
}

TEST_F(Exporter, NoBatchGoesStraightToACollectorThatIsAway) {
  collector_->away = true;
  add(10);
  while (dropped("not_taken") == 0) pass(1);
  const auto tried = collector_->requests.size();
  add(10);
  EXPECT_THAT(collector_->requests, SizeIs(tried));
}

TEST_F(Exporter, ARestEndsWithTheProcess) {
  collector_->answers.push_back({429, {{"Retry-After", "300"}}, ""});
  add(10);
  add(14);
  pass(1'000);
  const auto before = world_.env().timers->now();
  stop();
  EXPECT_EQ(sent(), 14);
  EXPECT_EQ(world_.env().timers->now(), before);
}

TEST_F(Exporter, WhatIsLeftIsSentAtTheEnd) {
  add(13);
  add(4);
  stop();
  EXPECT_EQ(sent(), 17);
}

TEST_F(Exporter, TheEndDoesNotWaitForACollectorThatIsAway) {
  add(4);
  collector_->away = true;
  const auto before = world_.env().timers->now();
  stop();
  EXPECT_EQ(dropped("exit"), 4);
  EXPECT_EQ(world_.env().timers->now(), before);
  EXPECT_THAT(lines_.back(), HasSubstr("4 spans were not sent before the end"));
}

TEST_F(Exporter, TheEndWaitsNoLongerThanTheTimeOut) {
  collector_->hangs = true;
  add(20);
  pass(1'000);
  const auto before = world_.env().timers->now();
  stop();
  EXPECT_EQ(dropped("exit"), 20);
  EXPECT_EQ(world_.env().timers->now() - before, milliseconds(4'000));  // of the request under way
  EXPECT_THAT(collector_->requests, SizeIs(1));
}

TEST_F(Exporter, ABatchThatWaitsForItsNextTryIsTriedOnceMoreAtTheEnd) {
  collector_->answers.push_back({503, {{"Retry-After", "30"}}, ""});
  add(10);
  stop();
  EXPECT_EQ(sent(), 10);
}

}  // namespace
}  // namespace amc::telemetry
