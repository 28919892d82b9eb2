#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/life_cycle.hpp"
#include "core/config.hpp"

namespace amc::broker {

/// Decides by what a message says where it goes: the first route whose pattern (RE2 syntax) is found in the text,
/// without the white space around it, wins. A route with a field (RFC 6901: "/customer/level") looks at that of a JSON
/// value: a text as it is, anything else as its JSON; what has no such field does not match. Matching takes time linear
/// in the text, whatever the pattern. Thread-safe.
class router {
 public:
  /// Reads `broker.routes`, `broker.queues` and the defaults of what these may override; throws config_error that names
  /// the one that is wrong.
  explicit router(const config& settings);
  ~router();

  /// From now on as these settings say. As the constructor throws; then all stays as it was.
  void reload(const config& settings);
  /// The keys that it reads.
  static std::vector<std::string> keys();

  /// Nothing when no route matches.
  std::optional<life_cycle::destination> route(std::string_view text, content_form form = content_form::text) const;
  /// The same, with the queues whose services may follow that route whether or not they may send to where it leads.
  struct followed {
    life_cycle::destination to;
    std::span<const std::string> from{};
    std::shared_ptr<const void> kept_by{};  ///< as long as `from` is looked at
  };
  std::optional<followed> follow(std::string_view text, content_form form) const;

  /// The place in `broker.routes` of the route that decides, from 0.
  std::optional<std::size_t> matching(std::string_view text, content_form form = content_form::text) const;

  /// The queues that routes and `broker.queues` name, each once.
  std::vector<std::string> queues() const;
  bool names(std::string_view queue) const;
  /// Whether no other queue takes messages.
  bool closed() const;
  /// These, and others that messages are sent to, are no more than this.
  std::size_t queues_max() const;

  /// How a queue is treated: the overrides of its routes and of its entry in `broker.queues` over the defaults; for a
  /// queue that neither names, the defaults.
  struct treatment {
    life_cycle::policy rules{};
    std::size_t depth_max = 0;  ///< events that an engine holds of it, about
  };
  treatment of(std::string_view queue) const;
  /// What is treated otherwise in it than in any queue, by the names of the keys.
  std::vector<std::pair<std::string, std::int64_t>> overrides_of(std::string_view queue) const;
  /// The rules of where a text goes.
  life_cycle::policy rules_of(const life_cycle::destination& to) const;

  /// What a route may override, each with its default under `broker.`.
  static std::vector<config_key> policy_keys();

 private:
  class table;
  std::shared_ptr<const table> now() const;

  mutable std::mutex guard_;
  std::shared_ptr<const table> table_;
};

}  // namespace amc::broker
