#include <gmock/gmock.h>

#include <set>

#include "consumer_services/direct_broker_client.hpp"
#include "service/service_runtime.hpp"
#include "telemetry/tracer.hpp"
#include "tests/support/broker_world.hpp"

namespace amc::telemetry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::string trace = "0af7651916cd43dd8448eb211c80319c", caller_span = "b7ad6b7169203331";
const std::string sampled = "00-" + trace + "-" + caller_span + "-01";

/// A broker and a service in memory; what they trace is kept.
class Conversation : public testing::Test {
 protected:
  static constexpr std::int64_t ns_per_ms = 1'000'000;

  explicit Conversation(double sample_ratio = 0)
      : traces_(std::make_shared<tracer>(buffer_, "test", sample_ratio, around())), w_({}, nullptr, traces_) {
    w_.parts->run(false);
  }
  ~Conversation() override {
    for (auto& one : services_) w_.world.run(one->stop(milliseconds(10'000)));
  }

  tracer_environment around() {
    return {[this] { return ready_ ? ns_of(w_.world.wall_clock()) : 0; }, [this] { return ++random_; }};
  }
  static unix_nanoseconds ns_of(timestamp at) { return at.time_since_epoch().count() * ns_per_ms; }

  /// The path of a user: over the API.
  uuid post(const std::string& traceparent, const std::string& key = "") {
    ready_ = true;
    http::headers headers;
    if (!traceparent.empty()) headers.add("traceparent", traceparent), headers.add("tracestate", "vendor=1");
    if (!key.empty()) headers.add("Idempotency-Key", key);
    const auto reply = w_.ask("POST", "/messages", R"({"message":"Hi, "})", headers);
    const auto body = boost::json::parse(reply.body);
    return parse_uuid(std::string(body.at("id").as_string())).value();
  }
  void serve(const std::string& name, const std::string& queue, handler call) {
    service_definition service;
    service.name = name;
    service.queue = queue;
    service.handler = std::move(call);
    service::runtime_options options;
    options.concurrency = 4;
    options.handler_timeout = milliseconds(300'000);
    options.traces = traces_;
    services_.push_back(std::make_unique<service::service_runtime>(
        w_.world.env(), service, consumer_services::make_direct_broker_client(w_.messages), w_.engine,
        w_.world.env().executor, options));
    services_.back()->run();
    pass(10);
  }
  void pass(int milliseconds_passed) { w_.world.advance(milliseconds(milliseconds_passed)); }

  const std::vector<span>& told() {
    for (auto& one : buffer_->take()) spans_.push_back(std::move(one));
    buffer_->settled();
    return spans_;
  }
  std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const auto& s : told()) all.push_back(to_string(s.operation) + (" " + s.queue));
    return all;
  }
  const span& named(operation what, const std::string& queue) {
    for (const auto& s : told())
      if (s.operation == what && s.queue == queue) return s;
    throw std::logic_error(std::string("no span ") + to_string(what) + " " + queue);
  }

  amc::metrics numbers_;
  std::shared_ptr<span_buffer> buffer_ =
      std::make_shared<span_buffer>(numbers_, span_buffer_options{1'000, 10'000'000, 1'000});
  std::shared_ptr<tracer> traces_;
  std::uint64_t random_ = 0;
  bool ready_ = false;
  std::vector<span> spans_;
  tests::broker_world w_;
  std::vector<std::unique_ptr<service::service_runtime>> services_;
};

TEST_F(Conversation, IsOneTrace) {
  post(sampled);
  pass(40);
  serve("a", "topic-a", [](const delivery&) { return "Hi, X."; });
  serve("b", "topic-b", [](const delivery&) { return "Hi, X. Bye!"; });
  EXPECT_THAT(names(), UnorderedElementsAre("send topic-a", "wait topic-a", "receive topic-a", "process topic-a",
                                            "answer topic-a", "wait topic-b", "receive topic-b", "process topic-b",
                                            "answer topic-b"));
  const auto& send = named(operation::send, "topic-a");
  EXPECT_EQ(span_digits(send.parent), caller_span);
  std::set<std::uint64_t> ids;
  for (const auto& s : told()) {
    EXPECT_EQ(trace_digits(s.context), trace);
    EXPECT_TRUE(ids.insert(s.context.span).second);
    EXPECT_EQ(s.tracestate, "vendor=1");
    EXPECT_LE(s.begun, s.ended);
    if (&s != &send) {
      EXPECT_EQ(s.parent, send.context.span);
    }
  }
  const auto& wait = named(operation::wait, "topic-a");
  EXPECT_EQ(wait.ended - wait.begun, 40 * ns_per_ms);
  EXPECT_EQ(named(operation::answer, "topic-a").next_queue, "topic-b");
  EXPECT_EQ(named(operation::answer, "topic-a").revision, 1);
  EXPECT_EQ(named(operation::answer, "topic-b").next_queue, "");
}

TEST_F(Conversation, AHandlerGoesOnWithItsOwnSpan) {
  std::string seen, state;
  serve("a", "topic-a", [&](const delivery& work) {
    seen = work.traceparent();
    state = work.tracestate();
    return "Hi, X. Bye!";
  });
  post(sampled);
  pass(10);
  EXPECT_EQ(seen, to_traceparent(named(operation::process, "topic-a").context));
  EXPECT_EQ(state, "vendor=1");
}

TEST_F(Conversation, WhatComesTooLateSaysSo) {
  std::vector<completion> ends;
  serve("a", "topic-a", [&](const delivery&, completion end) { ends.push_back(std::move(end)); });
  post(sampled);
  pass(301'000);
  ASSERT_FALSE(ends.empty());
  ends.front().answer(std::string("Hi, X. Bye!"));
  pass(10);
  const auto& late = named(operation::process, "topic-a");
  EXPECT_EQ(late.error_type, "late");
  EXPECT_THAT(late.error, testing::HasSubstr("consumer_services.handler_timeout_ms"));
  pass(60'000);
  ends.back().answer(std::string("Hi, X. Bye!"));
}

TEST_F(Conversation, WhatFailsSaysWhyAndWaitsAgain) {
  int calls = 0;
  serve("a", "topic-a", [&](const delivery&) {
    if (++calls == 1) throw std::runtime_error("cannot\xff");
    return "Hi, X. Bye!";
  });
  post(sampled);
  pass(60'000);
  ASSERT_THAT(names(), ElementsAre("send topic-a", "wait topic-a", "receive topic-a", "process topic-a", "fail topic-a",
                                   "wait topic-a", "receive topic-a", "process topic-a", "answer topic-a"));
  EXPECT_EQ(spans_[3].error_type, "failed");
  EXPECT_EQ(spans_[3].error, "cannot\xef\xbf\xbd");
  EXPECT_EQ(spans_[4].error_type, "failed");
  EXPECT_EQ(spans_[4].error, spans_[3].error);
  EXPECT_GE(spans_[5].begun, spans_[4].begun);  // and not since it was stored
  EXPECT_EQ(spans_[7].attempt, 2);
  EXPECT_EQ(spans_[8].error_type, "");
}

TEST_F(Conversation, WhatIsNotRecordedLeavesNoSpan) {
  serve("a", "topic-a", [](const delivery&) { return "Hi, X. Bye!"; });
  const auto unsampled = sampled.substr(0, sampled.size() - 1) + "0";
  const auto nowhere = "00-00000000000000000000000000000000-" + caller_span + "-01";
  for (const auto& text : {unsampled, nowhere}) {
    const auto id = post(text);
    pass(10);
    EXPECT_EQ(w_.find(id)->status, status::done);
    EXPECT_EQ(w_.find(id)->traceparent, text);
  }
  for (const auto* text : {"", "no traceparent"}) {
    const auto id = post(text);
    pass(10);
    EXPECT_EQ(w_.find(id)->traceparent, "");
  }
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(Conversation, PostedTwiceIsSentOnce) {
  EXPECT_EQ(post(sampled, "key"), post(sampled, "key"));
  EXPECT_THAT(names(), ElementsAre("send topic-a"));
}

TEST_F(Conversation, WhatIsHandedOffHasNotWaited) {
  broker::receive_request asked;
  asked.queue = "topic-a";
  asked.worker = "w";
  asked.is_named = true;
  asked.max = 1;
  asked.max_bytes = 1'000;
  asked.wait = milliseconds(20'000);
  const auto got = w_.world.start(w_.receivers->receive(std::move(asked), nullptr));
  post(sampled);
  pass(1);
  ASSERT_TRUE(*got);
  ASSERT_THAT(names(), ElementsAre("send topic-a", "receive topic-a"));
  EXPECT_EQ(spans_[1].claim, got->value().at(0).now->claim);
}

class EveryConversation : public Conversation {
 protected:
  EveryConversation() : Conversation(1) {}
};

TEST_F(EveryConversation, GetsATraceOfItsOwnWhereTheRatioSaysSo) {
  serve("a", "topic-a", [](const delivery&) { return "Hi, X. Bye!"; });
  const auto id = post("");
  pass(10);
  ASSERT_THAT(names(),
              ElementsAre("send topic-a", "wait topic-a", "receive topic-a", "process topic-a", "answer topic-a"));
  EXPECT_EQ(spans_[0].parent, 0U);
  EXPECT_EQ(w_.find(id)->traceparent, to_traceparent(spans_[0].context));
}

}  // namespace
}  // namespace amc::telemetry
