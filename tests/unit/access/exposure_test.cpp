#include "access/exposure.hpp"

#include <gmock/gmock.h>

#include "access/configuration.hpp"
#include "tests/support/configured.hpp"

namespace amc::access {
namespace {

using testing::HasSubstr;

TEST(Exposure, OnlyTheLoopbackIsReachedByThisMachineAlone) {
  for (const auto* address : {"127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(is_loopback(address)) << address;
  for (const auto* address : {"0.0.0.0", "::", "10.0.0.1", "localhost", "", "::ffff:10.0.0.1"})
    EXPECT_FALSE(is_loopback(address)) << address;
}

std::string complaint(std::vector<std::string> sets) {
  try {
    check(tests::configured(std::move(sets)), "broker.http.address");
  } catch (const config_error& refused) {
    return refused.what();
  }
  return "none";
}

TEST(Exposure, AnAddressThatOthersReachNeedsTokensOrToBeMeantOpen) {
  EXPECT_EQ(complaint({}), "none");
  EXPECT_EQ(complaint({"broker.http.address=::1"}), "none");
  EXPECT_THAT(complaint({"broker.http.address=0.0.0.0"}),
              testing::AllOf(HasSubstr("broker.http.address"), HasSubstr("broker.access.tokens_file"),
                             HasSubstr("broker.access.open")));
  EXPECT_NE(complaint({"broker.http.address=::"}), "none");
  EXPECT_EQ(complaint({"broker.http.address=0.0.0.0", "broker.access.open=true"}), "none");
  EXPECT_THAT(complaint({"broker.access.tokens_file=/nowhere/tokens.yaml"}), HasSubstr("/nowhere/tokens.yaml"));
}

http::request forwarded(const std::string& field, const std::string& from) {
  http::request asked{"GET", "/", {{field, "203.0.113.9"}}};
  if (!from.empty()) asked.from = std::make_shared<http::peer>(1, from);
  return asked;
}

TEST(Exposure, WhatAProxyPassesOnIsRefused) {
  const forwarding_guard nobody({});
  for (const auto* field : {"Forwarded", "forwarded", "X-Forwarded-For", "x-forwarded-host", "X-Forwarded-Proto",
                            "X-Real-IP", "Via", "CF-Connecting-IP"})
    EXPECT_EQ(nobody.refuses(forwarded(field, "127.0.0.1")), field);
  EXPECT_FALSE(nobody.refuses(forwarded("X-Trace", "127.0.0.1")));
}

TEST(Exposure, ATrustedProxyIsKnownByItsAddress) {
  const forwarding_guard some({"127.0.0.1", "10.1.0.0/16", "fd00::/8"});
  for (const auto* from : {"127.0.0.1", "10.1.255.1", "fd12::1", "::ffff:10.1.0.1"})
    EXPECT_FALSE(some.refuses(forwarded("X-Forwarded-For", from))) << from;
  for (const auto* from : {"127.0.0.2", "10.2.0.1", "fe80::1", ""})
    EXPECT_TRUE(some.refuses(forwarded("X-Forwarded-For", from))) << from;
}

TEST(Exposure, NetworksAreAddressesWithOrWithoutALength) {
  for (const auto* text : {"10.0.0.7", "10.0.0.0/8", "::1", "fd00::/8"}) EXPECT_TRUE(is_network(text)) << text;
  for (const auto* text : {"", "proxy", "10.0.0.0/33", "10.0.0", "/8"}) EXPECT_FALSE(is_network(text)) << text;
}

}  // namespace
}  // namespace amc::access
