#include "consumer_services/requester.hpp"

#include <gmock/gmock.h>

#include <deque>

#include "core/error.hpp"
#include "tests/support/manual_environment.hpp"

namespace amc::consumer_services {
namespace {

using testing::HasSubstr;

/// Answers from a list, the last one again and again.
class scripted_caller : public http::caller {
 public:
  task<http::response> send(http::request asked, milliseconds) override {
    asked_.push_back(asked.method + " " + asked.target);
    if (away) throw unavailable(unavailable::reason::away, "connection refused");
    if (asked_.size() > too_large_from) throw http::answer_too_large("its answer is larger than 5 bytes");
    auto reply = replies.front();
    if (replies.size() > 1) replies.pop_front();
    co_return reply;
  }
  std::deque<http::response> replies{};
  std::vector<std::string> asked_{};
  bool away = false;
  std::size_t too_large_from = SIZE_MAX;
};

class Requester : public testing::Test {
 protected:
  conversation converse() {
    requester_options options;
    options.timeout = milliseconds(1'000);
    options.poll_interval = milliseconds(50);
    options.answer_pattern = R"(^Hi, .+?\. Bye!$)";
    return world_.run(request(world_.env(), broker_, "Hi, ", options));
  }

  tests::manual_environment world_;
  std::shared_ptr<scripted_caller> broker_ = std::make_shared<scripted_caller>();
};

TEST_F(Requester, TakesTheAnswerThatItWaitedFor) {
  broker_->replies = {
      {200, {{"Preference-Applied", "wait=1"}}, R"({"id":"1","message":"Hi, X. Bye!","status":"done"})"}};
  const auto came = converse();
  EXPECT_TRUE(came.answered);
  EXPECT_EQ(came.text, "Hi, X. Bye!");
  EXPECT_THAT(broker_->asked_, testing::ElementsAre("POST /"));
}

TEST_F(Requester, SaysWhatAProxySaidAndWhereToLook) {
  broker_->replies = {{502, {}, "<html>"}};
  const auto came = converse();
  EXPECT_THAT(came.text, HasSubstr("the broker answered 502: \"<html>\""));
  EXPECT_THAT(came.text, HasSubstr("consumer_services.broker_client.url"));
}

TEST_F(Requester, AnAnswerThatIsNoBrokersEndsItAtOnce) {
  const auto began = world_.wall_clock();
  for (const std::string body : {"<html>", "[]", "{}", R"({"id":"../admin x","message":"Hi, ","status":"pending"})"}) {
    broker_->replies = {{200, {}, body}};
    EXPECT_THAT(converse().text, HasSubstr("is no answer of a broker")) << body;
  }
  EXPECT_EQ(world_.wall_clock(), began);
}

TEST_F(Requester, ABrokerThatCannotSayNowIsAskedAgain) {
  broker_->replies = {{201, {}, R"({"id":"1","message":"Hi, "})"},
                      {503, {}, R"({"error":true,"detail":"The store is away."})"},
                      {200, {}, R"({"id":"1","message":"Hi, X. Bye!"})"}};
  EXPECT_EQ(converse().text, "Hi, X. Bye!");
}

TEST_F(Requester, AnAnswerThatIsTooLargeEndsItAtOnce) {
  broker_->replies = {{201, {}, R"({"id":"1","message":"Hi, "})"}};
  broker_->too_large_from = 1;
  const auto began = world_.wall_clock();
  EXPECT_THAT(converse().text, HasSubstr("larger than"));
  EXPECT_EQ(world_.wall_clock() - began, milliseconds(50));
}

TEST_F(Requester, PollsABrokerThatDoesNotKnowPreferWait) {
  broker_->replies = {{201, {}, R"({"id":"6b04866b30234c8","message":"Hi, "})"},
                      {200, {}, R"({"id":"6b04866b30234c8","message":"Hi, X."})"},
                      {200, {}, R"({"id":"6b04866b30234c8","message":"Hi, X. Bye!"})"}};
  const auto began = world_.wall_clock();
  const auto came = converse();
  EXPECT_EQ(came.text, "Hi, X. Bye!");
  EXPECT_THAT(broker_->asked_, testing::ElementsAre("POST /", "GET /?id=6b04866b30234c8", "GET /?id=6b04866b30234c8"));
  EXPECT_EQ(world_.wall_clock() - began, milliseconds(100)) << "50 ms between two looks";
}

TEST_F(Requester, GivesUpAfterItsTime) {
  broker_->replies = {{201, {}, R"({"id":"1","message":"Hi, "})"}};
  const auto came = converse();
  EXPECT_FALSE(came.answered);
  EXPECT_THAT(came.text, HasSubstr("no response within 1000 ms (consumer_services.requester.timeout_ms); GET /?id=1"));
}

TEST_F(Requester, TellsWhatTheBrokerRefused) {
  broker_->replies = {{422, {}, R"({"error":true,"detail":"I don't know which queue this message belongs to."})"}};
  EXPECT_THAT(converse().text, HasSubstr("422: I don't know which queue"));
}

TEST_F(Requester, TellsAStatusThatIsNotDone) {
  broker_->replies = {{200, {}, R"({"id":"1","message":"Hi, ","status":"dead"})"}};
  const auto came = converse();
  EXPECT_FALSE(came.answered);
  EXPECT_THAT(came.text, HasSubstr("dead"));
}

TEST_F(Requester, TellsThatTheBrokerIsAway) {
  broker_->away = true;
  EXPECT_THAT(converse().text, HasSubstr("connection refused"));
}

}  // namespace
}  // namespace amc::consumer_services
