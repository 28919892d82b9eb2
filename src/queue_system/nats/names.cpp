#include "queue_system/nats/names.hpp"

#include "queue_system/encoded_name.hpp"

namespace amc::queue_system::nats {

std::string stream_for(std::string_view prefix) {
  return prefix.empty() ? "amc" : "amc-" + encoded_name(prefix);
}

std::string subjects_of(const std::string& stream) {
  return stream + ".*";
}

place place_of(std::string_view prefix, std::string_view queue) {
  const auto stream = stream_for(prefix);
  const auto word = encoded_name(queue);
  return {stream, word, stream + "." + word};
}

std::string pull_subject(const place& of) {
  return "$JS.API.CONSUMER.MSG.NEXT." + of.stream + "." + of.consumer;
}

}  // namespace amc::queue_system::nats
