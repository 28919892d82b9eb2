#include "api/page.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <numeric>

#include "tests/support/broker_world.hpp"
#include "tests/support/known_by_name.hpp"

namespace amc::api {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

class Page : public testing::Test {
 protected:
  Page() { who_->add("chief", "read:* operate:orders"); }

  /// The cookie, as a browser sends it.
  std::string signed_in() {
    const auto reply = w_.ask("POST", "/ui/session", "", {{"Authorization", "Bearer chief"}});
    const auto field = reply.headers.find("Set-Cookie").value();
    return field.substr(0, field.find(';'));
  }

  std::shared_ptr<tests::known_by_name> who_ = std::make_shared<tests::known_by_name>();
  tests::broker_world w_{{}, who_};
};

TEST_F(Page, LoadsNothingFromElsewhere) {
  for (const auto& file : page_files()) {
    // What a namespace is called is never asked for.
    std::string text(file.text);
    const std::string svg = "http://www.w3.org/2000/svg";
    for (auto at = text.find(svg); at != std::string::npos; at = text.find(svg)) text.erase(at, svg.size());
    EXPECT_THAT(text, Not(HasSubstr("://"))) << file.name;
  }
  const auto reply = w_.ask("GET", "/ui/");
  EXPECT_THAT(
      reply.headers.find("Content-Security-Policy").value_or(""),
      testing::AllOf(HasSubstr("default-src 'none'"), HasSubstr("script-src 'self'"),
                     HasSubstr("frame-ancestors 'none'"), HasSubstr("base-uri 'none'"), Not(HasSubstr("unsafe"))));
}

TEST_F(Page, IsSmall) {
  const auto all = page_files();
  const auto bytes = std::accumulate(all.begin(), all.end(), std::size_t{0},
                                     [](std::size_t sum, const auto& file) { return sum + file.text.size(); });
  EXPECT_LT(bytes, 200u * 1024);
}

TEST_F(Page, AFileIsSentAgainOnlyWhereItHasChanged) {
  const auto first = w_.ask("GET", "/ui/assets/app.js");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.headers.find("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(first.headers.find("Cache-Control"), "no-cache");
  const auto tag = first.headers.find("ETag").value();
  const auto again = w_.ask("GET", "/ui/assets/app.js", "", {{"If-None-Match", "W/" + tag}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  EXPECT_EQ(w_.ask("GET", "/ui/assets/page.css", "", {{"If-None-Match", tag}}).status, 200);
}

TEST_F(Page, HasNoOtherFiles) {
  for (const auto* name : {"nothing.js", "..", "%2e%2e", "app.js%00"})
    EXPECT_EQ(w_.ask("GET", std::string("/ui/assets/") + name).status, 404) << name;
}

TEST_F(Page, IsNotThereWhereItIsTurnedOff) {
  tests::broker_world off({"broker.page.enabled=false"}, who_);
  for (const auto* path : {"/ui", "/ui/", "/ui/assets/app.js", "/ui/session"})
    EXPECT_EQ(off.ask("GET", path).status, 404);
  EXPECT_EQ(off.ask("POST", "/ui/session", "", {{"Authorization", "Bearer chief"}}).status, 404);
}

TEST_F(Page, IsOnItsOwnListenerAloneWhereThereIsOne) {
  tests::broker_world apart({"broker.admin.address=127.0.0.1"}, who_);
  const http::headers token{{"Authorization", "Bearer chief"}};
  for (const auto* path : {"/ui", "/ui/", "/ui/assets/app.js", "/ui/session"}) {
    const auto elsewhere = apart.ask("GET", path, "", token);
    EXPECT_EQ(elsewhere.status, 404) << path;
    EXPECT_THAT(elsewhere.body, HasSubstr("broker.admin.address"));
    EXPECT_LT(apart.ask("GET", path, "", token, listener::admin).status, 400) << path;
  }
  EXPECT_EQ(apart.ask("POST", "/ui/session", "", token).status, 404);
  EXPECT_EQ(apart.ask("POST", "/ui/session", "", token, listener::admin).status, 200);
}

TEST_F(Page, WhatItShowsIsAskedOfItsOwnListener) {
  tests::broker_world apart({"broker.admin.address=127.0.0.1"}, who_);
  for (const auto at : {listener::http, listener::admin}) {
    EXPECT_EQ(apart.ask("GET", "/queues", "", {{"Authorization", "Bearer chief"}}, at).status, 200);
    EXPECT_EQ(apart.ask("GET", "/queues", "", {}, at).status, 401);
  }
}

TEST_F(Page, NobodyIsNotedAsRefusedForLookingAtIt) {
  struct counting : tests::known_by_name {
    result<principal_ptr> identify(const http::request& asked, const http::peer& from) override {
      ++asked_for;
      return known_by_name::identify(asked, from);
    }
    int asked_for = 0;
  };
  const auto who = std::make_shared<counting>();
  tests::broker_world w({}, who);
  for (const auto* path : {"/ui", "/ui/", "/ui/assets/app.js", "/readyz", "/openapi.json"}) w.ask("GET", path);
  EXPECT_EQ(who->asked_for, 0);
}

TEST_F(Page, TellsWhoIsSignedInAndWhatThatAllows) {
  EXPECT_EQ(json::parse(w_.ask("GET", "/ui/session").body), json::parse(R"({"access":true})"));
  const auto told = json::parse(w_.ask("GET", "/ui/session", "", {{"Cookie", signed_in()}}).body);
  EXPECT_EQ(told, json::parse(R"({"access":true,"name":"chief",
                                  "may":{"send":[],"serve":[],"read":["*"],"operate":["orders"]}})"));
}

TEST_F(Page, WhoIsSignedInMayWhatItsTokenMay) {
  const auto cookie = signed_in();
  EXPECT_EQ(w_.ask("GET", "/queues").status, 401);
  EXPECT_EQ(w_.ask("GET", "/queues", "", {{"Cookie", cookie}}).status, 200);
  const http::headers own{{"Cookie", cookie}, {"Sec-Fetch-Site", "same-origin"}};
  EXPECT_EQ(w_.ask("POST", "/retries", R"({"queue":"orders"})", own).status, 200);
  EXPECT_EQ(w_.ask("POST", "/messages", R"({"message":"x","queue":"orders"})", own).status, 403);
  EXPECT_EQ(w_.ask("DELETE", "/ui/session", "", own).status, 200);
  EXPECT_EQ(w_.ask("GET", "/queues", "", {{"Cookie", cookie}}).status, 401);
}

TEST_F(Page, NobodySignsInWithoutAToken) {
  EXPECT_EQ(w_.ask("POST", "/ui/session").status, 401);
  const auto wrong = w_.ask("POST", "/ui/session", "", {{"Authorization", "Bearer nobody"}});
  EXPECT_EQ(wrong.status, 401);
  EXPECT_FALSE(wrong.headers.find("Set-Cookie"));
}

}  // namespace
}  // namespace amc::api
