#include <gmock/gmock.h>

#include "queue_system/rabbitmq/connection.hpp"

namespace amc::queue_system::rabbitmq {
namespace {

TEST(RabbitmqAddress, BeginsAsAmqpClientsDo) {
  const auto where = parse_address("amqp://");
  ASSERT_TRUE(where);
  EXPECT_EQ(where->user, "guest");
  EXPECT_EQ(where->password, "guest");
  EXPECT_EQ(where->path, "/");
  EXPECT_EQ(where->hosts.front().port, 5'672);
  EXPECT_EQ(parse_address("AMQPS://mq")->hosts.front().port, 5'671);
  EXPECT_EQ(parse_address("amqp://mq/v@x")->user, "guest") << "that @ is in the name of a virtual host";
  EXPECT_EQ(parse_address("amqp://somebody@mq")->password, "") << "who is named is not guest";
}

TEST(RabbitmqAddress, NamesEveryNodeOfACluster) {
  const auto where = parse_address("amqps://u:p@mq1:1,[::2]/team");
  ASSERT_TRUE(where);
  ASSERT_EQ(where->hosts.size(), 2U);
  EXPECT_EQ(where->hosts[1].host, "::2");
  EXPECT_EQ(where->hosts[1].port, 5'671);
}

TEST(RabbitmqAddress, IsNothingElse) {
  for (const auto* bad : {"", "mq", "http://mq", "amqp://mq/a/b", "amqp://mq?heartbeat=5", "amqp://mq,,mq2"})
    EXPECT_FALSE(parse_address(bad)) << bad;
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
