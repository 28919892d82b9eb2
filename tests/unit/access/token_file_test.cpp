#include "access/token_file.hpp"

#include <gmock/gmock.h>

#include "access/new_token.hpp"
#include "core/time_text.hpp"

namespace amc::access {
namespace {

using testing::HasSubstr;

constexpr const char* digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";  // of "foo"

std::string entry(const std::string& more = "", const std::string& may = "[send:orders, read:team-*]") {
  return std::string("- name: billing\n  sha256: ") + digest + "\n  may: " + may + "\n" + more;
}

std::string complaint_about(const std::string& yaml) {
  try {
    token_table::parse(yaml, "t.yaml");
  } catch (const config_error& refused) {
    return refused.what();
  }
  return "none";
}

TEST(TokenFile, AnEntrySaysWhoMayDoWhatAndForHowLong) {
  const auto table = token_table::parse(entry("  expires: 2027-02-24T12:00:00Z\n"), "t.yaml");
  const auto who = table.find(digest_of("foo"));
  ASSERT_TRUE(who);
  EXPECT_EQ(who->name, "billing");
  EXPECT_TRUE(who->may(right::send, "orders"));
  EXPECT_FALSE(who->may(right::send, "orders2"));
  EXPECT_TRUE(who->may(right::read, "team-a"));
  EXPECT_FALSE(who->may(right::read, "team"));
  EXPECT_FALSE(who->may(right::operate, "orders"));
  EXPECT_EQ(who->expires_at, parse_rfc3339("2027-02-24T12:00:00Z"));
}

TEST(TokenFile, OtherTokensAreNobodys) {
  const auto table = token_table::parse(entry(), "t.yaml");
  for (const auto* token : {"", "fo", "fooo", "FOO", digest}) EXPECT_FALSE(table.find(digest_of(token))) << token;
  EXPECT_FALSE(table.find(""));
  EXPECT_FALSE(table.find(digest_of("foo").substr(1)));
}

TEST(TokenFile, ACertificateIsKnownByOneOfItsNames) {
  const std::string rest = ", may: [read:q]}\n";
  const auto table = token_table::parse("- {name: a, certificate: \"dns:A.example\"" + rest +
                                            "- {name: b, certificate: \"uri:spiffe://example/b\"" + rest +
                                            "- {name: c, certificate: \"email:c@example\"" + rest,
                                        "t.yaml");
  const auto name_of = [&](const std::vector<std::string>& names) {
    const auto who = table.find_certificate(names);
    return who ? who->name : "";
  };
  EXPECT_EQ(name_of({"dns:a.example"}), "a");
  EXPECT_EQ(name_of({"dns:x", "uri:spiffe://example/b"}), "b");
  EXPECT_EQ(name_of({"email:c@example", "dns:a.example"}), "a") << "the first in the file";
  for (const auto* other : {"", "dns:b.a.example", "uri:dns:a.example", "a.example", "email:C@example"})
    EXPECT_EQ(name_of({other}), "") << other;
  EXPECT_FALSE(table.find("dns:a.example"));
  EXPECT_FALSE(token_table::parse(entry(), "t.yaml").find_certificate({digest_of("foo")})) << "a token's";
}

TEST(TokenFile, ACertificatesEntryThatIsWrongIsRefused) {
  for (const auto* wrong : {"billing.example", "cn:billing", "\"dns:\"", "\"\"", "[dns:x]"})
    EXPECT_THAT(complaint_about("- {name: a, may: [], certificate: " + std::string(wrong) + "}"),
                HasSubstr("\"certificate\""))
        << wrong;
  EXPECT_THAT(complaint_about(entry("  certificate: dns:x\n")), HasSubstr("not both"));
  const std::string one = "- {name: a, may: [], certificate: \"dns:x\"}\n";
  EXPECT_THAT(complaint_about(one + one), HasSubstr("t.yaml:2: broker.access.tokens_file: an entry before it"));
}

TEST(TokenFile, AnEmptyListIsNobody) {
  EXPECT_EQ(token_table::parse("[]", "t.yaml").size(), 0U);
}

TEST(TokenFile, AnEntryMayHaveAQuotaOfItsOwn) {
  const auto table = token_table::parse(entry("  quota: {requests_per_s: 50, pending_max: 0}\n"), "t.yaml");
  const auto who = table.find(digest_of("foo"));
  ASSERT_TRUE(who);
  EXPECT_EQ(who->own_quota.requests_per_s, 50U);
  EXPECT_EQ(who->own_quota.pending_max, 0U);
  EXPECT_EQ(who->own_quota.parked_max, std::nullopt);
  EXPECT_EQ(who->own_quota.bytes_per_s, std::nullopt);
}

TEST(TokenFile, WhatIsWrongIsRefusedWholeAndNamed) {
  EXPECT_THAT(complaint_about(""), HasSubstr("t.yaml:1: broker.access.tokens_file: a list"));
  EXPECT_THAT(complaint_about("name: x"), HasSubstr("a list"));
  EXPECT_THAT(complaint_about("- x"), HasSubstr("each entry is a map"));
  EXPECT_THAT(complaint_about("- name: x\n"), HasSubstr("name, sha256 or certificate, and may"));
  EXPECT_THAT(complaint_about(entry() + entry()), HasSubstr("t.yaml:4: broker.access.tokens_file: an entry before it"));
  EXPECT_THAT(complaint_about(entry("  until: x\n")),
              HasSubstr("t.yaml:4: broker.access.tokens_file: unknown entry \"until\""));
  EXPECT_THAT(complaint_about(entry("  quota: 5\n")), HasSubstr("\"quota\" must be a map"));
  EXPECT_THAT(complaint_about(entry("  quota: {requests: 5}\n")), HasSubstr("unknown quota \"requests\""));
  for (const auto* count : {"-1", "5k", "1.5", "''", "99999999999999"})
    EXPECT_THAT(complaint_about(entry(std::string("  quota: {parked_max: ") + count + "}\n")),
                HasSubstr("t.yaml:4: broker.access.tokens_file: \"parked_max\" must be a whole number"))
        << count;
  EXPECT_THAT(complaint_about(entry("  expires: tomorrow\n")), HasSubstr("a time like"));
  EXPECT_THAT(complaint_about(entry("", "send:orders")), HasSubstr("must be a list"));
  for (const auto* right : {"sends:orders", "send", "send:", ":orders", "send:a*b", "send:**", "read,send:x"})
    EXPECT_THAT(complaint_about(entry("", std::string("[\"") + right + "\"]")), HasSubstr("is no right")) << right;
  EXPECT_THAT(complaint_about(std::string("- {name: \"a b\", sha256: ") + digest + ", may: []}"),
              HasSubstr("\"name\" must be"));
  EXPECT_THAT(complaint_about("- {name: x, sha256: 2c26, may: []}"), HasSubstr("\"sha256\" must be"));
  EXPECT_THAT(complaint_about(entry() + "- ["), HasSubstr("t.yaml:"));
}

TEST(NewToken, ItsEntryKnowsIt) {
  const auto expires = parse_rfc3339("2027-02-24T12:00:00Z");
  const auto made = make_token("billing", {"send:orders", "read:team-*"}, expires);
  EXPECT_THAT(made.token, testing::MatchesRegex("amc_[A-Za-z0-9_-]{43}"));
  const auto who = token_table::parse(made.entry, "t.yaml").find(digest_of(made.token));
  ASSERT_TRUE(who);
  EXPECT_TRUE(who->may(right::read, "team-b"));
  EXPECT_EQ(who->expires_at, expires);
  EXPECT_THAT(made.entry, testing::Not(HasSubstr(made.token)));
}

TEST(NewToken, NoTwoAreTheSame) {
  EXPECT_NE(make_token("a", {"read:*"}, {}).token, make_token("a", {"read:*"}, {}).token);
}

TEST(NewToken, WhatNoFileTakesIsNotMade) {
  EXPECT_THROW(make_token("a b", {"read:*"}, {}), config_error);
  EXPECT_THROW(make_token("a", {}, {}), config_error);
  EXPECT_THROW(make_token("a", {"reads:*"}, {}), config_error);
}

TEST(NewToken, LastsAsLongAsIsSaid) {
  EXPECT_EQ(parse_lifetime("90d"), std::chrono::hours(90 * 24));
  EXPECT_EQ(parse_lifetime("12h"), std::chrono::hours(12));
  EXPECT_EQ(parse_lifetime("30m"), std::chrono::minutes(30));
  EXPECT_FALSE(parse_lifetime("never"));
  for (const auto* bad : {"", "d", "0d", "-1d", "90", "90 d", "90dd", "1w", "999999999999d"})
    EXPECT_THROW(parse_lifetime(bad), config_error) << bad;
}

}  // namespace
}  // namespace amc::access
