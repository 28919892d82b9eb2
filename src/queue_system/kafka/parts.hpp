#pragma once

#include <memory>
#include <string>

#include "queue_system/kafka/kafka.hpp"

/// The two halves of the driver.
namespace amc::queue_system::kafka {

/// One idempotent producer with acks=all.
std::unique_ptr<queue_publisher> make_publisher(const kafka_options& options);

/// One member of the queue's consumer group.
std::unique_ptr<queue_subscriber> make_subscriber(const kafka_options& options, const std::string& queue,
                                                  std::size_t prefetch);

}  // namespace amc::queue_system::kafka
