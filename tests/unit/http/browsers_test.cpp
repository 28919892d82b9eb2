#include "http/browsers.hpp"

#include <gmock/gmock.h>

/// Which requests a page of somebody else may have made a browser send.
namespace amc::http {
namespace {

int status_of(const browser_guard& guard, headers fields, const std::string& method = "GET") {
  const request asked{method, "/", std::move(fields)};
  const auto why = guard.refuses(asked);
  return why ? why->status : 0;
}

int host_on_loopback(const std::string& host, std::vector<std::string> hosts = {}) {
  browser_rules rules;
  rules.hosts = std::move(hosts);
  return status_of(browser_guard(rules, true), {{"Host", host}});
}

TEST(Browsers, OnTheLoopbackTheLoopbacksOwnNamesAreKnown) {
  for (const auto* host : {"localhost", "localhost:4000", "LocalHost", "localhost.", "localhost.:80", "127.0.0.1",
                           "127.0.0.1:4000", "127.1.2.3", "[::1]", "[::1]:4000", "[0:0:0:0:0:0:0:1]", "localhost:"})
    EXPECT_EQ(host_on_loopback(host), 0) << host;
}

TEST(Browsers, OnTheLoopbackAnyOtherNameIs421) {
  for (const auto* host : {"evil.example",
                           "evil.example:4000",
                           "localhost.evil.example",
                           "127.0.0.1.evil.example",
                           "",
                           "128.0.0.1",
                           "10.0.0.1",
                           "0.0.0.0",
                           "[::]",
                           "[::2]",
                           "[::1",
                           "::1",
                           "localhost:4000:1",
                           "localhost:x",
                           "localhost@evil.example",
                           "evil.example@localhost",
                           "localhost/",
                           "localhost, evil.example",
                           "127.0.0.1..",
                           "2130706433",
                           "[localhost]"})
    EXPECT_EQ(host_on_loopback(host), 421) << host;
}

TEST(Browsers, NamesThatAreConfiguredAreKnown) {
  EXPECT_EQ(host_on_loopback("AMC.example.:81", {"amc.example"}), 0);
  EXPECT_EQ(host_on_loopback("amc.example:4000", {"x", "amc.example:4000"}), 0);
  EXPECT_EQ(host_on_loopback("amc.example:4001", {"amc.example:4000"}), 421);
  EXPECT_EQ(host_on_loopback("amc.example", {"amc.example:4000"}), 421);
  EXPECT_EQ(host_on_loopback("localhost", {"amc.example"}), 0);
}

TEST(Browsers, AServerThatOthersReachHasAnyName) {
  EXPECT_EQ(status_of(browser_guard({}, false), {{"Host", "amc.example"}}), 0);
}

TEST(Browsers, HttpOf1996HasNoHostAndIsNoBrowser) {
  EXPECT_EQ(status_of(browser_guard({}, true), {}), 0);
}

TEST(Browsers, APageOfSomebodyElseIs403) {
  const browser_guard guard({}, true);
  for (const auto* origin : {"https://evil.example", "null", "", "http://localhost:4001", "http://localhost",
                             "http://localhost:4000.evil.example", "http://localhost:4000, http://evil.example",
                             "localhost:4000", "file://", "http://127.0.0.1:4000", "*"})
    for (const auto* method : {"GET", "POST", "OPTIONS", "DELETE"}) {
      EXPECT_EQ(status_of(guard, {{"Host", "localhost:4000"}, {"Origin", origin}}, method), 403) << origin;
    }
}

TEST(Browsers, APageOfThisServerIsNoOther) {
  const browser_guard guard({}, true);
  EXPECT_EQ(status_of(guard, {{"Host", "localhost:4000"}, {"Origin", "http://localhost:4000"}}), 0);
  EXPECT_EQ(
      status_of(guard, {{"Host", "localhost"}, {"Origin", "http://localhost:80"}, {"Sec-Fetch-Site", "same-origin"}}),
      0);
  EXPECT_EQ(status_of(guard, {{"Host", "localhost:80"}, {"Origin", "http://localhost"}}), 0);
  EXPECT_EQ(status_of(guard, {{"Host", "[::1]:4000"}, {"Origin", "http://[::1]:4000"}}), 0);
  EXPECT_EQ(status_of(browser_guard({}, false), {{"Host", "amc.example"}, {"Origin", "https://amc.example"}}), 0)
      << "behind a proxy that speaks TLS";
}

TEST(Browsers, WhatABrowserSaysOfTheSiteCounts) {
  const browser_guard guard({}, true);
  for (const auto* site : {"cross-site", "same-site", "Cross-Site"})
    EXPECT_EQ(status_of(guard, {{"Host", "localhost"}, {"Sec-Fetch-Site", site}}), 403) << site;
  for (const auto* site : {"none", "same-origin"})
    EXPECT_EQ(status_of(guard, {{"Host", "localhost"}, {"Sec-Fetch-Site", site}}), 0) << site;
  EXPECT_EQ(
      status_of(guard, {{"Host", "localhost:1"}, {"Origin", "http://localhost:1"}, {"Sec-Fetch-Site", "cross-site"}}),
      403);
}

class ConfiguredOrigins : public testing::Test {
 protected:
  browser_guard guard_{{.origins = {"https://ops.example", "http://localhost:3000"}}, true};
};

TEST_F(ConfiguredOrigins, MayUseTheServer) {
  for (const auto* origin : {"https://ops.example", "https://OPS.example:443", "http://localhost:3000"})
    EXPECT_EQ(status_of(guard_, {{"Host", "localhost"}, {"Origin", origin}, {"Sec-Fetch-Site", "cross-site"}}), 0)
        << origin;
  for (const auto* origin : {"http://ops.example", "https://ops.example:444", "https://a.ops.example", "null"})
    EXPECT_EQ(status_of(guard_, {{"Host", "localhost"}, {"Origin", origin}}), 403) << origin;
  EXPECT_EQ(status_of(guard_, {{"Host", "evil.example"}, {"Origin", "https://ops.example"}}), 421);
}

TEST_F(ConfiguredOrigins, AreToldSoAndNoOtherIs) {
  response reply;
  guard_.mark({"GET", "/", {{"Origin", "https://ops.example"}}}, reply);
  EXPECT_EQ(reply.headers.find("Access-Control-Allow-Origin"), "https://ops.example");
  EXPECT_THAT(reply.headers.find("Access-Control-Expose-Headers").value_or(""), testing::HasSubstr("ETag"));
  EXPECT_EQ(reply.headers.find("Vary"), "Origin");
  for (const auto& fields : {headers{}, headers{{"Origin", "https://evil.example"}}}) {
    response other;
    guard_.mark({"GET", "/", fields}, other);
    EXPECT_FALSE(other.headers.find("Access-Control-Allow-Origin"));
    EXPECT_EQ(other.headers.find("Vary"), "Origin") << "another asker gets another answer";
  }
}

TEST_F(ConfiguredOrigins, MayAskWhatTheyMaySend) {
  const headers fields{{"Origin", "https://ops.example"}, {"Access-Control-Request-Method", "PUT"}};
  const auto told = guard_.preflight({"OPTIONS", "/messages/x", fields});
  ASSERT_TRUE(told);
  EXPECT_EQ(told->status, 204);
  EXPECT_THAT(told->headers.find("Access-Control-Allow-Methods").value_or(""), testing::HasSubstr("PUT"));
  EXPECT_THAT(told->headers.find("Access-Control-Allow-Headers").value_or(""), testing::HasSubstr("If-Match"));
  EXPECT_FALSE(guard_.preflight({"PUT", "/", fields}));
  EXPECT_FALSE(guard_.preflight({"OPTIONS", "/", {{"Origin", "https://ops.example"}}})) << "asks for something else";
}

TEST(Browsers, OriginsAndHostsOfAConfigurationAreChecked) {
  for (const auto* good : {"https://ops.example:8443", "http://localhost", "http://[::1]:3000"})
    EXPECT_TRUE(is_origin(good)) << good;
  for (const auto* bad : {"*", "null", "ops.example", "https://", "https://ops.example/", "https://ops.example/x",
                          "https://a b", "https://u@ops.example", "https://ops.example:x", ""})
    EXPECT_FALSE(is_origin(bad)) << bad;
  for (const auto* good : {"amc.example", "amc.example:4000", "[::1]:1", "10.0.0.1"})
    EXPECT_TRUE(is_host(good)) << good;
  for (const auto* bad : {"", "http://amc.example", "amc.example/", "a b", "amc.example:x", "[::1"})
    EXPECT_FALSE(is_host(bad)) << bad;
}

}  // namespace
}  // namespace amc::http
