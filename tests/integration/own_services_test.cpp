#include <gmock/gmock.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "amc/client.hpp"
#include "amc/service.hpp"
#include "amc/testing.hpp"
#include "api/configuration.hpp"
#include "core/loop.hpp"
#include "http/server.hpp"
#include "tests/support/configured.hpp"

/// Services and clients of one's own, over a whole broker in the test: what their headers promise.
namespace amc {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr auto long_enough = seconds(30);

class OwnServices : public ::testing::Test {
 protected:
  void run(handler what, std::vector<std::string> more = {}) {
    more.push_back("consumer_services.broker_client.url=" + broker_.url());
    services_ = std::make_unique<serving>(
        std::vector<service_definition>{{.name = "own", .queue = "in", .handler = std::move(what)}}, std::move(more));
  }

  message_state ask(new_message what) { return client_.post_and_wait(what.to("in"), long_enough); }

  /// What the message's handler is told to have failed of, while the message is still pending.
  std::string first_failure(const std::string& id) {
    for (;;) {
      const auto now = client_.find(id);
      if (!now || !now->error.empty() || now->state != status::pending) return now ? now->error : "gone";
      std::this_thread::sleep_for(milliseconds(5));
    }
  }

  /// Of a message whose handler fails.
  std::string failure_of(new_message what) { return first_failure(client_.post(what.to("in")).id); }

  testing::broker broker_{{"broker.lease_ms=2000", "broker.message_max_bytes=1000"}};
  client client_{broker_.url()};
  std::unique_ptr<serving> services_;
};

// ---- what a handler gets ----

TEST_F(OwnServices, AHandlerGetsTheMessageAsItWasPosted) {
  std::promise<delivery> got;
  run([&](const delivery& work) {
    got.set_value(work);
    return answer("x").done();
  });
  auto what = new_message("Hi, ");
  what.headers({{"tenant", "t1"}}).trace("00-11111111111111111111111111111111-2222222222222222-01", "a=b");
  const auto done = ask(what);
  const auto work = got.get_future().get();
  EXPECT_EQ(work.id(), done.id);
  EXPECT_EQ(work.key(), done.id + "/1");
  EXPECT_EQ(work.text(), "Hi, ");
  EXPECT_EQ(work.form(), content_form::text);
  EXPECT_EQ(work.queue(), "in");
  EXPECT_EQ(work.attempt(), 1);
  EXPECT_EQ(work.header("tenant"), "t1");
  EXPECT_EQ(work.header("no"), std::nullopt);
  EXPECT_EQ(work.headers().size(), 1U);
  EXPECT_EQ(work.traceparent().substr(0, 35), "00-11111111111111111111111111111111");
  EXPECT_EQ(work.tracestate(), "a=b");
  EXPECT_TRUE(work.created_at().has_value());
}

TEST_F(OwnServices, ValuesAndBytesComeAndGoAsTheyAre) {
  run([](const delivery& work) {
    if (work.form() == content_form::json) return answer::json("[" + work.text() + "]").done();
    return answer::bytes(work.text() + std::string("\0\xff", 2), "image/png").done();
  });
  const auto value = ask(new_message::json(R"({"n": 1.10})"));
  EXPECT_EQ(value.form, content_form::json);
  EXPECT_EQ(value.text, R"([{"n": 1.10}])");
  const auto bytes = ask(new_message::bytes(std::string("\0", 1)));
  EXPECT_EQ(bytes.form, content_form::bytes);
  EXPECT_EQ(bytes.text, std::string("\0\0\xff", 3));
  EXPECT_EQ(bytes.content_type, "image/png");
}

TEST_F(OwnServices, ATextMayHaveAType) {
  run([](const delivery& work) { return answer(work.content_type()).content_type("text/markdown").done(); });
  const auto done = ask(new_message("Hi").content_type("text/csv"));
  EXPECT_EQ(done.text, "text/csv");
  EXPECT_EQ(done.content_type, "text/markdown");
}

TEST_F(OwnServices, AnAnswerMayReplaceTheHeaders) {
  run([](const delivery&) { return answer("x").headers({{"a", "2"}}).done(); });
  const auto done = ask(new_message("Hi").headers({{"a", "1"}, {"b", "1"}}));
  EXPECT_EQ(client_.find(done.id)->headers, (std::vector<header>{{"a", "2"}}));
}

TEST_F(OwnServices, AnAnswerGoesToTheQueueThatItNames) {
  run([](const delivery&) { return answer("x").to("next"); });
  const auto posted = client_.post(new_message("Hi").to("in"));
  while (client_.find(posted.id)->revision == 1) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(client_.find(posted.id)->queue, "next");
}

// ---- what goes wrong in a handler ----

TEST_F(OwnServices, WhateverAHandlerThrowsIsAFailureAndTriedAgain) {
  run([](const delivery& work) -> answer {
    if (work.attempt() == 1) throw 7;
    return answer("done at last").done();
  });
  const auto id = client_.post(new_message("Hi").to("in")).id;
  EXPECT_THAT(first_failure(id), HasSubstr("no std::exception"));
  broker_.advance(hours(1));
  EXPECT_EQ(client_.wait(id, long_enough).text, "done at last");
}

TEST_F(OwnServices, ARejectedMessageIsDeadAtOnceWithItsReason) {
  run([](const delivery&) -> answer { throw reject("no such product"); });
  const auto came = ask("Hi");
  EXPECT_EQ(came.state, status::dead);
  EXPECT_EQ(came.error, "no such product");
}

TEST_F(OwnServices, WhatNoBrokerTakesIsAFailureThatSaysWhy) {
  std::deque<answer> said{answer("\xff"), answer(std::string(1'001, 'x')), answer("x").to("no such/name"),
                          answer::json("{no")};
  run([&](const delivery& work) { return said.at(std::stoul(work.text())); });
  EXPECT_THAT(failure_of("0"), HasSubstr("not UTF-8 at byte 0"));
  EXPECT_THAT(failure_of("1"), HasSubstr("broker.message_max_bytes"));
  EXPECT_THAT(failure_of("2"), HasSubstr("no such/name"));
  EXPECT_THAT(failure_of("3"), HasSubstr("no JSON"));
}

TEST_F(OwnServices, AHandlerThatDoesNotReturnHasFailedAfterItsTime) {
  std::promise<void> end;
  run(
      [&, end_of = end.get_future().share()](const delivery&) {
        end_of.wait();
        return answer("too late").done();
      },
      {"consumer_services.handler_timeout_ms=50"});
  EXPECT_THAT(failure_of("Hi"), HasSubstr("took longer than 50 ms"));
  end.set_value();
}

// ---- asynchronous handlers ----

TEST_F(OwnServices, AnAsynchronousHandlerCompletesLaterFromAnyThread) {
  std::mutex mutex;
  std::deque<completion> begun;
  std::condition_variable all_begun;
  run([&](const delivery&, const completion& end) {
    const std::lock_guard lock(mutex);
    begun.push_back(end);
    all_begun.notify_one();
  });
  std::vector<std::future<message_state>> asked;
  constexpr std::size_t count = 5;
  for (std::size_t i = 0; i < count; ++i)
    asked.push_back(client_.post_and_wait_async(new_message("Hi").to("in"), long_enough));
  {
    std::unique_lock lock(mutex);
    all_begun.wait(lock, [&] { return begun.size() == count; });
    for (const auto& end : begun) EXPECT_TRUE(end.answer(answer("later").done()));
    EXPECT_FALSE(begun.front().answer("again")) << "one end for each";
    EXPECT_FALSE(begun.front().fail("again"));
  }
  for (auto& one : asked) EXPECT_EQ(one.get().text, "later");
}

TEST_F(OwnServices, ACompletionMayRejectAndFail) {
  run([&](const delivery& work, const completion& end) {
    if (work.text() == "reject")
      end.reject("never");
    else
      end.fail("not now");
  });
  EXPECT_EQ(ask("reject").error, "never");
  EXPECT_EQ(failure_of("fail"), "not now");
}

TEST_F(OwnServices, LettingGoOfACompletionIsAFailure) {
  run([](const delivery&, const completion&) {});
  EXPECT_THAT(failure_of("Hi"), HasSubstr("let go of its delivery"));
}

// ---- what is cared for ----

TEST_F(OwnServices, LeasesAreExtendedWhileAHandlerWorks) {
  std::atomic<int> runs = 0;
  std::promise<void> end;
  run([&, end_of = end.get_future().share()](const delivery&) {
    ++runs;
    end_of.wait();
    return answer("x").done();
  });
  const auto asked = client_.post_and_wait_async(new_message("Hi").to("in"), long_enough).share();
  const auto begun = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begun < milliseconds(2'600)) std::this_thread::sleep_for(milliseconds(50));
  end.set_value();
  EXPECT_EQ(asked.get().state, status::done);
  EXPECT_EQ(runs, 1) << "its lease of 2 s was extended";
}

TEST_F(OwnServices, WhoStopsLetsHandlersEnd) {
  std::promise<void> begun, end;
  run([&, end_of = end.get_future().share()](const delivery&) {
    begun.set_value();
    end_of.wait();
    return answer("x").done();
  });
  auto asked = client_.post_and_wait_async(new_message("Hi").to("in"), long_enough);
  begun.get_future().wait();
  auto stopped = std::async(std::launch::async, [&] { return services_->stop(long_enough); });
  end.set_value();
  EXPECT_TRUE(stopped.get());
  EXPECT_EQ(asked.get().state, status::done);
}

TEST_F(OwnServices, AProgramThatIsWrongDoesNotStart) {
  const auto wrong = [&](std::vector<service_definition> services) {
    try {
      const serving none(std::move(services));
    } catch (const std::runtime_error& why) {
      return std::string(why.what());
    }
    return std::string("started");
  };
  const handler any = [](const delivery&) { return answer("x"); };
  EXPECT_THAT(wrong({}), HasSubstr("no service"));
  EXPECT_THAT(wrong({{"a", "q", any}, {"a", "r", any}}), HasSubstr("two services are called \"a\""));
  EXPECT_THAT(wrong({{"a", "q", any}, {"b", "q", any}}), HasSubstr("two services take messages from q"));
  EXPECT_THAT(wrong({{"a", "q/r", any}}), HasSubstr("its queue is called \"q/r\""));
  EXPECT_THAT(wrong({{"", "q", any}}), HasSubstr("a name is"));
  EXPECT_THAT(wrong({{"a", "q", {}}}), HasSubstr("has no handler"));
}

// ---- clients ----

/// A key often comes of a customer: it makes no header of its own, and a value no members.
TEST_F(OwnServices, WhatAClientIsGivenStaysWhatItIs) {
  const auto refusal = [&](new_message what) {
    try {
      return "accepted: " + client_.post(what.to("in")).id;
    } catch (const refused& why) {
      EXPECT_EQ(why.http_status(), 422);
      return std::string(why.what());
    }
  };
  EXPECT_THAT(refusal(new_message("x").idempotency_key("k\r\nPrefer: wait=2")), HasSubstr("printable ASCII"));
  EXPECT_THAT(refusal(new_message::json(R"(1,"queue":"evil")")), HasSubstr("The message is no JSON"));
  EXPECT_THAT(refusal(new_message::json("{oops")), HasSubstr("The message is no JSON"));
  EXPECT_THAT(refusal(new_message::json(std::string(33, '[') + std::string(33, ']'))), HasSubstr("33 deep"));
  EXPECT_THAT(refusal(new_message("x").headers({{"a", "1"}, {"a", "2"}})), HasSubstr("the header \"a\" twice"));
  EXPECT_THAT(refusal(new_message("x").trace("00-x\r\nPrefer: wait=2", "a\r\nb")), HasSubstr("accepted"));
}

TEST_F(OwnServices, WhatTheBrokerRefusesIsToldWithItsReason) {
  try {
    client_.post(new_message(std::string(1'001, 'x')).to("in"));
    FAIL() << "was taken";
  } catch (const refused& why) {
    EXPECT_EQ(why.http_status(), 413);
    EXPECT_THAT(why.what(), HasSubstr("broker.message_max_bytes"));
  }
}

TEST_F(OwnServices, AClientFindsWaitsForAndCancelsMessages) {
  const auto id = client_.post(new_message("Hi").to("in")).id;
  EXPECT_EQ(client_.wait(id, milliseconds(10)).state, status::pending);
  EXPECT_EQ(client_.cancel(id).state, status::cancelled);
  EXPECT_EQ(client_.find(id)->state, status::cancelled);
  EXPECT_EQ(client_.find("no such id"), std::nullopt);
  EXPECT_THROW(client_.cancel("00000000-0000-7000-8000-000000000000"), refused);
  EXPECT_THROW(client_.wait("x/../..", milliseconds(0)), refused);
}

TEST_F(OwnServices, TheSameKeyIsTheSameMessage) {
  auto what = new_message("Hi").to("in").idempotency_key("k");
  const auto id = client_.post(what).id;
  EXPECT_EQ(client_.post(what).id, id);
  EXPECT_NE(client_.post(new_message("Hi").to("in")).id, id);
}

TEST_F(OwnServices, ABrokerThatIsAwayIsAskedAgainUntilItIsBack) {
  run([](const delivery& work) { return answer(work.text() + "!").done(); });
  std::vector<std::future<message_state>> asked;
  for (int i = 0; i < 20; ++i) {
    asked.push_back(client_.post_and_wait_async(new_message(std::to_string(i)).to("in"), long_enough));
    if (i % 7 == 3) broker_.restart();
  }
  for (std::size_t i = 0; i < asked.size(); ++i) EXPECT_EQ(asked[i].get().text, std::to_string(i) + "!");
}

TEST(Client, WithoutABrokerThereIsNoAnswer) {
  client nobody("http://127.0.0.1:1", {.timeout = milliseconds(300)});
  try {
    nobody.post("Hi");
    FAIL() << "was taken";
  } catch (const no_answer& why) {
    EXPECT_FALSE(why.may_have_been_done());
    EXPECT_THAT(why.what(), HasSubstr("refused"));
  }
}

TEST(Client, WhatIsNoBrokersAnswerIsShown) {
  loop on("strange");
  std::unique_ptr<http::server> server;
  const auto strange = [](const http::request&) -> task<http::response> {
    http::response reply{200, {}, "<html>welcome"};
    co_return reply;
  };
  const auto fault = [](int status, std::string detail, std::string_view) {
    return http::response{status, {}, std::move(detail)};
  };
  on.run([&] {
    server = std::make_unique<http::server>(
        on.env(), api::server_options_from(tests::configured({"broker.http.port=0"})), strange, fault);
    server->run();
  });
  try {
    client(server->url()).post("Hi");
    ADD_FAILURE() << "was taken";
  } catch (const no_answer& why) {
    EXPECT_TRUE(why.may_have_been_done());
    EXPECT_THAT(why.what(), HasSubstr("\"<html>welcome\": is this a broker's URL?"));
  }
  on.run(server->stop(milliseconds(1'000)));
  on.run([&] { server.reset(); });
}

TEST(Client, AUrlThatItCannotUseIsToldAtOnce) {
  EXPECT_THROW(client("nonsense"), std::runtime_error);
}

// ---- the broker in a test ----

TEST(TestingBroker, ItsClockMovesWhenTheTestSaysSo) {
  testing::broker broker;
  client asks(broker.url());
  const auto tomorrow = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now()) + hours(24);
  const auto later = asks.post(new_message("later").to("in").deliver_at(tomorrow)).id;
  const auto gone = asks.post(new_message("gone").to("none").expires_at(tomorrow)).id;
  service_definition echo{.name = "echo", .queue = "in", .handler = [](const delivery&) { return answer("x").done(); }};
  const serving services({echo}, {"consumer_services.broker_client.url=" + broker.url()});
  EXPECT_EQ(asks.wait(later, milliseconds(50)).state, status::pending);
  broker.advance(hours(25));
  EXPECT_EQ(asks.wait(later, long_enough).state, status::done);
  EXPECT_EQ(asks.wait(gone, long_enough).state, status::expired);
}

}  // namespace
}  // namespace amc
