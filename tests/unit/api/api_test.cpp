#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <numeric>
#include <set>

#include "api/http_api.hpp"
#include "core/log.hpp"
#include "tests/support/broker_world.hpp"

namespace amc::api {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

constexpr const char* unknown_id = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The API over a whole broker in memory. What a client sees on the wire is tests/integration.
class Api : public testing::Test {
 protected:
  static json::value body(const http::response& reply) { return json::parse(reply.body); }
  static std::string field(const http::response& reply, std::string_view name) {
    return reply.headers.find(name).value_or("none");
  }
  static std::string text_of(const http::response& reply, std::string_view member) {
    return std::string(body(reply).at(member).as_string());
  }

  std::string post() { return text_of(w_.ask("POST", "/messages", R"({"message":"Hi, "})"), "id"); }
  http::response put(const std::string& id, const std::string& if_match, const std::string& text) {
    return w_.ask("PUT", "/messages/" + id, json::serialize(json::object{{"message", text}}),
                  http::headers{{"If-Match", if_match}});
  }
  http::response get(const std::string& id, const http::headers& headers = {}) {
    return w_.ask("GET", "/messages/" + id, "", headers);
  }
  json::value claim(const std::string& entries) { return body(w_.ask("POST", "/claims", entries)); }
  /// Claims the first revision, and tells that it has failed.
  json::value fail(const std::string& id, const std::string& why, const std::string& more = "") {
    const auto entry = R"({"id":")" + id + R"(","revision":1)";
    const auto granted = claim("[" + entry + "}]").at(0).at("claim").as_int64();
    return body(
        w_.ask("POST", "/failures",
               "[" + entry + R"(,"claim":)" + std::to_string(granted) + R"(,"error":")" + why + "\"" + more + "}]"));
  }

  tests::broker_world w_;
};

TEST_F(Api, PostAnswers202WithWhereToLook) {
  const auto reply = w_.ask("POST", "/messages", R"({"message":"Hi, "})");
  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(field(reply, "Location"), "/messages/" + text_of(reply, "id"));
  EXPECT_NE(field(reply, "Retry-After"), "none");
  EXPECT_EQ(body(reply).at("revision").as_int64(), 1);
  EXPECT_EQ(text_of(reply, "status"), "pending");
}

TEST_F(Api, PostThatWaitsAnswers200WhenTheMessageIsFinishedInTime) {
  http::request asked{"POST", "/messages", {{"Prefer", "wait=5"}}, R"({"message":"Hi, "})"};
  const auto waiting = w_.world.start(w_.api->handle(asked));
  ASSERT_FALSE(*waiting);
  const auto id = w_.take("topic-a").id;
  w_.world.run(w_.messages->answer(id, 1, "Hi, X. Bye!"));
  w_.world.settle();
  ASSERT_TRUE(*waiting);
  const auto& reply = **waiting;
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(field(reply, "Content-Location"), "/messages/" + to_string(id));
  EXPECT_EQ(field(reply, "Preference-Applied"), "wait=5");
  EXPECT_EQ(text_of(reply, "message"), "Hi, X. Bye!");
}

TEST_F(Api, PostThatWaitsAnswers202WhenTheTimeIsOver) {
  const auto reply = w_.ask("POST", "/messages", R"({"message":"Hi, "})", {{"Prefer", "wait=1"}});
  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(field(reply, "Preference-Applied"), "wait=1");
}

TEST_F(Api, WaitsAreCapped) {
  const auto reply = w_.ask("POST", "/messages", R"({"message":"Hi, "})", {{"Prefer", "respond-async, wait=99999"}});
  EXPECT_EQ(field(reply, "Preference-Applied"), "wait=60");
}

TEST_F(Api, APreferenceThatCannotBeReadIsIgnored) {
  for (const auto* prefer :
       {"wait", "wait=", "wait=x", "wait=-1", "wait=+5", "wait=1e9", "wait=5.0", "wait='5'", "waits=5",
        "return=minimal", "x=\"a, wait=5\"", "x; wait=5", "x=\"\\\", wait=5\"", "wait=x, wait=5"}) {
    const auto reply = w_.ask("POST", "/messages", R"({"message":"Hi, "})", {{"Prefer", prefer}});
    EXPECT_EQ(field(reply, "Preference-Applied"), "none") << prefer;
  }
}

TEST_F(Api, APreferenceIsReadAsRfc7240HasIt) {
  const std::pair<http::headers, const char*> preferences[] = {
      {{{"Prefer", "WAIT=5"}}, "wait=5"},
      {{{"prefer", "Wait = \"5\""}}, "wait=5"},
      {{{"Prefer", "wait=5; foo=\"a,b;c\""}}, "wait=5"},
      {{{"Prefer", ", respond-async;x=\"\\\",\" ,\twait=5, wait=7"}}, "wait=5"},
      {{{"Prefer", "respond-async"}, {"Prefer", "wait=5"}}, "wait=5"},
      {{{"Prefer", "wait=99999999999999999999999"}}, "wait=60"}};
  for (const auto& [headers, applied] : preferences)
    EXPECT_EQ(field(w_.ask("POST", "/messages", R"({"message":"Hi, "})", headers), "Preference-Applied"), applied);
}

TEST_F(Api, GetHasTheTagOfTheRevision) {
  const auto id = post();
  const auto reply = get(id);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(field(reply, "ETag"), "\"1\"");
  EXPECT_EQ(field(reply, "Cache-Control"), "no-cache");
  EXPECT_EQ(field(reply, "Vary"), "Prefer");
}

TEST_F(Api, GetOfAFinishedMessageHasItsStatusInTheTag) {
  const auto id = post();
  put(id, "\"1\"", "Hi, X. Bye!");
  EXPECT_EQ(field(get(id), "ETag"), "\"2-done\"");
}

TEST_F(Api, GetWithTheCurrentTagAnswers304AtOnce) {
  const auto id = post();
  const auto reply = get(id, {{"If-None-Match", "\"7\", W/\"1\""}});
  EXPECT_EQ(reply.status, 304);
  EXPECT_EQ(reply.body, "");
  EXPECT_EQ(field(reply, "ETag"), "\"1\"");
}

TEST_F(Api, GetThatWaitsWithATagAnswersWhenTheTagChanges) {
  const auto id = post();
  http::request asked{"GET", "/messages/" + id, {{"Prefer", "wait=5"}, {"If-None-Match", "\"1\""}}, ""};
  const auto waiting = w_.world.start(w_.api->handle(asked));
  ASSERT_FALSE(*waiting);
  put(id, "\"1\"", "Hi, X.");
  w_.world.settle();
  ASSERT_TRUE(*waiting);
  EXPECT_EQ((**waiting).status, 200);
  EXPECT_EQ(field(**waiting, "ETag"), "\"2\"");
}

TEST_F(Api, GetThatWaitsWithATagAnswers304WhenTheTimeIsOver) {
  const auto id = post();
  EXPECT_EQ(get(id, {{"Prefer", "wait=1"}, {"If-None-Match", "\"1\""}}).status, 304);
}

TEST_F(Api, GetThatWaitsWithoutATagAnswersWhenTheMessageIsFinished) {
  const auto id = post();
  http::request asked{"GET", "/messages/" + id, {{"Prefer", "wait=5"}}, ""};
  const auto waiting = w_.world.start(w_.api->handle(asked));
  put(id, "\"1\"", "Hi, X.");
  w_.world.settle();
  ASSERT_FALSE(*waiting);
  put(id, "\"2\"", "Hi, X. Bye!");
  w_.world.settle();
  ASSERT_TRUE(*waiting);
  EXPECT_EQ(text_of(**waiting, "status"), "done");
}

TEST_F(Api, GetThatWaitsAnswersWithWhatIsThereWhenTheTimeIsOver) {
  const auto id = post();
  const auto reply = get(id, {{"Prefer", "wait=1"}});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(text_of(reply, "status"), "pending");
}

TEST_F(Api, PutAnswersARevision) {
  const auto id = post();
  const auto reply = put(id, "\"1\"", "Hi, X.");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(body(reply).at("revision").as_int64(), 2);
  EXPECT_EQ(field(reply, "ETag"), "none");
}

TEST_F(Api, PutRefusesInTheOrderUnknownThenFinishedThenStale) {
  EXPECT_EQ(put(unknown_id, "\"7\"", "Hi, X.").status, 404);
  EXPECT_EQ(put("no-uuid", "\"7\"", "Hi, X.").status, 404);
  const auto id = post();
  EXPECT_EQ(put(id, "\"7\"", "Hi, X.").status, 412);
  put(id, "\"1\"", "Hi, X. Bye!");
  EXPECT_EQ(put(id, "\"7\"", "Hi, X.").status, 409);
}

TEST_F(Api, PutOfAnUnroutableTextIsTheLastReasonToRefuse) {
  EXPECT_EQ(put(unknown_id, "\"1\"", "Good night").status, 404);
  const auto id = post();
  EXPECT_EQ(put(id, "\"7\"", "Good night").status, 412);
  put(id, "\"1\"", "Hi, X. Bye!");
  EXPECT_EQ(put(id, "\"2\"", "Good night").status, 409);
}

TEST_F(Api, AnEmptyBatchIsAnsweredEmpty) {
  for (const auto* path : {"/claims", "/leases", "/releases"}) {
    const auto reply = w_.ask("POST", path, "[]");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "[]");
  }
}

TEST_F(Api, WhatIsRepeatedFromARequestIsKeptAndDoesNotBreakTheJson) {
  EXPECT_EQ(text_of(w_.ask("GET", "/?id=%C3%A9%E2%82%AC"), "detail"), "Entity \"é€\" not found.");
  EXPECT_EQ(text_of(w_.ask("GET", "/messages/%F0%9F%98%80"), "detail"), "Message \"😀\" not found.");
  EXPECT_EQ(text_of(w_.ask("GET", "/messages/a%FFb"), "detail"),
            "Message \"a\xef\xbf\xbd"
            "b\" not found.");
  EXPECT_THAT(text_of(w_.ask("GET", "/caf\xc3\xa9\xff"), "detail"), HasSubstr("/café\\xff"));
  EXPECT_THAT(text_of(w_.ask("POST", "/messages", R"({"message":"Günaydın"})"), "detail"), HasSubstr("Günaydın"));
}

TEST_F(Api, AQueryThatCannotBeDecodedIsRefusedAndNotDropped) {
  post();
  for (const auto* query : {"queue=%zz", "x&queue=%", "queue=topic-a&y=%2", "%=1", "queue=%c3%"}) {
    const auto reply = w_.ask("GET", std::string("/messages?") + query);
    EXPECT_EQ(reply.status, 400) << query;
    EXPECT_THAT(text_of(reply, "detail"), HasSubstr("%25"));
  }
  EXPECT_EQ(w_.ask("GET", "/?id=%zz").status, 400);
}

TEST_F(Api, AParameterThatIsNoTextOrComesTwiceIsRefusedByName) {
  for (const auto* query :
       {"queue=%ff", "queue=a%00b", "queue=%ed%a0%80", "queue=a&queue=a", "status=dead&status=dead"}) {
    const auto reply = w_.ask("GET", std::string("/messages?") + query);
    EXPECT_EQ(reply.status, 422) << query;
    EXPECT_THAT(text_of(reply, "detail"), HasSubstr(std::string(query).substr(0, std::string(query).find('='))));
  }
  for (const auto* query : {"id=%00", "id=%ff", "id=a&id=b"}) {
    EXPECT_EQ(w_.ask("GET", std::string("/?") + query).status, 422) << query;
    EXPECT_EQ(w_.ask("PUT", std::string("/?") + query, R"({"message":"Hi, X."})").status, 422) << query;
  }
}

TEST_F(Api, AQueryIsDecodedAsFormsAre) {
  post();
  const auto count = [&](const std::string& query) {
    return body(w_.ask("GET", "/messages?" + query)).at("messages").as_array().size();
  };
  EXPECT_EQ(count("queue=topic%2Da"), 1U);
  EXPECT_EQ(count("%71ueue=topic-a&&"), 1U);
  EXPECT_EQ(count("queue=caf%c3%a9"), 0U);
  EXPECT_EQ(count("queue=caf\xc3\xa9"), 0U) << "also as it is";
  EXPECT_EQ(count("status=&queue=&limit=&after="), 1U) << "empty is absent";
}

TEST_F(Api, AParameterThatNobodyKnowsIsRefusedWithTheNearestKnownOne) {
  const auto reply = w_.ask("GET", "/messages?stauts=dead");
  EXPECT_EQ(reply.status, 422);
  EXPECT_EQ(text_of(reply, "detail"), "Unknown parameter \"stauts\"; the nearest known one is \"status\".");
  for (const auto* target : {"/healthz?x", "/queues?queue=a", "/retries?x=1"})
    EXPECT_EQ(w_.ask("GET", target).status, 422);
  EXPECT_EQ(w_.ask("POST", "/messages?deliver_at=x", R"({"message":"Hi, "})").status, 422);
  const auto id = post();
  EXPECT_EQ(w_.ask("GET", "/?utm=1&utm=2&id=" + id).status, 200) << "the root is as lenient as the seed";
}

TEST_F(Api, AnEncodedBodyIsRefused) {
  for (const auto* coding : {"gzip", "identity, br", "x"})
    for (const auto* target : {"/", "/messages"}) {
      const auto reply = w_.ask("POST", target, R"({"message":"Hi, "})", http::headers{{"Content-Encoding", coding}});
      EXPECT_EQ(reply.status, 415) << coding;
      EXPECT_EQ(field(reply, "Accept-Encoding"), "identity");
    }
  for (const auto* coding : {"identity", "Identity", ""})
    EXPECT_EQ(w_.ask("POST", "/", R"({"message":"Hi, "})", http::headers{{"Content-Encoding", coding}}).status, 201);
}

TEST_F(Api, AMemberThatNobodyKnowsIsRefusedEverywhereButAtTheRoot) {
  const auto id = post();
  const std::tuple<const char*, std::string, std::string> asked[] = {
      {"POST", "/messages", R"({"message":"Hi, ","deliverAt":"2030-01-01T00:00:00Z"})"},
      {"PUT", "/messages/" + id, R"({"message":"Hi, ","revision":1})"},
      {"POST", "/claims", R"([{"id":"x","revision":1,"Alone":true}])"},
      {"POST", "/leases", R"([{"id":"x","revision":1,"claim":1,"lease_ms":5}])"},
      {"POST", "/releases", R"([{"id":"x","revision":1,"claim":1,"error":"x"}])"},
      {"POST", "/failures", R"([{"id":"x","revision":1,"claim":1,"reason":"x"}])"},
      {"POST", "/answers", R"([{"id":"x","revision":1,"message":"x","claims":1}])"},
      {"POST", "/retries", R"({"queues":"x"})"}};
  for (const auto& [method, target, body] : asked) {
    const auto reply = w_.ask(method, target, body, http::headers{{"If-Match", "*"}});
    EXPECT_EQ(reply.status, 422) << target;
    EXPECT_THAT(text_of(reply, "detail"), HasSubstr("nearest known one is")) << target;
  }
  EXPECT_EQ(w_.ask("POST", "/", R"({"message":"Hi, ","deliverAt":"2030"})").status, 201);
  EXPECT_EQ(w_.ask("PUT", "/?id=" + id, R"({"message":"Hi, X.","id":"x"})").status, 200);
}

TEST_F(Api, NumbersInBodiesAreWrittenAsIntegers) {
  const auto id = post();
  claim(R"([{"id":")" + id + R"(","revision":1}])");
  for (const auto* bad :
       {"1.0", "1e0", "-1", "0", "2147483648", "9223372036854775808", "\"1\"", "null", "true", "[1]"}) {
    const auto reply = w_.ask("POST", "/claims", R"([{"id":")" + id + R"(","revision":)" + bad + "}]");
    EXPECT_EQ(reply.status, 422) << bad;
    EXPECT_THAT(text_of(reply, "detail"), HasSubstr("\"revision\"")) << bad;
  }
  for (const auto* bad : {"1.0", "1e0", "9223372036854775808", "\"1\"", "null"}) {
    const auto reply = w_.ask("POST", "/leases", R"([{"id":")" + id + R"(","revision":1,"claim":)" + bad + "}]");
    EXPECT_EQ(reply.status, 422) << bad;
    EXPECT_THAT(text_of(reply, "detail"), HasSubstr("\"claim\"")) << bad;
  }
  const auto large =
      body(w_.ask("POST", "/leases", R"([{"id":")" + id + R"(","revision":1,"claim":9007199254740993}])"));
  EXPECT_EQ(large.at(0).at("refused").as_string(), "stale");
}

TEST_F(Api, PutNeedsAnIfMatchThatCanBeRead) {
  const auto id = post();
  EXPECT_EQ(w_.ask("PUT", "/messages/" + id, R"({"message":"Hi, X."})").status, 428);
  for (const auto* bad : {"1", "\"1", "\"1\" \"2\"", "\"1\", 2", "*, \"1\"", "", ",", "\"", "w/\"1\"", "\"a b\""})
    EXPECT_EQ(put(id, bad, "Hi, X.").status, 400) << bad;
}

TEST_F(Api, PutNeverMatchesAWeakOrForeignTag) {
  const auto id = post();
  for (const auto* tag : {"W/\"1\"", "\"x\"", "\"1-done\"", "\"0\"", "\"-1\"", "\"01\"", "\"+1\"", "\"1.0\"", "\"0x1\"",
                          "\"\"", "\"2147483648\"", "\"4294967297\"", "\"99999999999\"", "\"18446744073709551617\""}) {
    const auto reply = put(id, tag, "Hi, X.");
    EXPECT_EQ(reply.status, 412) << tag;
    EXPECT_THAT(text_of(reply, "detail"), HasSubstr("If-Match")) << tag;
  }
}

TEST_F(Api, DeleteHonoursAnIfMatch) {
  const auto id = post();
  const auto cancel = [&](const char* tag) { return w_.ask("DELETE", "/messages/" + id, "", {{"If-Match", tag}}); };
  EXPECT_EQ(cancel("1").status, 400);
  EXPECT_EQ(cancel("\"2\"").status, 412);
  EXPECT_THAT(text_of(cancel("\"1-done\""), "detail"), HasSubstr("If-Match"));
  EXPECT_EQ(text_of(get(id), "status"), "pending");
  EXPECT_EQ(cancel("\"7\", \"1\"").status, 200);
  EXPECT_EQ(text_of(get(id), "status"), "cancelled");
  EXPECT_EQ(cancel("\"1\"").status, 200) << "it has succeeded before";
  const auto other = post();
  EXPECT_EQ(w_.ask("DELETE", "/messages/" + other, "", {{"If-Match", "*"}}).status, 200);
}

TEST_F(Api, PutAtTheRootHonoursAnIfMatch) {
  const auto id = post();
  const auto answer = [&](const char* tag) {
    return w_.ask("PUT", "/?id=" + id, R"({"message":"Hi, X."})", {{"If-Match", tag}});
  };
  EXPECT_EQ(answer("1").status, 400);
  EXPECT_EQ(answer("\"2\"").status, 412);
  EXPECT_THAT(text_of(answer("W/\"1\""), "detail"), HasSubstr("If-Match"));
  EXPECT_EQ(text_of(get(id), "message"), "Hi, ");
  EXPECT_EQ(answer("\"1\"").status, 200);
  EXPECT_EQ(answer("\"1\"").status, 412);
  EXPECT_EQ(answer("*").status, 200);
}

TEST_F(Api, PutTakesAListOfTags) {
  const auto id = post();
  EXPECT_EQ(put(id, "\"7\", \"8\"", "Hi, X.").status, 412);
  EXPECT_EQ(put(id, "\"a,b\", W/\"1\"", "Hi, X.").status, 412);
  EXPECT_EQ(put(id, "\"7\" , ,\"x,y\", \"1\"", "Hi, X.").status, 200);
  EXPECT_EQ(put(id, "\"1\", \"2\"", "Hi, Y.").status, 200);
  EXPECT_EQ(body(get(id)).at("revision").as_int64(), 3);
  EXPECT_EQ(put(unknown_id, "\"1\", \"2\"", "Hi, X.").status, 404);
}

TEST_F(Api, PutWithAStarIsLastWriterWins) {
  const auto id = post();
  EXPECT_EQ(put(id, "*", "Hi, X.").status, 200);
  EXPECT_EQ(put(id, "*", "Hi, Y.").status, 200);
  EXPECT_EQ(put(id, "*", "Hi, Y.").status, 200);
  EXPECT_EQ(body(get(id)).at("revision").as_int64(), 3) << "the same text again changes nothing";
}

TEST_F(Api, PutOfAnUnroutableTextIsRefused) {
  const auto id = post();
  const auto reply = put(id, "\"1\"", "Good night");
  EXPECT_EQ(reply.status, 422);
  EXPECT_THAT(text_of(reply, "detail"),
              testing::StartsWith("I don't know which queue this message belongs to. No route matches \"Good night\""));
  EXPECT_THAT(text_of(reply, "detail"), HasSubstr("broker.routes"));
  const auto long_one = w_.ask("POST", "/messages", R"({"message":")" + std::string(500, 'x') + R"("})");
  EXPECT_LT(text_of(long_one, "detail").size(), 300U);
}

TEST_F(Api, ErrorsAreProblems) {
  const auto reply = get(unknown_id);
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(field(reply, "Content-Type"), "application/problem+json");
  EXPECT_TRUE(body(reply).at("error").as_bool());
  EXPECT_EQ(body(reply).at("status").as_int64(), 404);
}

TEST_F(Api, UnknownPathsAndMethods) {
  EXPECT_EQ(w_.ask("GET", "/nothing").status, 404);
  EXPECT_EQ(w_.ask("GET", "/messages/").status, 404);
  EXPECT_EQ(w_.ask("GET", "/messages/a/b").status, 404);
  for (const auto& [path, near] : {std::pair{"/mesages", "/messages"},
                                   {"/message/x", "/messages/x"},
                                   {"/messages/x/retries", "/messages/x/retry"},
                                   {"/claim", "/claims"},
                                   {"/health", "/healthz"}}) {
    const auto missed = w_.ask("GET", path);
    EXPECT_EQ(missed.status, 404);
    EXPECT_THAT(text_of(missed, "detail"), testing::EndsWith(std::string("nearest path is ") + near + ".")) << path;
  }
  const auto reply = w_.ask("PATCH", "/messages/" + post());
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(field(reply, "Allow"), "GET, HEAD, PUT, DELETE");
}

TEST_F(Api, ClaimsAreAnsweredOneByOne) {
  const auto id = post();
  const auto results =
      claim(R"([{"id":")" + id + R"(","revision":1},{"id":")" + id + R"(","revision":2},{"id":"x","revision":1}])");
  EXPECT_EQ(results.at(0).at("claim").as_int64(), body(get(id)).at("claim").as_int64());
  EXPECT_EQ(results.at(0).at("message").as_string(), "Hi, ");
  EXPECT_EQ(results.at(0).at("lease_ms").as_int64(), 10'000);
  EXPECT_EQ(results.at(1).at("refused").as_string(), "stale");
  EXPECT_EQ(results.at(2).at("refused").as_string(), "not_found");
}

TEST_F(Api, AClaimedMessageIsHeldUntilItIsReleased) {
  const auto id = post();
  const auto entry = R"([{"id":")" + id + R"(","revision":1}])";
  const auto first = claim(entry).at(0).at("claim").as_int64();
  EXPECT_EQ(claim(entry).at(0).at("refused").as_string(), "held");
  const auto claimed = R"([{"id":")" + id + R"(","revision":1,"claim":)" + std::to_string(first) + "}]";
  EXPECT_EQ(body(w_.ask("POST", "/releases", claimed)).at(0).at("status").as_string(), "pending");
  EXPECT_NE(claim(entry).at(0).at("claim").as_int64(), first);
}

TEST_F(Api, LeasesAreExtendedForTheLatestClaimOnly) {
  const auto id = post();
  const auto claimed = claim(R"([{"id":")" + id + R"(","revision":1}])").at(0).at("claim").as_int64();
  const auto extend = [&](std::int64_t claim_number) {
    return body(w_.ask("POST", "/leases",
                       R"([{"id":")" + id + R"(","revision":1,"claim":)" + std::to_string(claim_number) + "}]"))
        .at(0);
  };
  EXPECT_EQ(extend(claimed).at("lease_ms").as_int64(), 10'000);
  EXPECT_EQ(extend(claimed + 1).at("refused").as_string(), "stale");
}

TEST_F(Api, AMessageLeftUnansweredTwiceNeedsAlone) {
  const auto id = post();
  const auto entry = R"([{"id":")" + id + R"(","revision":1}])";
  for (int i = 0; i < 2; ++i) {
    claim(entry);
    w_.world.advance(milliseconds(10'000));
  }
  EXPECT_EQ(claim(entry).at(0).at("refused").as_string(), "needs_alone");
  EXPECT_TRUE(claim(R"([{"id":")" + id + R"(","revision":1,"alone":true}])").at(0).as_object().contains("claim"));
}

TEST_F(Api, BatchesThatCannotBeReadAreRefusedWhole) {
  for (const auto* bad : {"", "{}", "[1]", R"([{"id":"x"}])", R"([{"id":1,"revision":1}])",
                          R"([{"id":"x","revision":0}])", R"([{"id":"x","revision":1,"alone":1}])"})
    EXPECT_EQ(w_.ask("POST", "/claims", bad).status, 422) << bad;
  EXPECT_EQ(w_.ask("POST", "/leases", R"([{"id":"x","revision":1}])").status, 422) << "without a claim";
  std::string many = "[";
  for (int i = 0; i < 1'001; ++i) many += std::string(i ? "," : "") + R"({"id":"x","revision":1})";
  const auto too_many = w_.ask("POST", "/claims", many + "]");
  EXPECT_EQ(too_many.status, 422);
  EXPECT_THAT(text_of(too_many, "detail"), HasSubstr("broker.http.claims_max"));
}

TEST_F(Api, ReadinessTellsTheStoreFromThePlatform) {
  EXPECT_EQ(w_.ask("GET", "/healthz").status, 200);
  EXPECT_EQ(text_of(w_.ask("GET", "/readyz"), "status"), "ok");
  w_.parts->run(false);
  w_.engine.away = true;
  w_.world.advance(milliseconds(300));
  const auto degraded = w_.ask("GET", "/readyz");
  EXPECT_EQ(degraded.status, 200);
  EXPECT_EQ(text_of(degraded, "status"), "degraded");
  EXPECT_NE(text_of(degraded, "platform_because"), "");
  w_.disk->failing = unavailable(unavailable::reason::away, "nobody answers");
  const auto away = w_.ask("GET", "/readyz");
  EXPECT_EQ(away.status, 503);
  EXPECT_EQ(text_of(away, "store"), "away");
  EXPECT_EQ(text_of(away, "store_because"), "nobody answers");
  w_.disk->failing.reset();
}

TEST_F(Api, NotReadyWhileTheStoreCanOnlyBeRead) {
  w_.disk->failing_writes = unavailable(unavailable::reason::full, "full");
  EXPECT_EQ(w_.ask("GET", "/readyz").status, 503) << "the first look writes";
  EXPECT_THROW(w_.ask("POST", "/", R"({"message":"Hi, "})"), unavailable);
  EXPECT_EQ(w_.ask("GET", "/queues").status, 200);
  EXPECT_EQ(w_.ask("GET", "/readyz").status, 503);
  w_.disk->failing_writes.reset();
  EXPECT_EQ(w_.ask("GET", "/readyz").status, 200) << "nobody else may write, to a broker that is not ready";
  const auto tried = w_.disk->tried_writes;
  EXPECT_EQ(w_.ask("GET", "/readyz").status, 200);
  EXPECT_EQ(w_.disk->tried_writes, tried) << "while the store can be written a look only reads";
}

TEST_F(Api, AStoreThatCanOnlyBeReadIsToldOnce) {
  std::vector<std::string> told;
  log::redirect([&](const log::line& line) {
    if (line.component == "store") told.emplace_back(line.text);
  });
  w_.disk->failing_writes = unavailable(unavailable::reason::full, "full");
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(w_.ask("POST", "/", R"({"message":"Hi, "})"), unavailable);
    w_.ask("GET", "/queues");
    w_.ask("PUT", "/messages/" + to_string(w_.messages->new_id()), R"({"message":"x"})", {{"If-Match", "*"}});
  }
  w_.disk->failing_writes.reset();
  w_.ask("POST", "/", R"({"message":"Hi, "})");
  log::redirect(nullptr);
  EXPECT_THAT(told, testing::ElementsAre(testing::HasSubstr("cannot be used"), "is there again"));
}

TEST_F(Api, AStoreThatTakesOnlySomeChangesIsToldOnceAndNotReady) {
  std::vector<std::string> told;
  log::redirect([&](const log::line& line) {
    if (line.component == "store") told.emplace_back(line.text);
  });
  const auto first = w_.accept("Hi, "), second = w_.accept("Hi, ");
  w_.disk->failing_inserts = unavailable(unavailable::reason::refused, "no INSERT");
  for (const auto& id : {first, second}) {
    EXPECT_THROW(w_.ask("POST", "/", R"({"message":"Hi, "})"), unavailable);
    EXPECT_EQ(w_.ask("DELETE", "/messages/" + to_string(id)).status, 200) << "what was done is not taken back";
    EXPECT_EQ(w_.ask("GET", "/readyz").status, 503);
  }
  w_.disk->failing_inserts.reset();
  EXPECT_EQ(w_.ask("GET", "/readyz").status, 200);
  log::redirect(nullptr);
  EXPECT_THAT(told, testing::ElementsAre(testing::HasSubstr("cannot be used"), "is there again"));
}

TEST_F(Api, WhatComesBackIsReadyOnlyWhenItCanBeWritten) {
  EXPECT_EQ(w_.ask("GET", "/readyz").status, 200);
  w_.disk->failing = unavailable(unavailable::reason::away, "away");
  const auto any = "/messages/" + to_string(w_.messages->new_id());
  EXPECT_THROW(w_.ask("GET", any), unavailable);
  w_.disk->failing.reset();
  w_.disk->failing_writes = unavailable(unavailable::reason::away, "a standby");
  EXPECT_EQ(w_.ask("GET", any).status, 404);
  EXPECT_EQ(w_.ask("GET", "/readyz").status, 503);
  w_.disk->failing_writes.reset();
}

TEST_F(Api, ABatchOfWhichAPartMayHaveBeenDoneDoesNotClaimThatNothingWasChanged) {
  const auto id = post();
  const auto one = R"({"id":")" + id + R"(","revision":1,"message":"Hi, X."})";
  const auto reason_of = [&](const std::string& path, const std::string& entries) {
    w_.disk->failing = unavailable(unavailable::reason::away, "away");
    std::optional<unavailable::reason> why;
    try {
      w_.ask("POST", path, entries);
    } catch (const unavailable& failed) {
      why = failed.why();
    }
    w_.disk->failing.reset();
    return why;
  };
  EXPECT_EQ(reason_of("/answers", "[" + one + "," + one + "]"), unavailable::reason::outcome_unknown);
  EXPECT_EQ(reason_of("/answers", "[" + one + "]"), unavailable::reason::away);
  const auto ready = R"({"id":")" + id + R"(","revision":1})";
  EXPECT_EQ(reason_of("/claims", "[" + ready + "," + ready + "]"), unavailable::reason::outcome_unknown);
}

TEST_F(Api, AStoreThatIsAwayIsThrownToTheHttpBorder) {
  w_.disk->failing = unavailable(unavailable::reason::full, "full");
  EXPECT_THROW(w_.ask("POST", "/", R"({"message":"Hi, "})"), unavailable);
  w_.disk->failing.reset();
}

// ---- failures, ends and their undoing ----

TEST_F(Api, AFailureIsNotedWithItsReason) {
  const auto id = post();
  const auto told = fail(id, "broke");
  EXPECT_EQ(told.at(0).at("status").as_string(), "pending");
  EXPECT_EQ(told.at(0).at("failures").as_int64(), 1);
  const auto shown = body(get(id));
  EXPECT_EQ(shown.at("attempts").at(0).at("error").as_string(), "broke");
  EXPECT_EQ(shown.at("failures").as_int64(), 1);
}

TEST_F(Api, TheHistoryTellsWhatBecameOfEachRevisionAndByWhom) {
  const auto id = post();
  fail(id, "broke");
  w_.world.advance(milliseconds(10'000));
  const auto received = w_.ask("POST", "/queues/topic-a/receive", R"({"service":"greeter","worker":"w"})");
  ASSERT_EQ(body(received).at("deliveries").as_array().size(), 1U) << received.body;
  w_.ask("POST", "/answers", R"([{"id":")" + id + R"(","revision":1,"message":"Hi, X. Bye!"}])");
  const auto told = body(w_.ask("GET", "/messages/" + id + "/history"));
  EXPECT_EQ(told.at("status").as_string(), "done");
  const auto& steps = told.at("history").as_array();
  ASSERT_EQ(steps.size(), 2U) << told;
  EXPECT_EQ(steps[0].at("what").as_string(), "failed");
  EXPECT_EQ(steps[0].at("error").as_string(), "broke");
  EXPECT_EQ(steps[1].at("what").as_string(), "answered");
  EXPECT_EQ(steps[1].at("queue").as_string(), "topic-a");
  EXPECT_EQ(steps[1].at("by").as_string(), "greeter/w");
  EXPECT_EQ(w_.ask("GET", "/messages/x/history").status, 404);
}

TEST_F(Api, TheHistoryTellsWhatEachRevisionSaidAndHowLongItTook) {
  const auto id = body(w_.ask("POST", "/queues/orders/messages", R"({"message":{"n":2.50}})")).at("id").as_string();
  const std::string path = "/messages/" + std::string(id);
  w_.world.advance(milliseconds(2'000));
  const auto received = body(w_.ask("POST", "/queues/orders/receive", R"({"service":"pack","worker":"w"})"));
  const auto claim = received.at("deliveries").at(0).at("claim").as_int64();
  w_.world.advance(milliseconds(700));
  w_.ask("POST", "/answers",
         R"([{"id":")" + std::string(id) + R"(","revision":1,"claim":)" + std::to_string(claim) +
             R"(,"message_base64":"aGk=","done":true}])");
  const auto reply = w_.ask("GET", path + "/history");
  EXPECT_THAT(reply.body, HasSubstr(R"("message":{"n":2.50})")) << "as it was sent";
  const auto told = body(reply);
  ASSERT_EQ(told.at("revisions").as_array().size(), 2U) << told;
  const auto& first = told.at("revisions").at(0).as_object();
  EXPECT_EQ(first.at("queue"), "orders");
  EXPECT_EQ(first.at("content_type"), "application/json");
  EXPECT_EQ(first.at("stored_at"), told.at("created_at"));
  EXPECT_EQ(first.at("by"), "pack/w");
  EXPECT_EQ(first.at("claim"), claim);
  EXPECT_GE(first.at("waited_ms").as_int64(), 2'000);
  EXPECT_GE(first.at("worked_ms").as_int64(), 700);
  EXPECT_EQ(first.at("answered_at"), told.at("history").at(0).at("at"));
  EXPECT_EQ(told.at("history").at(0).at("claim"), claim);
  const auto& last = told.at("revisions").at(1).as_object();
  EXPECT_EQ(last.at("message_base64"), "aGk=");
  EXPECT_EQ(last.at("stored_at"), first.at("answered_at"));
  EXPECT_FALSE(last.contains("claim"));
  EXPECT_FALSE(told.as_object().contains("unreadable"));
}

TEST_F(Api, WhatHasEndedCanBeErasedForGood) {
  const auto id = post();
  EXPECT_EQ(w_.ask("POST", "/messages/" + id + "/erase").status, 409) << "it is pending";
  fail(id, "the secret is 42", R"(,"final":true)");
  const auto reply = w_.ask("POST", "/messages/" + id + "/erase");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto erased = body(reply).as_object();
  EXPECT_EQ(erased.at("message"), "");
  EXPECT_EQ(erased.at("status"), "dead");
  EXPECT_TRUE(erased.contains("erased_at"));
  EXPECT_FALSE(erased.contains("attempts"));
  EXPECT_EQ(body(w_.ask("POST", "/messages/" + id + "/erase")).at("erased_at"), erased.at("erased_at")) << "so already";
  const auto told = w_.ask("GET", "/messages/" + id + "/history");
  EXPECT_THAT(told.body, testing::Not(testing::AnyOf(HasSubstr("Hi,"), HasSubstr("secret"))));
  EXPECT_EQ(body(told).at("revisions").at(0).at("content_gone"), true);
  EXPECT_EQ(body(told).at("history").as_array().back().at("what"), "erased");
  const auto retried = w_.ask("POST", "/messages/" + id + "/retry");
  EXPECT_EQ(retried.status, 409);
  EXPECT_THAT(retried.body, HasSubstr("was erased at"));
  EXPECT_THAT(w_.ask("GET", "/messages/" + id + "/explain").body, HasSubstr("what it said was erased"));
  EXPECT_EQ(field(w_.ask("GET", "/messages/" + id), "ETag"), "\"1-dead-erased\"");
  EXPECT_EQ(w_.ask("POST", "/messages/x/erase").status, 404);
}

TEST_F(Api, AFinalFailureEndsTheMessageAtOnce) {
  const auto id = post();
  EXPECT_EQ(fail(id, "no such product", R"(,"final":true)").at(0).at("status").as_string(), "dead");
  EXPECT_EQ(body(get(id)).at("attempts").at(0).at("error").as_string(), "no such product");
}

TEST_F(Api, WhetherAFailureIsFinalIsTrueOrFalse) {
  const auto reply = w_.ask("POST", "/failures", R"([{"id":"x","revision":1,"claim":1,"final":"yes"}])");
  EXPECT_EQ(reply.status, 422);
  EXPECT_NE(text_of(reply, "detail").find("\"final\" must be true or false"), std::string::npos) << reply.body;
}

TEST_F(Api, AFailureOfAnotherClaimIsRefused) {
  const auto id = post();
  const auto told = body(w_.ask("POST", "/failures", R"([{"id":")" + id + R"(","revision":1,"claim":7,"error":"x"}])"));
  EXPECT_EQ(told.at(0).at("refused").as_string(), "stale");
}

TEST_F(Api, AnswersMayComeTogether) {
  const auto id = post();
  const auto told = body(w_.ask("POST", "/answers",
                                R"([{"id":")" + id + R"(","revision":1,"message":"Hi, X."},{"id":")" + id +
                                    R"(","revision":7,"message":"Hi, Y."}])"));
  EXPECT_EQ(told.at(0).at("revision").as_int64(), 2);
  EXPECT_EQ(told.at(0).at("status").as_string(), "pending");
  EXPECT_EQ(told.at(1).at("refused").as_string(), "stale");
  EXPECT_EQ(text_of(get(id), "message"), "Hi, X.");
}

TEST_F(Api, AnAnswerMayNameItsClaim) {
  const auto id = post();
  const auto answer = [&](int revision) {
    const auto entry =
        R"([{"id":")" + id + R"(","claim":7,"revision":)" + std::to_string(revision) + R"(,"message":"Hi, X."}])";
    return body(w_.ask("POST", "/answers", entry)).at(0).as_object();
  };
  EXPECT_EQ(answer(1).at("refused").as_string(), "stale") << "nobody was given one";
  claim(R"([{"id":")" + id + R"(","revision":1}])");
  EXPECT_EQ(answer(1).at("revision").as_int64(), 2) << "the first answer wins, whatever claim it names";
}

TEST_F(Api, AnAnswerWithoutATextThatCanBeStoredChangesNothing) {
  const auto id = post();
  for (const std::string text : {"", R"(,"message_base64":7)", R"(,"message":"a\u0000b")"}) {
    const auto got = w_.ask("POST", "/answers", R"([{"id":")" + id + R"(","revision":1)" + text + "}]");
    EXPECT_EQ(got.status, 422);
    EXPECT_THAT(text_of(got, "detail"), testing::StartsWith("Entry 0"));
  }
  EXPECT_EQ(w_.ask("POST", "/answers", R"({"id":"x"})").status, 422);
  EXPECT_EQ(body(get(id)).at("revision").as_int64(), 1);
}

TEST_F(Api, ALongReasonIsCutBetweenTwoCharacters) {
  const auto id = post();
  std::string reason;
  while (reason.size() < 3'000) reason += "é";
  fail(id, "x" + reason);
  const auto kept = std::string(body(get(id)).at("attempts").at(0).at("error").as_string());
  EXPECT_EQ(kept.size(), 999U);
}

TEST_F(Api, DeleteCancelsAndRetryTakesItBack) {
  const auto id = post();
  EXPECT_EQ(text_of(w_.ask("DELETE", "/messages/" + id), "status"), "cancelled");
  EXPECT_EQ(w_.ask("DELETE", "/messages/" + id).status, 200) << "it is so already";
  EXPECT_EQ(field(get(id), "ETag"), "\"1-cancelled\"");
  EXPECT_EQ(text_of(w_.ask("POST", "/messages/" + id + "/retry"), "status"), "pending");
  EXPECT_EQ(w_.ask("POST", "/messages/" + id + "/retry").status, 200);
  EXPECT_EQ(w_.ask("DELETE", std::string("/messages/") + unknown_id).status, 404);
  EXPECT_EQ(w_.ask("POST", "/messages/nonsense/retry").status, 404);
}

TEST_F(Api, WhatIsDoneIsNeitherCancelledNorRetried) {
  const auto id = post();
  put(id, "\"1\"", "Hi, X. Bye!");
  EXPECT_EQ(w_.ask("DELETE", "/messages/" + id).status, 409);
  EXPECT_EQ(w_.ask("POST", "/messages/" + id + "/retry").status, 409);
}

TEST_F(Api, ACancelledMessageWakesWhoWaitsForIt) {
  const auto id = post();
  http::request asked{"GET", "/messages/" + id, {{"Prefer", "wait=50"}}, ""};
  const auto waiting = w_.world.start(w_.api->handle(asked));
  w_.ask("DELETE", "/messages/" + id);
  w_.world.settle();
  ASSERT_TRUE(*waiting);
  EXPECT_EQ(text_of(**waiting, "status"), "cancelled");
}

// ---- later, not for ever, once ----

TEST_F(Api, DeliverAtHoldsAMessageBack) {
  const auto reply = w_.ask("POST", "/messages", R"({"message":"Hi, ","deliver_at":"2999-01-01T00:00:00Z"})");
  ASSERT_EQ(reply.status, 202);
  EXPECT_EQ(w_.depth("topic-a"), 0U);
  const auto shown = body(get(text_of(reply, "id")));
  EXPECT_TRUE(shown.at("held").as_bool());
  EXPECT_EQ(shown.at("due").as_string(), "2999-01-01T00:00:00.000Z");
}

TEST_F(Api, TimesThatCannotBeReadAreRefusedByName) {
  for (const auto* bad : {"\"tomorrow\"", "5", "\"2026-13-01T00:00:00Z\"", "\"2026-01-01\"", "\"2026-01-01T00:00:00\""})
    for (const std::string name : {"deliver_at", "expires_at"}) {
      const auto reply = w_.ask("POST", "/messages", R"({"message":"Hi, ",")" + name + R"(":)" + bad + "}");
      EXPECT_EQ(reply.status, 422);
      EXPECT_THAT(text_of(reply, "detail"), HasSubstr(name));
    }
  const auto order =
      w_.ask("POST", "/messages",
             R"({"message":"Hi, ","deliver_at":"2030-01-01T00:00:00Z","expires_at":"2029-01-01T00:00:00Z"})");
  EXPECT_EQ(order.status, 422);
  const auto nobody = w_.ask("POST", "/messages", R"({"message":"x","done":true,"deliver_at":"2030-01-01T00:00:00Z"})");
  EXPECT_EQ(nobody.status, 422);
  EXPECT_THAT(text_of(nobody, "detail"), HasSubstr("delivered to nobody"));
}

TEST_F(Api, AMassRetryOfNoQueueIsNotOneOfAll) {
  const auto reply = w_.ask("POST", "/retries", R"({"queue":""})");
  EXPECT_EQ(reply.status, 422);
  EXPECT_THAT(text_of(reply, "detail"), HasSubstr("leave it out for all"));
}

TEST_F(Api, AnIdempotencyKeyMakesOneMessage) {
  const http::headers key{{"Idempotency-Key", "k-1"}};
  const auto first = w_.ask("POST", "/messages", R"({"message":"Hi, "})", key);
  const auto again = w_.ask("POST", "/messages", R"( {"message":"Hi, "} )", key);
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(text_of(again, "id"), text_of(first, "id"));
  EXPECT_EQ(w_.disk->size(), 1U);
  EXPECT_EQ(w_.depth("topic-a"), 1U);
  const auto other = w_.ask("POST", "/messages", R"({"message":"Hi,"})", key);
  EXPECT_EQ(other.status, 422);
  EXPECT_THAT(text_of(other, "detail"), HasSubstr("Idempotency-Key"));
}

TEST_F(Api, AnIdempotencyKeyThatIsUsedAgainAnswersWithWhatTheMessageHasBecome) {
  const http::headers key{{"Idempotency-Key", "k-1"}, {"Prefer", "wait=5"}};
  http::request asked{"POST", "/messages", key, R"({"message":"Hi, "})"};
  auto asked_first = asked;
  const auto first = w_.world.start(w_.api->handle(asked_first));
  EXPECT_EQ(asked_first.body, "") << "nobody needs it while the request waits";
  const auto id = w_.take("topic-a").id;
  w_.world.run(w_.messages->answer(id, 1, "Hi, X. Bye!"));
  const auto again = w_.world.run(w_.api->handle(asked));
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(text_of(again, "message"), "Hi, X. Bye!");
}

TEST_F(Api, AnIdempotencyKeyIsPrintableAndNotEndless) {
  for (const auto& bad : {std::string(), std::string(256, 'k'), std::string("a\xffz")})
    EXPECT_EQ(w_.ask("POST", "/messages", R"({"message":"Hi, "})", http::headers{{"Idempotency-Key", bad}}).status,
              422);
}

// ---- lists ----

TEST_F(Api, ListsInPages) {
  for (int i = 0; i < 5; ++i) post();
  std::vector<std::string> ids;
  std::string after;
  do {
    const auto page = body(w_.ask("GET", "/messages?status=pending&queue=topic-a&limit=2&after=" + after));
    for (const auto& m : page.at("messages").as_array()) ids.emplace_back(m.at("id").as_string());
    const auto* next = page.as_object().if_contains("next");
    after = next ? std::string(next->as_string()) : "";
  } while (!after.empty());
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 5U);
  EXPECT_EQ(ids.size(), 5U);
}

TEST_F(Api, ARowThatCannotBeReadIs503AndCostsNobodyElse) {
  const auto bad = post(), good = post();
  w_.disk->unreadable.insert(*parse_uuid(bad));
  for (const auto& [method, path] :
       std::vector<std::pair<std::string, std::string>>{{"GET", "/messages/" + bad},
                                                        {"GET", "/?id=" + bad},
                                                        {"DELETE", "/messages/" + bad},
                                                        {"POST", "/messages/" + bad + "/retry"}}) {
    const auto reply = w_.ask(method, path);
    EXPECT_EQ(reply.status, 503) << method << " " << path;
    EXPECT_THAT(text_of(reply, "detail"),
                testing::AllOf(HasSubstr(bad), HasSubstr("cannot be read"), HasSubstr("log")));
    EXPECT_EQ(field(reply, "Retry-After"), "none") << "trying again does not mend it";
  }
  EXPECT_EQ(put(bad, "*", "Hi, X.").status, 503);
  EXPECT_EQ(get(good).status, 200);
  const auto claims = claim(R"([{"id":")" + bad + R"(","revision":1},{"id":")" + good + R"(","revision":1}])");
  EXPECT_EQ(claims.at(0).at("refused").as_string(), "unreadable");
  EXPECT_EQ(claims.at(1).at("message").as_string(), "Hi, ");
  const auto listed = body(w_.ask("GET", "/messages")).at("messages").as_array();
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].at("id").as_string(), good);
}

TEST_F(Api, AListThatCannotBeIsRefused) {
  for (const auto* query :
       {"status=finished", "status=DEAD", "limit=0", "limit=1001", "limit=x", "limit=+5", "limit=%2B5", "limit=05",
        "limit=-1", "limit=5.0", "limit=1e2", "limit=18446744073709551617", "limit= 5", "after=x"}) {
    const auto reply = w_.ask("GET", std::string("/messages?") + query);
    EXPECT_EQ(reply.status, 422) << query;
  }
  EXPECT_THAT(text_of(w_.ask("GET", "/messages?limit=1001"), "detail"), HasSubstr("broker.http.page_max"));
}

TEST_F(Api, APageEndsByItsBytesAndSaysWhereToGoOn) {
  const std::string large(700'000, ' ');
  for (int i = 0; i < 5; ++i) w_.accept("Hi," + large);
  w_.accept("Hi,");
  std::string after;
  std::vector<std::size_t> pages;
  do {
    const auto reply = w_.ask("GET", "/messages?limit=1000&after=" + after);
    EXPECT_LT(reply.body.size(), (1U << 20) + 1'000);
    pages.push_back(body(reply).at("messages").as_array().size());
    const auto page = body(reply);
    const auto* next = page.as_object().if_contains("next");
    after = next ? std::string(next->as_string()) : "";
  } while (!after.empty());
  EXPECT_EQ(std::accumulate(pages.begin(), pages.end(), std::size_t{0}), 6U) << "each message once";
  EXPECT_GE(pages.size(), 5U);
}

TEST_F(Api, APageCountsTheBytesThatItIsWrittenWith) {
  // JSON writes each as six; the store's own bound counts it as one.
  const std::string unseen(200'000, '\x01');
  for (int i = 0; i < 4; ++i) w_.accept("Hi, " + unseen + ".");
  const auto reply = w_.ask("GET", "/messages");
  EXPECT_LT(reply.body.size(), 2U << 20);
  EXPECT_EQ(body(reply).at("messages").as_array().size(), 1U) << "the first comes whatever its size";
  EXPECT_TRUE(body(reply).as_object().contains("next"));
}

TEST_F(Api, AListThatTheStoreCannotTakeIsRefused) {
  w_.disk->unfit_filter = "no such character";
  const auto reply = w_.ask("GET", "/messages?queue=%01");
  EXPECT_EQ(reply.status, 422);
  EXPECT_THAT(reply.body, testing::HasSubstr("no such character"));
}

TEST_F(Api, QueuesTellWhatWaitsAndWhatDied) {
  post();
  const auto queues = body(w_.ask("GET", "/queues")).at("queues").as_array();
  ASSERT_EQ(queues.size(), 2U) << "also the one that holds nothing";
  EXPECT_EQ(queues[0].at("queue").as_string(), "topic-a");
  EXPECT_EQ(queues[0].at("pending").as_int64(), 1);
  EXPECT_EQ(queues[0].at("engine_depth").to_number<int>(), 1);
  EXPECT_TRUE(queues[1].at("oldest_age_ms").is_null());
  w_.engine.away = true;
  EXPECT_TRUE(body(w_.ask("GET", "/queues")).at("queues").at(0).at("engine_depth").is_null());
}

TEST_F(Api, AQueueTellsHowFastItIsWorkedOffAndByWhom) {
  w_.world.advance(milliseconds(60'000));
  for (int i = 0; i < 60; ++i) w_.ask("POST", "/queues/orders/messages", R"({"message":"x"})");
  const auto got = body(w_.ask("POST", "/queues/orders/receive", R"({"max":6,"service":"pack","worker":"w"})"));
  json::array outcomes;
  for (const auto& d : got.at("deliveries").as_array())
    outcomes.push_back(
        {{"id", d.at("id")}, {"revision", 1}, {"claim", d.at("claim")}, {"message", "y"}, {"done", true}});
  w_.ask("POST", "/answers", json::serialize(outcomes));
  const auto told = body(w_.ask("GET", "/queues/orders"));
  EXPECT_EQ(told.at("queue"), "orders");
  EXPECT_EQ(told.at("pending"), 54);
  EXPECT_EQ(told.at("rate_in_per_s").to_number<double>(), 1);
  EXPECT_NEAR(told.at("rate_out_per_s").to_number<double>(), 0.1, 1e-9);
  EXPECT_EQ(told.at("services").at(0).at("name"), "pack");
  EXPECT_EQ(told.at("receivers"), 0);
  const auto points = body(w_.ask("GET", "/queues/orders/rates")).at("points").as_array();
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(points[0].at("in"), 60);
  EXPECT_EQ(points[0].at("out"), 6);
  EXPECT_EQ(points[0].at("pending"), 54);
}

TEST_F(Api, WhoIsParkedForAQueueIsCounted) {
  http::request asked{"POST", "/queues/orders/receive", {{"Prefer", "wait=5"}}, R"({"service":"pack"})"};
  const auto parked = w_.world.start(w_.api->handle(asked));
  const auto told = body(w_.ask("GET", "/queues/orders"));
  EXPECT_EQ(told.at("receivers"), 1);
  EXPECT_EQ(told.at("services").at(0).at("name"), "pack");
  w_.world.advance(milliseconds(5'000));
  EXPECT_EQ(body(w_.ask("GET", "/queues/orders")).at("receivers"), 0);
}

TEST_F(Api, AQueueThatNobodyHasUsedHasNothing) {
  const auto told = body(w_.ask("GET", "/queues/never-heard-of"));
  EXPECT_EQ(told.at("pending"), 0);
  EXPECT_TRUE(body(w_.ask("GET", "/queues/never-heard-of/rates")).at("points").as_array().empty());
  EXPECT_EQ(w_.ask("GET", "/queues/no%20queue").status, 422);
}

TEST_F(Api, RetriesAreStartedAndWatched) {
  w_.ask("DELETE", "/messages/" + post());
  EXPECT_EQ(w_.ask("POST", "/retries", R"({"status":"done"})").status, 422);
  EXPECT_EQ(w_.ask("POST", "/retries", R"(["x"])").status, 422);
  const auto started = w_.ask("POST", "/retries", R"({"status":"cancelled","queue":"topic-a"})");
  EXPECT_TRUE(body(started).at("running").as_bool());
  w_.world.advance(milliseconds(1'000));
  EXPECT_EQ(body(w_.ask("GET", "/retries")).at("retried").to_number<int>(), 1);
}

TEST_F(Api, MetricsTellWhatHappenedAndWhatIs) {
  put(post(), "\"1\"", "Hi, X. Bye!");
  const auto waiting = post();
  put(waiting, "\"7\"", "Hi, X.");
  claim(R"([{"id":")" + waiting + R"(","revision":9}])");
  const auto reply = w_.ask("GET", "/metrics");
  EXPECT_THAT(field(reply, "Content-Type"), HasSubstr("version=0.0.4"));
  for (const auto* line :
       {"amc_messages_accepted_total 2\n", "amc_messages_ended_total{status=\"done\"} 1\n",
        "amc_answers_refused_total{reason=\"stale\"} 1\n", "amc_claims_refused_total{reason=\"stale\"} 1\n",
        "amc_messages{queue=\"topic-a\",status=\"pending\"} 1\n", "amc_end_to_end_duration_seconds_count 1\n",
        "amc_rings_total{by=\"relay\",messaging_destination_name=\"topic-a\"} 2\n", "amc_waiters 0\n",
        "amc_store_reachable 1\n", "amc_engine_reachable 1\n",
        "messaging_client_sent_messages_total{messaging_destination_name=\"topic-a\"} 2\n",
        "http_response_status_code=\"412\",http_route=\"/messages/*\"} 1\n"})
    EXPECT_THAT(reply.body, HasSubstr(line));
  EXPECT_THAT(reply.body, testing::Not(HasSubstr(waiting))) << "no label names a message";
}

TEST_F(Api, MetricsAreToldWhileTheStoreIsAwayButForWhatIsThere) {
  post();
  w_.ask("GET", "/metrics");
  w_.disk->failing = unavailable(unavailable::reason::away, "away");
  const auto reply = w_.ask("GET", "/metrics");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, HasSubstr("amc_messages_accepted_total 1\n"));
  EXPECT_THAT(reply.body, HasSubstr("amc_store_reachable 0\n"));
  EXPECT_THAT(reply.body, testing::Not(HasSubstr("amc_messages{"))) << "what was there before";
}

TEST_F(Api, AMessageGoesWhereItSays) {
  const auto named = text_of(w_.ask("POST", "/messages", R"({"message":"no route","queue":"orders"})"), "id");
  const auto by_path = text_of(w_.ask("POST", "/queues/orders/messages", R"({"message":"no route"})"), "id");
  const auto done = w_.ask("POST", "/messages", R"({"message":"no route","done":true})");
  EXPECT_EQ(w_.find(*parse_uuid(named))->queue, "orders");
  EXPECT_EQ(w_.find(*parse_uuid(by_path))->queue, "orders");
  EXPECT_EQ(text_of(done, "status"), "done");
  EXPECT_EQ(w_.ask("POST", "/queues/orders/messages", R"({"message":"x","queue":"orders"})").status, 202);
}

TEST_F(Api, AnAnswerGoesWhereItSays) {
  const auto id = *parse_uuid(post());
  const http::headers first{{"If-Match", "\"1\""}}, second{{"If-Match", "\"2\""}};
  const auto path = "/messages/" + to_string(id);
  EXPECT_EQ(w_.ask("PUT", path, R"({"message":"no route","queue":"invoices"})", first).status, 200);
  EXPECT_EQ(w_.find(id)->queue, "invoices");
  const auto entry = R"({"id":")" + to_string(id) + R"(","revision":2,"message":"no route","done":true})";
  EXPECT_EQ(body(w_.ask("POST", "/answers", "[" + entry + "]")).at(0).at("status").as_string(), "done");
}

TEST_F(Api, ADestinationThatCannotBeIsRefusedByName) {
  const auto id = post();
  const std::pair<const char*, const char*> bad[] = {{R"({"message":"x","queue":""})", "A queue's name"},
                                                     {R"({"message":"x","queue":"a b"})", "A queue's name"},
                                                     {R"({"message":"x","queue":"a\u0000"})", "A queue's name"},
                                                     {R"({"message":"x","queue":1})", "\"queue\""},
                                                     {R"({"message":"x","done":"yes"})", "\"done\""},
                                                     {R"({"message":"x","queue":"a","done":true})", "not both"},
                                                     {R"({"message":"no route","done":false})", "No route"}};
  for (const auto& [asked, named] : bad) {
    for (const auto& reply : {w_.ask("POST", "/messages", asked),
                              w_.ask("PUT", "/messages/" + id, asked, http::headers{{"If-Match", "\"1\""}})}) {
      EXPECT_EQ(reply.status, 422) << asked;
      EXPECT_THAT(text_of(reply, "detail"), HasSubstr(named)) << asked;
    }
  }
  const auto other = w_.ask("POST", "/queues/orders/messages", R"({"message":"x","queue":"invoices"})");
  EXPECT_EQ(other.status, 422);
  EXPECT_THAT(text_of(other, "detail"), HasSubstr("\"orders\""));
}

TEST_F(Api, TheRootLeavesDestinationsToTheRoutes) {
  const auto reply = w_.ask("POST", "/", R"({"message":"Hi, ","queue":7,"done":"x"})");
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(w_.find(*parse_uuid(text_of(reply, "id")))->queue, "topic-a");
}

TEST_F(Api, AKeyThatWasUsedForOneQueueIsRefusedForAnother) {
  const http::headers key{{"Idempotency-Key", "k"}};
  EXPECT_EQ(w_.ask("POST", "/queues/a/messages", R"({"message":"x"})", key).status, 202);
  EXPECT_EQ(w_.ask("POST", "/queues/a/messages", R"({"message":"x"})", key).status, 202);
  EXPECT_EQ(w_.ask("POST", "/queues/b/messages", R"({"message":"x"})", key).status, 422);
}

/// What a worker of any language sends and gets.
class Receive : public Api {
 protected:
  http::response receive(const std::string& body, const std::string& queue = "topic-a") {
    return w_.ask("POST", "/queues/" + queue + "/receive", body);
  }
  json::object delivery(const std::string& body = "") {
    return Api::body(receive(body)).at("deliveries").at(0).as_object();
  }
};

TEST_F(Receive, DeliversWhatWaitsWithItsClaim) {
  const auto id = post();
  const auto reply = receive(R"({"worker":"w","max":2})");
  EXPECT_EQ(reply.status, 200);
  const auto told = body(reply);
  const auto& all = told.at("deliveries").as_array();
  ASSERT_EQ(all.size(), 1U);
  const auto& d = all[0].as_object();
  EXPECT_EQ(d.at("id").as_string(), id);
  EXPECT_EQ(d.at("revision").as_int64(), 1);
  EXPECT_EQ(d.at("message").as_string(), "Hi, ");
  EXPECT_EQ(d.at("queue").as_string(), "topic-a");
  EXPECT_EQ(d.at("attempt").as_int64(), 1);
  EXPECT_EQ(d.at("lease_ms").as_int64(), 10'000);
  EXPECT_TRUE(d.contains("claim") && d.contains("created_at"));
}

TEST_F(Receive, TakesNoBodyAtAll) {
  post();
  EXPECT_EQ(delivery("").at("message").as_string(), "Hi, ");
}

TEST_F(Receive, SettlesWhatItBringsAlongBeforeItLooks) {
  post();
  const auto first = delivery(R"({"worker":"w"})");
  json::object answer{{"id", first.at("id")}, {"revision", 1}, {"message", "Hi, "}};  // it comes round again
  const json::object asked{{"worker", "w"}, {"answers", json::array{answer}}};
  const auto reply = body(receive(json::serialize(asked)));
  EXPECT_EQ(reply.at("answers").at(0).at("revision").as_int64(), 2);
  EXPECT_EQ(reply.at("deliveries").at(0).at("revision").as_int64(), 2) << "its own answer is there already";
}

TEST_F(Receive, EveryKindOfOutcomeCanBeBroughtAlong) {
  const auto failed = post(), extended = post(), released = post();
  const auto told = body(receive(R"({"worker":"w","max":3})"));
  const auto& all = told.at("deliveries").as_array();
  ASSERT_EQ(all.size(), 3U);
  const auto one = [&](const std::string& id) {
    for (const auto& d : all)
      if (d.at("id").as_string() == id)
        return json::object{{"id", id}, {"revision", 1}, {"claim", d.at("claim").as_int64()}};
    return json::object();
  };
  json::object asked{{"worker", "w"}, {"in_hand", 1}, {"max", 0}};
  asked["failures"] = json::array{one(failed)};
  asked["leases"] = json::array{one(extended)};
  asked["releases"] = json::array{one(released)};
  const auto reply = body(receive(json::serialize(asked)));
  EXPECT_EQ(reply.at("failures").at(0).at("failures").as_int64(), 1);
  EXPECT_EQ(reply.at("leases").at(0).at("lease_ms").as_int64(), 10'000);
  EXPECT_EQ(reply.at("releases").at(0).at("status").as_string(), "pending");
}

TEST_F(Receive, ARefusedOutcomeIsAnsweredAtOnceAndNothingIsHandedOut) {
  const auto id = post();
  http::request asked{"POST",
                      "/queues/topic-a/receive",
                      {{"Prefer", "wait=20"}},
                      R"({"answers":[{"id":")" + id + R"(","revision":7,"message":"Hi, X."}]})"};
  const auto reply = w_.world.start(w_.api->handle(asked));
  ASSERT_TRUE(*reply);
  EXPECT_EQ((*reply)->status, 200);
  EXPECT_EQ(body(**reply).at("answers").at(0).at("refused").as_string(), "stale");
  EXPECT_TRUE(body(**reply).at("deliveries").as_array().empty());
  EXPECT_FALSE(w_.find(*parse_uuid(id))->held);
}

TEST_F(Receive, WaitsAsLongAsItPrefersAndNoLongerThanItMay) {
  http::request asked{"POST", "/queues/topic-a/receive", {{"Prefer", "wait=600"}}, ""};
  const auto reply = w_.world.start(w_.api->handle(asked));
  w_.world.advance(milliseconds(24'000));
  EXPECT_FALSE(*reply);
  w_.world.advance(milliseconds(2'000));
  ASSERT_TRUE(*reply);
  EXPECT_EQ(field(**reply, "Preference-Applied"), "wait=25");
  EXPECT_TRUE(body(**reply).at("deliveries").as_array().empty());
}

TEST_F(Receive, ADeliveryThatIsNotWrittenIsReleased) {
  const auto id = *parse_uuid(post());
  {
    http::request asked{"POST", "/queues/topic-a/receive", {}, R"({"worker":"w"})"};
    const auto reply = w_.world.run(w_.api->handle(asked));
    EXPECT_TRUE(w_.find(id)->held);
  }
  w_.world.settle();
  EXPECT_FALSE(w_.find(id)->held);
  EXPECT_EQ(w_.find(id)->unanswered, 0) << "it is not the worker's fault";
}

TEST_F(Receive, OutcomesThatWereSettledAreToldThoughNothingCanBeLookedAt) {
  const auto id = post();
  const auto claimed = delivery(R"({"worker":"w"})");
  w_.world.run(w_.messages->answer(*parse_uuid(id), 1, "Hi, X. Bye!"));
  // An answer that is refused would be told at once; a failure that is taken is followed by a look.
  const auto other = post();
  const auto taken = delivery(R"({"worker":"w","in_hand":1})");
  w_.disk->failing_looks = unavailable(unavailable::reason::away, "away");
  const json::object failure{{"id", other}, {"revision", 1}, {"claim", taken.at("claim").as_int64()}};
  const json::object asked{{"worker", "w"}, {"failures", json::array{failure}}};
  const auto reply = receive(json::serialize(asked));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(body(reply).at("failures").at(0).at("status").as_string(), "pending");
  EXPECT_EQ(field(reply, "Retry-After"), "1") << "who asks again at once would do so for ever";
  EXPECT_THROW(receive(R"({"worker":"w"})"), unavailable) << "with nothing settled it is 503";
}

TEST_F(Receive, RefusesWhatItCannotReadByName) {
  const std::pair<const char*, const char*> bad[] = {
      {R"({"max":-1})", "\"max\""},
      {R"({"max":1000000})", "\"max\""},
      {R"({"max":1.5})", "\"max\""},
      {R"({"max_bytes":-1})", "\"max_bytes\""},
      {R"({"in_hand":"2"})", "\"in_hand\""},
      {R"({"worker":""})", "\"worker\""},
      {R"({"worker":1})", "\"worker\""},
      {R"({"service":[]})", "\"service\""},
      {R"({"answer":[]})", "\"answers\""},
      {R"({"answers":{}})", "\"answers\""},
      {R"({"failures":[{"id":"x","revision":1}]})", "\"failures\": Entry 0"},
      {R"([])", "object"},
      {"{", "JSON"}};
  for (const auto& [asked, named] : bad) {
    const auto reply = receive(asked);
    EXPECT_EQ(reply.status, 422) << asked;
    EXPECT_THAT(text_of(reply, "detail"), HasSubstr(named)) << asked;
  }
}

TEST_F(Receive, RefusesAQueueThatCannotBe) {
  for (const auto* name : {"a%20b", "..", "%00", "x%2Fy", "%ff"}) {
    const auto reply = receive("", name);
    EXPECT_EQ(reply.status, 422) << name;
    EXPECT_THAT(text_of(reply, "detail"), HasSubstr("A queue's name")) << name;
  }
  EXPECT_EQ(receive("", std::string(101, 'q')).status, 422);
  EXPECT_EQ(receive("", std::string(100, 'q')).status, 200);
}

TEST_F(Receive, WorkersBehindOneConnectionTakeNothingFromOneAnother) {
  const auto first = *parse_uuid(post());
  const auto from = std::make_shared<http::peer>(7);
  for (int i = 0; i < 2; ++i) {
    http::request asked{"POST", "/queues/topic-a/receive"};
    asked.from = from;
    auto reply = w_.world.run(w_.api->handle(asked));
    if (reply.receipt) reply.receipt->written();
  }
  EXPECT_EQ(w_.find(first)->unanswered, 1) << "without a name nobody has lost anything";
}

}  // namespace
}  // namespace amc::api
