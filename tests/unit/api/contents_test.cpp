#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "core/json_text.hpp"
#include "tests/support/broker_world.hpp"

/// Values, bytes, types and headers, wherever a message is sent or shown.
namespace amc::api {
namespace {

namespace json = boost::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Contents : public testing::Test {
 protected:
  static json::value body(const http::response& reply) { return read_json(reply.body); }
  static std::string text_of(const http::response& reply, std::string_view member) {
    return std::string(body(reply).at(member).as_string());
  }
  /// The members of a new message in `orders`.
  http::response post(const std::string& members, const http::headers& headers = {}) {
    return w_.ask("POST", "/queues/orders/messages", "{" + members + "}", headers);
  }
  std::string id_of(const std::string& members) { return text_of(post(members), "id"); }
  std::string refusal_of(const std::string& members) {
    const auto reply = post(members);
    EXPECT_EQ(reply.status, 422) << reply.body;
    EXPECT_EQ(w_.disk->size(), 0U);
    return text_of(reply, "detail");
  }
  std::string receive() { return w_.ask("POST", "/queues/orders/receive").body; }
  http::response get(const std::string& id) { return w_.ask("GET", "/messages/" + id); }

  tests::broker_world w_;
};

/// Wherever a message is shown. The spelling of its numbers is the sender's.
TEST_F(Contents, AValueComesBackAsItWasSentEverywhere) {
  constexpr auto value = R"({"boxes": 2.50, "id": 12345678901234567890123, "message": [null]})";
  const std::string shown = std::string(R"("message":)") + value + R"(,"content_type":"application/json")";
  const auto posted = post(std::string(R"("message":)") + value);
  EXPECT_EQ(posted.status, 202);
  EXPECT_THAT(posted.body, HasSubstr(shown));
  const auto id = text_of(posted, "id");
  EXPECT_THAT(get(id).body, HasSubstr(shown));
  EXPECT_THAT(w_.ask("GET", "/messages").body, HasSubstr(shown));
  EXPECT_THAT(receive(), HasSubstr(shown));
  w_.world.advance(milliseconds(60'000));
  EXPECT_THAT(w_.ask("POST", "/claims", R"([{"id":")" + id + R"(","revision":1}])").body, HasSubstr(shown));
}

/// A broker, and so whoever reads its answers, has room around it.
TEST_F(Contents, AValueMayBeNestedSoDeepWhereverItIsSentAndNoDeeper) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  const auto deepest = nested(json_depth_max), deeper = nested(json_depth_max + 1);
  const auto posted = post(R"("message":)" + deepest);
  ASSERT_EQ(posted.status, 202) << posted.body;
  const auto id = text_of(posted, "id");
  EXPECT_EQ(w_.ask("POST", "/messages", R"([{"queue":"orders","message":)" + deepest + "}]").status, 200);
  const auto given = receive();
  EXPECT_THAT(given, HasSubstr(deepest));
  EXPECT_NO_THROW(read_json(given)) << "by our own clients";
  const auto answered =
      w_.ask("POST", "/queues/orders/receive",
             R"({"answers":[{"id":")" + id + R"(","revision":1,"queue":"next","message":)" + deepest + "}]}");
  EXPECT_EQ(answered.status, 200) << answered.body;
  EXPECT_EQ(text_of(get(id), "queue"), "next");
  EXPECT_EQ(
      w_.ask("PUT", "/messages/" + id, R"({"queue":"next","message":)" + deepest + "}", {{"If-Match", "\"2\""}}).status,
      200);
  EXPECT_NO_THROW(read_json(w_.ask("GET", "/messages/" + id + "/history").body));
  const auto refused = w_.ask("POST", "/queues/orders/messages", R"({"message":)" + deeper + "}");
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(refused.body, HasSubstr("33 deep; at most 32"));
}

TEST_F(Contents, WhoWaitsIsToldTheValue) {
  http::request asked{"POST", "/queues/orders/messages", {{"Prefer", "wait=5"}}, R"({"message":null})"};
  const auto waiting = w_.world.start(w_.api->handle(asked));
  const auto id = to_string(w_.take("orders").id);
  EXPECT_EQ(w_.ask("PUT", "/messages/" + id, R"({"message":{"a":1.0},"done":true})", {{"If-Match", "\"1\""}}).status,
            200);
  w_.world.settle();
  ASSERT_TRUE(*waiting);
  EXPECT_THAT((*waiting)->body, HasSubstr(R"("message":{"a":1.0})"));
}

TEST_F(Contents, EveryValueIsOne) {
  for (const auto* value : {"null", "true", "-0", "[]", "{}", "1e400", R"(["\u0000"])"})
    EXPECT_THAT(get(id_of(std::string(R"("message": )") + value + " ")).body,
                HasSubstr(std::string(R"("message":)") + value + ","));
}

TEST_F(Contents, ATextStaysATextWhateverItsType) {
  const auto reply = get(id_of(R"("message":"{}","content_type":"application/json; charset=utf-8")"));
  EXPECT_EQ(text_of(reply, "message"), "{}");
  EXPECT_EQ(text_of(reply, "content_type"), "application/json; charset=utf-8");
}

TEST_F(Contents, ATypesParameterMayHoldQuotes) {
  const auto reply = get(id_of(R"("message":"","content_type":"a/b; c=\"d\\\";e\""  )"));
  EXPECT_EQ(text_of(reply, "content_type"), R"(a/b; c="d\";e")");
}

TEST_F(Contents, ATextWithoutATypeIsToldAsEver) {
  EXPECT_THAT(post(R"("message":"Hi, ")").body, HasSubstr(R"("message":"Hi, ","revision":1,"status":"pending"})"));
}

TEST_F(Contents, BytesComeBackInBase64) {
  const auto reply = get(id_of(R"("message_base64":"AAH/")"));
  EXPECT_EQ(text_of(reply, "message_base64"), "AAH/");
  EXPECT_EQ(text_of(reply, "content_type"), "application/octet-stream");
  EXPECT_FALSE(body(reply).as_object().contains("message"));
  EXPECT_THAT(receive(), HasSubstr(R"("message_base64":"AAH/")"));
}

TEST_F(Contents, BytesMayHaveAType) {
  EXPECT_EQ(text_of(get(id_of(R"("message_base64":"","content_type":"image/png")")), "content_type"), "image/png");
}

TEST_F(Contents, WhatIsNoBase64IsRefused) {
  for (const auto* bytes : {R"("A")", R"("AAH_")", R"("AA H")", R"("AB==")", "7", "null"})
    EXPECT_THAT(refusal_of(std::string(R"("message_base64":)") + bytes), HasSubstr("must be bytes in base64"));
}

TEST_F(Contents, AValueAndBytesTogetherAreRefused) {
  EXPECT_THAT(refusal_of(R"("message":"","message_base64":"")"), StartsWith("Give either"));
}

TEST_F(Contents, WhatIsNoTypeIsRefused) {
  for (const std::string type : {"", "text", "text/", "/plain", "text/pl ain", "text/plain; a",
                                 "a/b; c=", "a/b; c=\\\"d", "a/b\\n", "a/b; c=\\\"\\n\\\"", "ä/b"})
    EXPECT_THAT(refusal_of(R"("message":"","content_type":")" + type + "\""), HasSubstr("must be a media type"))
        << type;
  EXPECT_THAT(refusal_of(R"("message":"","content_type":7)"), HasSubstr("must be a media type"));
  EXPECT_THAT(refusal_of(R"("message":"","content_type":"a/)" + std::string(254, 'b') + "\""), HasSubstr("255 bytes"));
}

TEST_F(Contents, HeadersAreKeptUntilAnAnswerReplacesThem) {
  const auto id = id_of(R"("message":"Hi, ","headers":{"tenant":"ü","a":""})");
  EXPECT_EQ(body(get(id)).at("headers"), json::parse(R"({"tenant":"ü","a":""})"));
  const auto answer = [&](int revision, const std::string& members) {
    const auto entry = R"([{"id":")" + id + R"(","revision":)" + std::to_string(revision) + "," + members + "}]";
    EXPECT_THAT(w_.ask("POST", "/answers", entry).body, Not(HasSubstr("refused")));
  };
  answer(1, R"("message":"next","queue":"orders")");
  EXPECT_EQ(body(get(id)).at("headers"), json::parse(R"({"tenant":"ü","a":""})"));
  EXPECT_THAT(receive(), HasSubstr(R"("headers":{"tenant":"ü","a":""})"));
  answer(2, R"("message":"next","queue":"orders","headers":{"b":"c"})");
  EXPECT_EQ(body(get(id)).at("headers"), json::parse(R"({"b":"c"})"));
  answer(3, R"("message":"next","queue":"orders","headers":{})");
  EXPECT_FALSE(body(get(id)).as_object().contains("headers"));
}

TEST_F(Contents, HeadersBeyondTheirBoundsAreRefused) {
  std::string many;
  for (int i = 0; i < 65; ++i) many += (i > 0 ? ",\"" : "\"") + std::to_string(i) + R"(":"")";
  EXPECT_THAT(refusal_of(R"("message":"","headers":{)" + many + "}"), HasSubstr("it may have 64 of 8192 bytes"));
  EXPECT_THAT(refusal_of(R"("message":"","headers":{"a":")" + std::string(8'192, 'x') + "\"}"),
              HasSubstr("it may have 64 of 8192 bytes"));
}

TEST_F(Contents, HeadersAreNamesAndTexts) {
  EXPECT_THAT(refusal_of(R"("message":"","headers":[])"), HasSubstr("must be an object of names and texts"));
  EXPECT_THAT(refusal_of(R"("message":"","headers":{"a":1})"), HasSubstr("\"a\" must be a string"));
  EXPECT_THAT(refusal_of(R"("message":"","headers":{"":"a"})"), HasSubstr("name is empty"));
  EXPECT_THAT(refusal_of(R"("message":"","headers":{"a":"\u0000"})"), HasSubstr("U+0000"));
  EXPECT_THAT(refusal_of(R"("message":"","headers":{"\u0000":"a"})"), HasSubstr("U+0000"));
}

TEST_F(Contents, TheTraceStateBelongsToItsTrace) {
  constexpr auto trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto told = [&](const http::headers& headers) {
    const auto reply = get(text_of(post(R"("message":"")", headers), "id"));
    const auto fields = body(reply).as_object();
    return fields.contains("tracestate") ? text_of(reply, "tracestate") : "none";
  };
  EXPECT_EQ(told({{"traceparent", trace}, {"tracestate", "a=1"}, {"tracestate", "b=2"}}), "a=1, b=2");
  EXPECT_EQ(told({{"tracestate", "a=1"}}), "none") << "of no trace";
  EXPECT_EQ(told({{"traceparent", trace}, {"tracestate", std::string(513, 'a')}}), "none") << "too long";
  EXPECT_THAT(receive(), HasSubstr(R"("tracestate":"a=1, b=2")"));
}

TEST_F(Contents, RoutesMatchTheJsonOfAValue) {
  EXPECT_THAT(w_.ask("POST", "/messages", R"({"message":["Hi, "]})").body, HasSubstr("I don't know which queue"));
  tests::broker_world routed({R"(broker.routes=[{"match": "\"type\": *\"order\"", "queue": "orders"}])"});
  EXPECT_EQ(routed.ask("POST", "/messages", R"({"message":{"type": "order"}})").status, 202);
  EXPECT_EQ(routed.depth("orders"), 1U);
}

TEST_F(Contents, AtTheRootEverythingIsAText) {
  const auto value = id_of(R"("message":{"a":1.0},"headers":{"a":"b"})"), bytes = id_of(R"("message_base64":"AAH/")");
  EXPECT_THAT(w_.ask("GET", "/?id=" + value).body,
              EndsWith(R"("message":"{\"a\":1.0}","revision":1,"status":"pending"})"));
  EXPECT_EQ(text_of(w_.ask("GET", "/?id=" + bytes), "message"), "AAH/");
  EXPECT_EQ(w_.ask("PUT", "/?id=" + value, R"({"message":"Hi, "})").status, 200);
  EXPECT_EQ(text_of(get(value), "message"), "Hi, ");
  EXPECT_FALSE(body(get(value)).as_object().contains("content_type"));
}

TEST_F(Contents, TheSameKeyForAnotherTypeIsNoticed) {
  const http::headers key{{"Idempotency-Key", "k"}};
  const auto first = post(R"("message":1,"headers":{"a":"bc"})", key);
  EXPECT_EQ(text_of(post(R"("message":1,"headers":{"a":"bc"})", key), "id"), text_of(first, "id"));
  for (const auto* other : {R"("message":"1")", R"("message":1)", R"("message":1,"headers":{"ab":"c"})",
                            R"("message":1,"content_type":"a/b","headers":{"a":"bc"})"})
    EXPECT_EQ(post(other, key).status, 422) << other;
}

TEST_F(Contents, WhoHoldsAClaimIsTold) {
  const auto id = id_of(R"("message":"")");
  w_.ask("POST", "/queues/orders/receive", R"({"service":"packer","worker":"7"})");
  EXPECT_EQ(text_of(get(id), "holder"), "packer/7");
  EXPECT_EQ(w_.ask("POST", "/queues/orders/receive", R"({"worker":"a\u0000"})").status, 422);
}

TEST_F(Contents, WhatIsDoneTellsItsLastQueue) {
  const auto id = id_of(R"("message":"")");
  w_.ask("PUT", "/messages/" + id, R"({"message":"","done":true})", {{"If-Match", "\"1\""}});
  EXPECT_EQ(text_of(get(id), "last_queue"), "orders");
}

// ---- lists of new messages ----

class NewMessages : public Contents {
 protected:
  http::response post_all(const std::string& list, const http::headers& headers = {}) {
    return w_.ask("POST", "/messages", list, headers);
  }
};

TEST_F(NewMessages, EachIsAcceptedOrRefusedByItself) {
  const auto reply = post_all(R"([{"message":"Hi, "},{"message":"nowhere"},{"message":2.50,"queue":"orders"},
                                  {"message_base64":"?","queue":"orders"},{"mesage":""},7,{"message":"","done":true}])");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto told = body(reply).as_array();
  ASSERT_EQ(told.size(), 7U);
  EXPECT_EQ(told[0].at("revision"), 1);
  EXPECT_EQ(told[0].at("status"), "pending");
  EXPECT_EQ(told[1].at("refused"), "unroutable");
  EXPECT_THAT(get(std::string(told[2].at("id").as_string())).body, HasSubstr(R"("message":2.50)"));
  for (const auto i : {3, 4, 5}) EXPECT_EQ(told[i].at("refused"), "invalid");
  EXPECT_EQ(told[6].at("status"), "done");
  EXPECT_EQ(w_.disk->size(), 3U);
  EXPECT_EQ(w_.depth("topic-a"), 1U);
  EXPECT_EQ(w_.depth("orders"), 1U);
}

TEST_F(NewMessages, TheQueueMayStandInThePath) {
  const auto told = body(w_.ask("POST", "/queues/orders/messages", R"([{"message":1},{"message":2,"done":true}])"));
  EXPECT_EQ(told.at(0).at("status"), "pending");
  EXPECT_EQ(told.at(1).at("refused"), "invalid");
}

TEST_F(NewMessages, EachMayHaveAKeyOfItsOwn) {
  const auto first =
      body(post_all(R"([{"message":"Hi, ","idempotency_key":"a"},{"message":"Hi, ","idempotency_key":"a"}])"));
  EXPECT_EQ(first.at(0).at("id"), first.at(1).at("id"));
  const auto again = body(post_all(R"([{"message":"Hi, ","idempotency_key":"a"},{"message":"","idempotency_key":"a"},
                                       {"message":"Hi, ","idempotency_key":""},{"message":"Hi, ","idempotency_key":1}])"));
  EXPECT_EQ(again.at(0).at("id"), first.at(0).at("id"));
  for (const auto i : {2, 3}) EXPECT_EQ(again.at(i).at("refused"), "invalid");
  EXPECT_EQ(w_.disk->size(), 1U);
  // It is the same as that of a header.
  EXPECT_EQ(text_of(w_.ask("POST", "/messages", R"({"message":"Hi, "})", {{"Idempotency-Key", "a"}}), "id"),
            first.at(0).at("id").as_string());
}

TEST_F(NewMessages, AKeyForAllOfThemIsRefused) {
  EXPECT_EQ(post_all(R"([{"message":"Hi, "}])", {{"Idempotency-Key", "a"}}).status, 422);
}

TEST_F(NewMessages, TheirNumberIsBounded) {
  tests::broker_world small({"broker.http.claims_max=2"});
  const auto reply = small.ask("POST", "/messages", R"([{"message":""},{"message":""},{"message":""}])");
  EXPECT_EQ(reply.status, 422);
  EXPECT_THAT(text_of(reply, "detail"), HasSubstr("at most 2 new messages at once (broker.http.claims_max)"));
  EXPECT_EQ(post_all("[]").body, "[]");
}

TEST_F(NewMessages, AreNotForTheRoot) {
  EXPECT_EQ(w_.ask("POST", "/", R"([{"message":"Hi, "}])").status, 422);
}

TEST_F(NewMessages, ThatMayHaveBeenCarriedOutAreSaidToBe) {
  w_.disk->failing_inserts = unavailable(unavailable::reason::away, "away");
  try {
    post_all(R"([{"message":"Hi, "},{"message":"Hi, "}])");
    FAIL() << "was answered";
  } catch (const unavailable& failed) {
    EXPECT_EQ(failed.why(), unavailable::reason::outcome_unknown);
  }
}

}  // namespace
}  // namespace amc::api
