#pragma once

#include <functional>
#include <map>
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
  /// Reads `broker.routes`, `broker.queues` and the defaults of what these may override; throws config_error that names
  /// the one that is wrong.
  explicit router(const config& settings);
  ~router();

  /// Nothing when no route matches. Thread-safe.
  std::optional<life_cycle::destination> route(std::string_view text) const;

  /// The place in `broker.routes` of the route that decides, from 0.
  std::optional<std::size_t> matching(std::string_view text) const;

  /// The queues that routes and `broker.queues` name, each once.
  const std::vector<std::string>& queues() const { return queues_; }
  bool names(std::string_view queue) const { return treatments_.contains(queue); }
  /// Whether no other queue takes messages.
  bool closed() const { return closed_; }
  /// These, and others that messages are sent to, are no more than this.
  std::size_t queues_max() const { return queues_max_; }

  /// How a queue is treated: the overrides of its routes and of its entry in `broker.queues` over the defaults; for a
  /// queue that neither names, the defaults.
  struct treatment {
    life_cycle::policy rules{};
    std::size_t depth_max = 0;  ///< events that an engine holds of it, about
  };
  const treatment& of(std::string_view queue) const;
  /// The rules of where a text goes.
  const life_cycle::policy& rules_of(const life_cycle::destination& to) const;

  /// What a route may override, each with its default under `broker.`.
  static std::vector<config_key> policy_keys();

 private:
  struct entry;
  using complaint = std::function<void(const std::string& what)>;
  void treat(const std::string& queue, const boost::json::object& fields, const complaint& complain);
  void read_routes(const config& settings);
  void read_queues(const config& settings);

  std::vector<entry> routes_;
  std::vector<std::string> queues_;
  bool closed_;
  std::size_t queues_max_;
  treatment defaults_;
  std::map<std::string, treatment, std::less<>> treatments_;
};

}  // namespace amc::broker
