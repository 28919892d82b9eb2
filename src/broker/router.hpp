#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "amc/config.hpp"
#include "broker/life_cycle.hpp"

namespace amc::broker {

/// Decides by a message's text where it goes: the first route whose pattern (RE2 syntax) is found in the text, without
/// the white space around it, wins. Matching takes time linear in the text, whatever the pattern.
class router {
 public:
  /// Reads `broker.routes`; throws config_error that names the route that is wrong.
  explicit router(const config& settings);
  ~router();

  /// Nothing when no route matches. Thread-safe.
  std::optional<life_cycle::destination> route(std::string_view text) const;

  /// The queues that routes name, each once.
  const std::vector<std::string>& queues() const { return queues_; }

 private:
  struct entry;
  std::vector<entry> routes_;
  std::vector<std::string> queues_;
};

}  // namespace amc::broker
