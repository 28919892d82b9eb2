#include <gmock/gmock.h>

#include "queue_system/rabbitmq/connection.hpp"

namespace amc::queue_system::rabbitmq {
namespace {

/// Of a URL with one node.
std::optional<address> parse_address(const std::string& url) {
  const auto nodes = parse_addresses(url);
  return nodes.size() == 1 ? std::optional(nodes.front()) : std::nullopt;
}

TEST(RabbitmqAddress, HasDefaultsForAllButTheScheme) {
  const auto where = parse_address("amqp://");
  ASSERT_TRUE(where);
  EXPECT_EQ(where->host, "localhost");
  EXPECT_EQ(where->port, 5'672);
  EXPECT_EQ(where->user, "guest");
  EXPECT_EQ(where->virtual_host, "/");
  EXPECT_FALSE(where->tls);
  EXPECT_EQ(parse_address("AMQPS://mq")->port, 5'671);
}

TEST(RabbitmqAddress, TakesEveryByteThatIsPercentEncoded) {
  const auto where = parse_address("amqps://%C3%BCser:p%40ss%2F%3A%23%FF@mq.example:9/%2Fteam");
  ASSERT_TRUE(where);
  EXPECT_EQ(where->user, "\xc3\xbcser");
  EXPECT_EQ(where->password, "p@ss/:#\xff");
  EXPECT_EQ(where->host, "mq.example");
  EXPECT_EQ(where->port, 9);
  EXPECT_EQ(where->virtual_host, "/team");
  EXPECT_TRUE(where->tls);
}

TEST(RabbitmqAddress, TakesLiteralAddresses) {
  EXPECT_EQ(parse_address("amqp://[::1]:5672")->host, "::1");
  EXPECT_EQ(parse_address("amqp://127.0.0.1/v")->virtual_host, "v");
}

TEST(RabbitmqAddress, NamesEveryNodeOfACluster) {
  const auto nodes = parse_addresses("amqps://u:a,b@mq1:1,[::2],mq3:3/team");
  ASSERT_EQ(nodes.size(), 3U);
  EXPECT_EQ(nodes[0].host, "mq1");
  EXPECT_EQ(nodes[0].port, 1);
  EXPECT_EQ(nodes[1].host, "::2");
  EXPECT_EQ(nodes[1].port, 5'671);
  EXPECT_EQ(nodes[2].host, "mq3");
  for (const auto& node : nodes) {
    EXPECT_EQ(node.password, "a,b");
    EXPECT_EQ(node.virtual_host, "team");
    EXPECT_TRUE(node.tls);
  }
}

TEST(RabbitmqAddress, IsNothingElse) {
  for (const auto* bad : {"",
                          "mq",
                          "http://mq",
                          "amqp:/mq",
                          "amqp://mq:0",
                          "amqp://mq:65536",
                          "amqp://mq:71208",
                          "amqp://mq:x",
                          "amqp://mq:5x",
                          "amqp://mq:99999",
                          "amqp://mq/a/b",
                          "amqp://mq?heartbeat=5",
                          "amqp://u:a%00b@mq",
                          "amqp://u:a/b@mq",
                          "amqp://m q",
                          "amqp://,",
                          "amqp://mq,",
                          "amqp://,mq",
                          "amqp://mq,,mq2",
                          "amqp://mq:0,mq2",
                          "amqp://mq,mq2:x",
                          "amqp://mq,mq2/a/b"})
    EXPECT_TRUE(parse_addresses(bad).empty()) << bad;
}

TEST(RabbitmqClose, WhatOnlyAPersonCanMendIsRefused) {
  const auto refused = unavailable::reason::refused;
  EXPECT_EQ(reason_of_close(403, "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'u'"), refused);
  EXPECT_EQ(reason_of_close(406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q'"), refused);
  EXPECT_EQ(reason_of_close(530, "NOT_ALLOWED - vhost nosuch not found"), refused);
  EXPECT_EQ(reason_of_close(540, "NOT_IMPLEMENTED"), refused);
}

TEST(RabbitmqClose, WhatHealsByItselfIsWaitedFor) {
  const auto away = unavailable::reason::away;
  EXPECT_EQ(reason_of_close(404, "NOT_FOUND - no queue 'q' in vhost '/'"), away) << "it was deleted meanwhile";
  EXPECT_EQ(reason_of_close(405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q'"), away);
  EXPECT_EQ(reason_of_close(541, "INTERNAL_ERROR"), away);
  EXPECT_EQ(reason_of_close(320, "CONNECTION_FORCED - broker forced connection closure"), away);
  EXPECT_EQ(
      reason_of_close(530, "NOT_ALLOWED - access to vhost '/' refused for user 'u': connection limit (1) is reached"),
      away);
}

}  // namespace
}  // namespace amc::queue_system::rabbitmq
