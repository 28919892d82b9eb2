#pragma once

#include <memory>
#include <optional>

#include "broker/life_cycle.hpp"
#include "core/message.hpp"
#include "telemetry/tracer.hpp"

namespace amc::broker {

/// What happens to messages, as spans of the traces that they belong to. A message carries the context of its `send`:
/// everything else is a child of that one, whoever did it, so that no parent is missing whatever other processes do.
/// Times are of this machine, but for how long a message waited, which the store's clock tells in milliseconds.
class message_spans {
 public:
  /// Null: nothing is told.
  explicit message_spans(std::shared_ptr<const telemetry::tracer> to) : to_(std::move(to)) {}

  /// When what is told later began; 0 where nothing will be.
  telemetry::unix_nanoseconds now() const { return to_ ? to_->now() : 0; }

  /// A new message is on its way: what it carries on, its traceparent, is changed to that of its span.
  std::optional<telemetry::span> send(life_cycle::accept_options& options) const;
  void sent(std::optional<telemetry::span> begun, const message& stored) const;
  /// Claimed after it has waited.
  void claimed(const message& now, telemetry::unix_nanoseconds begun) const;
  /// Stored already claimed.
  void handed_off(const message& now, telemetry::unix_nanoseconds begun) const;
  void answered(const message& now, telemetry::unix_nanoseconds begun) const;
  void failed(const message& now, telemetry::unix_nanoseconds begun) const;

 private:
  std::optional<telemetry::span> of(const message& m, telemetry::operation what,
                                    telemetry::unix_nanoseconds begun) const;
  void waited(const message& m) const;
  void received(const message& m, telemetry::unix_nanoseconds begun) const;

  std::shared_ptr<const telemetry::tracer> to_;
};

}  // namespace amc::broker
