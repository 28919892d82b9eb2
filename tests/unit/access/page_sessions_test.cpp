#include "access/page_sessions.hpp"

#include <gmock/gmock.h>

#include <chrono>

#include "tests/support/known_by_name.hpp"
#include "tests/support/manual_environment.hpp"

namespace amc::access {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// What the page's own requests have, and those of others do not.
const http::header own_page{"Sec-Fetch-Site", "same-origin"};

class PageSessions : public testing::Test {
 protected:
  PageSessions() {
    for (const auto* name : {"ann", "bob", "eve"}) tokens_->add(name, "read:*");
  }

  static http::request request(const std::string& method, std::vector<http::header> headers) {
    http::request asked{method, "/"};
    asked.headers.add("Host", "localhost:4000");
    for (auto& h : headers) asked.headers.add(h.name, h.value);
    return asked;
  }
  /// Returns the cookie as a browser sends it.
  std::string sign_in(const std::string& name) {
    const auto asked = request("POST", {{"Authorization", "Bearer " + name}, own_page});
    const auto field = sessions_.begin(asked, sessions_.identify(asked, http::peer(1, "")).value());
    return field.substr(0, field.find(';'));
  }
  std::string who(const std::string& method, std::vector<http::header> headers) {
    const auto known = sessions_.identify(request(method, std::move(headers)), http::peer(1, ""));
    return known ? (*known)->name : "";
  }
  std::string who_reads(const std::string& cookie) { return who("GET", {{"Cookie", cookie}, own_page}); }

  tests::manual_environment world_;
  std::shared_ptr<tests::known_by_name> tokens_ = std::make_shared<tests::known_by_name>();
  page_sessions sessions_{world_.env(), tokens_, {.max = 3, .lifetime = milliseconds(10'000)}};
};

TEST_F(PageSessions, TheCookieCountsAsTheToken) {
  const auto cookie = sign_in("ann");
  EXPECT_EQ(who_reads(cookie), "ann");
  EXPECT_EQ(who_reads("first=1; " + cookie + "; last=2"), "ann");
  EXPECT_EQ(who_reads(cookie + "0"), "");
  EXPECT_EQ(who_reads(cookie + "; " + cookie), "");
}

TEST_F(PageSessions, ItsNameIsRandomAndNoScriptReadsIt) {
  const auto asked = request("POST", {{"Authorization", "Bearer ann"}});
  const auto ann = sessions_.identify(asked, http::peer(1, "")).value();
  const auto one = sessions_.begin(asked, ann), other = sessions_.begin(asked, ann);
  EXPECT_THAT(one, testing::MatchesRegex("amc_session_4000=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Strict"));
  EXPECT_NE(one, other);
}

TEST_F(PageSessions, OverTlsItIsForTlsAlone) {
  const auto asked = request("POST", {{"Authorization", "Bearer ann"}, {"Origin", "https://localhost:4000"}});
  EXPECT_THAT(sessions_.begin(asked, sessions_.identify(asked, http::peer(1, "")).value()), EndsWith("; Secure"));
}

TEST_F(PageSessions, AnAuthorizationIsLookedAtAlone) {
  const auto cookie = sign_in("ann");
  EXPECT_EQ(who("GET", {{"Cookie", cookie}, {"Authorization", "Bearer bob"}}), "bob");
  EXPECT_EQ(who("GET", {{"Cookie", cookie}, {"Authorization", "Bearer nobody"}}), "");
}

TEST_F(PageSessions, WhatChangesSomethingMustSayThatItComesFromTheOwnPage) {
  const http::header cookie{"Cookie", sign_in("ann")};
  for (const auto* method : {"POST", "PUT", "DELETE"}) {
    EXPECT_EQ(who(method, {cookie, own_page}), "ann");
    EXPECT_EQ(who(method, {cookie, {"Origin", "http://localhost:4000"}}), "ann");
    EXPECT_EQ(who(method, {cookie}), "");
    EXPECT_EQ(who(method, {cookie, {"Origin", "http://localhost:5000"}, own_page}), "");
    EXPECT_EQ(who(method, {cookie, {"Sec-Fetch-Site", "none"}}), "");
  }
}

TEST_F(PageSessions, APageOfAnotherPortReadsNothingWithTheCookie) {
  const http::header cookie{"Cookie", sign_in("ann")};
  EXPECT_EQ(who("GET", {cookie, {"Origin", "http://localhost:5000"}}), "");
  EXPECT_EQ(who("GET", {cookie, {"Sec-Fetch-Site", "same-site"}}), "");
  EXPECT_EQ(who("GET", {cookie, {"Sec-Fetch-Site", "none"}}), "ann");
  EXPECT_EQ(who("GET", {cookie}), "ann");
}

TEST_F(PageSessions, EndsWithItsTime) {
  const auto cookie = sign_in("ann");
  world_.advance(milliseconds(9'999));
  EXPECT_EQ(who_reads(cookie), "ann");
  world_.advance(milliseconds(1));
  EXPECT_EQ(who_reads(cookie), "");
  EXPECT_EQ(sessions_.size(), 0u);
}

TEST_F(PageSessions, EndsWithItsToken) {
  const auto cookie = sign_in("ann");
  tokens_->remove("ann");
  EXPECT_EQ(who_reads(cookie), "");
}

TEST_F(PageSessions, HasTheRightsThatTheTokenHasNow) {
  const auto cookie = sign_in("ann");
  tokens_->add("ann", "operate:q");
  const auto ann = sessions_.identify(request("GET", {{"Cookie", cookie}}), http::peer(1, "")).value();
  EXPECT_TRUE(ann->may(right::operate, "q"));
  EXPECT_FALSE(ann->may(right::read, "q"));
}

TEST_F(PageSessions, SigningOutEndsIt) {
  const auto cookie = sign_in("ann"), other = sign_in("ann");
  EXPECT_THAT(sessions_.end(request("DELETE", {{"Cookie", cookie}, own_page})), HasSubstr("Max-Age=0"));
  EXPECT_EQ(who_reads(cookie), "");
  EXPECT_EQ(who_reads(other), "ann");
}

TEST_F(PageSessions, ThereAreNoMoreThanConfiguredAndTheLeastUsedOfTheSameTokenGoesFirst) {
  const auto first = sign_in("bob"), ann = sign_in("ann"), second = sign_in("bob");
  who_reads(first);
  const auto third = sign_in("bob");
  EXPECT_EQ(sessions_.size(), 3u);
  EXPECT_EQ(who_reads(second), "");
  for (const auto& kept : {first, third}) EXPECT_EQ(who_reads(kept), "bob");
  EXPECT_EQ(who_reads(ann), "ann");
  sign_in("eve");
  EXPECT_EQ(who_reads(first), "") << "of nobody's own there is one: the one that was used longest ago goes";
}

}  // namespace
}  // namespace amc::access
