#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"

namespace amc::app {

/// What `amc messages` was asked for.
struct messages_question {
  std::string verb;                ///< list, show, history, explain, retry, cancel, erase, run-now, move
  std::vector<std::string> ids{};  ///< of all but list
  std::string to{};                ///< of move: the queue
  std::string status{};            ///< of list, and of retry without ids
  std::string queue{};
  std::optional<std::string> text{};  ///< of retry with ids: another than they have
  std::string error{};                ///< of retry without ids: a part of the latest error
  bool all = false;                   ///< of retry without ids or any of the above
  std::size_t limit = 100;            ///< of list
  bool with_diffs = false;            ///< of history: what each answer has changed
  bool as_json = false;               ///< of history and explain, which are for people otherwise
};

/// Asks the broker and prints its answer, one JSON object a line. Exit code 0, or 1 when anything was refused.
int messages_command(const config& settings, const messages_question& asked);

}  // namespace amc::app
