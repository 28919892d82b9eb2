#include "queue_system/server_url.hpp"

#include <gmock/gmock.h>

namespace amc::queue_system {
namespace {

constexpr url_rules rules{.scheme = "mq", .tls_scheme = "mqs", .port = 1'000, .tls_port = 1'001};
constexpr url_rules rules_of_many{
    .scheme = "mq", .tls_scheme = "mqs", .port = 1'000, .tls_port = 1'001, .has_path = false, .has_many_hosts = true};

std::string hosts_of(const char* url) {
  std::string all;
  if (const auto where = parse_server_url(url, rules_of_many))
    for (const auto& [host, port] : where->hosts) all += host + " " + std::to_string(port) + "\n";
  return all;
}

TEST(ServerUrl, HasDefaultsForAllButTheScheme) {
  const auto where = parse_server_url("mq://", rules);
  ASSERT_TRUE(where);
  EXPECT_EQ(where->hosts.front().host, "localhost");
  EXPECT_EQ(where->hosts.front().port, 1'000);
  EXPECT_EQ(where->user + where->password + where->path, "");
  EXPECT_FALSE(where->tls);
  EXPECT_EQ(parse_server_url("MQS://h", rules)->hosts.front().port, 1'001);
  EXPECT_TRUE(parse_server_url("MQS://h", rules)->tls);
  EXPECT_EQ(parse_server_url("mq://h:/", rules)->hosts.front().port, 1'000) << "a port that is not told";
}

TEST(ServerUrl, TakesEveryByteThatIsPercentEncoded) {
  const auto where = parse_server_url("mqs://%C3%BCser:p%40ss%2F%3A%23%FF@mq.example:9/%2Fteam", rules);
  ASSERT_TRUE(where);
  EXPECT_EQ(where->user, "\xc3\xbcser");
  EXPECT_EQ(where->password, "p@ss/:#\xff");
  EXPECT_EQ(where->hosts.front().host, "mq.example");
  EXPECT_EQ(where->hosts.front().port, 9);
  EXPECT_EQ(where->path, "/team");
}

TEST(ServerUrl, TakesLiteralAddresses) {
  EXPECT_EQ(parse_server_url("mq://[::1]:5672", rules)->hosts.front().host, "::1");
  EXPECT_EQ(parse_server_url("mq://127.0.0.1/v", rules)->path, "v");
}

TEST(ServerUrl, TakesManyHostsWhereTheEngineDoes) {
  EXPECT_EQ(hosts_of("mq://a,b:2,[::1]:3"), "a 1000\nb 2\n::1 3\n");
  EXPECT_EQ(hosts_of("mqs://a,b"), "a 1001\nb 1001\n");
  const auto where = parse_server_url("mq://u:a,b@one,two", rules_of_many);
  ASSERT_TRUE(where);
  EXPECT_EQ(where->password, "a,b") << "a comma that divides no hosts";
  EXPECT_EQ(where->hosts.size(), 2U);
}

TEST(ServerUrl, OfManyHostsEachIsOne) {
  for (const auto* bad : {"mq://a,", "mq://,a", "mq://a,,b", "mq://a:0,b", "mq://a,b:99999", "mq://a,b/path"})
    EXPECT_EQ(hosts_of(bad), "") << bad;
  EXPECT_FALSE(parse_server_url("mq://a,b", rules));
}

TEST(ServerUrl, IsNothingElse) {
  for (const auto* bad : {"", "mq", "://", "mq:/h", "http://h", "mq://h:0", "mq://h:65536", "mq://h:71208", "mq://h:5x",
                          "mq://h:99999", "mq://h/a/b", "mq://h?a=b", "mq://h#a", "mq://u:a%00b@h", "mq://u:a/b@h",
                          "mq://h%00", "mq://h/%00", "mq://m q"})
    EXPECT_FALSE(parse_server_url(bad, rules)) << bad;
}

}  // namespace
}  // namespace amc::queue_system
