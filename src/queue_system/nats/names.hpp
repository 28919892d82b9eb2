#pragma once

#include <string>
#include <string_view>

namespace amc::queue_system::nats {

/// Where the events of a queue are.
struct place {
  std::string stream;    ///< of all the queues with this prefix
  std::string consumer;  ///< durable, of this queue
  std::string subject;
};

/// The stream of a prefix, and every subject that it takes.
std::string stream_for(std::string_view prefix);
std::string subjects_of(const std::string& stream);
place place_of(std::string_view prefix, std::string_view queue);
/// Where events of it are asked for.
std::string pull_subject(const place& of);

}  // namespace amc::queue_system::nats
