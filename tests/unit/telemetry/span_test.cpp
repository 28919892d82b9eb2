#include "telemetry/span.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "telemetry/configuration.hpp"
#include "telemetry/otlp.hpp"
#include "telemetry/tracer.hpp"
#include "tests/support/configured.hpp"

namespace amc::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(Traceparent, IsWrittenAsItWasRead) {
  for (const auto& text : {parent, std::string("00-00000000000000000000000000000001-0000000000000001-00"),
                           std::string("00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff")}) {
    const auto read = parse_traceparent(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(to_traceparent(*read), text);
  }
}

TEST(Traceparent, OfALaterVersionIsReadAsFarAsItIsKnown) {
  const auto read = parse_traceparent("01" + parent.substr(2));
  ASSERT_TRUE(read);
  EXPECT_EQ(to_traceparent(*read), parent);
}

TEST(Traceparent, OfAnotherFormIsNone) {
  for (const auto* text : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                           "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                           "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                           "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
                           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"})
    EXPECT_FALSE(parse_traceparent(text)) << text;
}

class Tracer : public testing::Test {
 protected:
  Tracer() : buffer_(std::make_shared<span_buffer>(numbers_, span_buffer_options{100, 100'000, 100})) {}

  tracer with_ratio(double ratio) {
    return {buffer_, "test", ratio, {[this] { return now_; }, [this] { return random_++; }}};
  }

  amc::metrics numbers_;
  std::shared_ptr<span_buffer> buffer_;
  unix_nanoseconds now_ = 1'000;
  std::uint64_t random_ = 1;
};

TEST_F(Tracer, ContinuesATraceThatIsRecorded) {
  const auto one = with_ratio(0).begin_or_invent(parent, operation::send);
  ASSERT_TRUE(one);
  EXPECT_EQ(trace_digits(one->context), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(span_digits(one->parent), "b7ad6b7169203331");
  EXPECT_NE(one->context.span, one->parent);
  EXPECT_EQ(one->context.flags, 1);
}

TEST_F(Tracer, LeavesWhatIsNotRecordedAlone) {
  const auto unsampled = parent.substr(0, parent.size() - 1) + "0";
  for (const auto& text : {unsampled, std::string("no traceparent")}) {
    EXPECT_FALSE(with_ratio(1).begin_or_invent(text, operation::send)) << text;
    EXPECT_FALSE(with_ratio(1).begin(text, operation::wait)) << text;
  }
}

TEST_F(Tracer, InventsATraceAsTheRatioSays) {
  EXPECT_FALSE(with_ratio(0).begin_or_invent("", operation::send));
  const auto invented = with_ratio(1).begin_or_invent("", operation::send);
  ASSERT_TRUE(invented);
  EXPECT_EQ(invented->parent, 0U);
  EXPECT_TRUE(parse_traceparent(to_traceparent(invented->context)).value().sampled());
  random_ = std::uint64_t{1} << 62;  // a quarter of the way
  EXPECT_TRUE(with_ratio(0.26).begin_or_invent("", operation::send));
  random_ = std::uint64_t{1} << 62;
  EXPECT_FALSE(with_ratio(0.25).begin_or_invent("", operation::send));
}

TEST_F(Tracer, NothingEndsBeforeItBegins) {
  const auto traces = with_ratio(0);
  auto one = traces.begin(parent, operation::wait);
  now_ = 500;
  traces.end(*std::move(one));
  const auto kept = buffer_->take();
  EXPECT_EQ(kept.at(0).begun, 1'000);
  EXPECT_EQ(kept.at(0).ended, 1'000);
}

TEST(SpanBuffer, DropsWhatFindsNoRoom) {
  amc::metrics numbers;
  span_buffer buffer(numbers, {3, 1'000'000, 2});
  for (int i = 0; i < 5; ++i) buffer.add({});
  EXPECT_EQ(dropped_spans(numbers, "buffer_full").Value(), 2);
  EXPECT_EQ(buffer.take().size(), 2U);
  buffer.add({});  // what is being sent takes its room
  EXPECT_EQ(dropped_spans(numbers, "buffer_full").Value(), 3);
  buffer.settled();
  buffer.add({});
  EXPECT_EQ(dropped_spans(numbers, "buffer_full").Value(), 3);
}

TEST(SpanBuffer, IsBoundedByBytesToo) {
  amc::metrics numbers;
  span large;
  large.error = std::string(1'000, 'x');
  span_buffer buffer(numbers, {100, 2 * large.bytes(), 100});
  for (int i = 0; i < 3; ++i) buffer.add(large);
  EXPECT_EQ(dropped_spans(numbers, "buffer_full").Value(), 1);
  buffer.take();
  buffer.settled();
  for (int i = 0; i < 2; ++i) buffer.add(large);
  EXPECT_EQ(dropped_spans(numbers, "buffer_full").Value(), 1);
}

span one_span() {
  span one;
  one.context = parse_traceparent(parent).value();
  one.parent = 0x1122334455667788;
  one.operation = operation::receive;
  one.begun = 1'544'712'660'000'000'001;
  one.ended = 1'544'712'661'000'000'002;
  one.service = std::make_shared<const std::string>("amc-broker");
  one.message = parse_uuid("019ab2c4-5c0e-7000-b1e3-2f5d1c2a9b70").value();
  one.revision = 2;
  one.claim = 9'007'199'254'740'991;
  one.queue = "orders";
  return one;
}

TEST(Otlp, IsWrittenInItsJsonEncoding) {
  const auto expected = boost::json::parse(R"({"resourceSpans": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "amc-broker"}},
                                {"key": "host.name", "value": {"stringValue": "topsy"}}]},
    "scopeSpans": [{"scope": {"name": "amc"}, "spans": [{
      "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "parentSpanId": "1122334455667788",
      "flags": 1, "name": "receive orders", "kind": 3,
      "startTimeUnixNano": "1544712660000000001", "endTimeUnixNano": "1544712661000000002",
      "attributes": [
        {"key": "messaging.system", "value": {"stringValue": "amc"}},
        {"key": "messaging.operation.name", "value": {"stringValue": "receive"}},
        {"key": "messaging.operation.type", "value": {"stringValue": "receive"}},
        {"key": "messaging.destination.name", "value": {"stringValue": "orders"}},
        {"key": "messaging.message.id", "value": {"stringValue": "019ab2c4-5c0e-7000-b1e3-2f5d1c2a9b70"}},
        {"key": "messaging.amc.revision", "value": {"intValue": "2"}},
        {"key": "messaging.amc.claim", "value": {"intValue": "9007199254740991"}}]}],
      "schemaUrl": "https://opentelemetry.io/schemas/1.44.0"}],
    "schemaUrl": "https://opentelemetry.io/schemas/1.44.0"}]})");
  EXPECT_EQ(boost::json::parse(otlp_json({one_span()}, "topsy")), expected);
}

TEST(Otlp, AnErrorSaysWhat) {
  auto failed = one_span();
  failed.error_type = "failed";
  failed.error = "it said \"no\"\n";
  const auto sent = boost::json::parse(otlp_json({failed}, ""));
  const auto& told = sent.at_pointer("/resourceSpans/0/scopeSpans/0/spans/0");
  EXPECT_EQ(told.at_pointer("/status"), (boost::json::value{{"code", 2}, {"message", failed.error}}));
  EXPECT_EQ(told.at_pointer("/attributes/7/key").as_string(), "error.type");
}

TEST(Otlp, SpansOfAServiceStandTogether) {
  auto other = one_span();
  other.service = std::make_shared<const std::string>("invoicer");
  const auto sent = boost::json::parse(otlp_json({one_span(), other, one_span()}, ""));
  ASSERT_EQ(sent.at("resourceSpans").as_array().size(), 2U);
  EXPECT_EQ(sent.at_pointer("/resourceSpans/0/scopeSpans/0/spans").as_array().size(), 2U);
  EXPECT_EQ(sent.at_pointer("/resourceSpans/1/resource/attributes/0/value/stringValue").as_string(), "invoicer");
}

TEST(Otlp, WhatWasRejectedIsRead) {
  const auto some = rejected_by(R"({"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}})");
  EXPECT_EQ(some.spans, 3U);
  EXPECT_EQ(some.why, "too old");
  EXPECT_EQ(rejected_by(R"({"partialSuccess": {"rejectedSpans": 3}})").spans, 3U);
  for (const auto* nothing : {"", "{}", "[]", "no JSON", R"({"partialSuccess": {"rejectedSpans": "many"}})",
                              R"({"partialSuccess": {"rejectedSpans": -1}})"})
    EXPECT_EQ(rejected_by(nothing).spans, 0U) << nothing;
}

std::string complaint_about(std::vector<std::string> sets) {
  try {
    const traces none(tests::configured(std::move(sets)), std::make_shared<amc::metrics>());
  } catch (const config_error& wrong) {
    return wrong.what();
  }
  return "";
}

TEST(TelemetryConfiguration, WithoutACollectorNothingIsTraced) {
  const traces none(tests::configured(), std::make_shared<amc::metrics>());
  EXPECT_EQ(none.of("test"), nullptr);
}

TEST(TelemetryConfiguration, SaysWhatIsWrong) {
  const std::string url = "telemetry.otlp.url=";
  for (const auto* wrong : {"127.0.0.1:4318", "ftp://127.0.0.1", "http://", "http://127.0.0.1:4318/?a=b"})
    EXPECT_THAT(complaint_about({url + wrong}), HasSubstr("telemetry.otlp.url")) << wrong;
  for (const auto* wrong : {"", "-0.1", "1.1", "nan", "1%"})
    EXPECT_THAT(complaint_about({std::string("telemetry.otlp.sample_ratio=") + wrong}),
                HasSubstr("telemetry.otlp.sample_ratio"))
        << wrong;
}

TEST(TelemetryConfiguration, ASecretIsNeverRepeated) {
  for (const auto* wrong : {"telemetry.otlp.headers=[hunter2]", "telemetry.otlp.headers=['a b=hunter2']",
                            "telemetry.otlp.headers=[\"a=\\e hunter2\"]"}) {
    const auto said = complaint_about({"telemetry.otlp.url=http://127.0.0.1:1", wrong});
    EXPECT_THAT(said, HasSubstr("telemetry.otlp.headers")) << wrong;
    EXPECT_THAT(said, Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(complaint_about({"telemetry.otlp.url=http://me:hunter2@127.0.0.1"}), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace amc::telemetry
