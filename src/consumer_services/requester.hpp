#pragma once

#include <memory>
#include <string>

#include "core/task.hpp"
#include "http/client.hpp"

namespace amc::consumer_services {

struct requester_options {
  milliseconds timeout{};        ///< for the whole conversation
  milliseconds poll_interval{};  ///< between two looks at a broker that does not know `Prefer: wait`
  std::string answer_pattern{};  ///< RE2; a finished answer, to a broker that tells no status
};

/// What became of a request: the answer, or the reason why there is none, for a person.
struct conversation {
  bool answered = false;
  std::string text;
};

/// Posts a text and waits for the finished answer, on the seed's contract: `POST /`, then `GET /?id=`. It asks to be
/// kept waiting (`Prefer: wait`); against a broker that does not do that it polls.
task<conversation> request(const environment& env, std::shared_ptr<http::caller> broker, std::string text,
                           requester_options options);

}  // namespace amc::consumer_services
