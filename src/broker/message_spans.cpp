#include "broker/message_spans.hpp"

#include <stdexcept>

#include "core/work.hpp"

namespace amc::broker {
namespace {

using telemetry::operation;
using telemetry::unix_nanoseconds;

unix_nanoseconds nanoseconds_of(timestamp at) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

/// Nothing of a row that is damaged there: whoever needs it complains.
std::optional<past> latest_known(const message& m) try { return latest_of(m); } catch (const std::invalid_argument&) {
  return {};  // not covered: takes a row that somebody has damaged between its answer and this
}

}  // namespace

std::optional<telemetry::span> message_spans::send(life_cycle::accept_options& options) const {
  if (!to_) return {};
  auto begun = to_->begin_or_invent(options.traceparent, operation::send);
  if (!begun) return {};
  begun->tracestate = options.tracestate;
  options.traceparent = to_traceparent(begun->context);
  return begun;
}

void message_spans::sent(std::optional<telemetry::span> begun, const message& stored) const {
  if (!begun) return;
  begun->message = stored.id;
  begun->revision = stored.revision;
  begun->queue = stored.queue;
  to_->end(*std::move(begun));
}

void message_spans::claimed(const message& now, unix_nanoseconds begun) const {
  if (!to_) return;
  waited(now);
  received(now, begun);
}

void message_spans::handed_off(const message& now, unix_nanoseconds begun) const {
  if (to_) received(now, begun);
}

/// Since the revision was stored, or given back by a failure; until now, which is when the row was changed last.
void message_spans::waited(const message& m) const {
  auto one = of(m, operation::wait, 0);
  if (!one) return;
  const auto before = latest_known(m);
  one->begun = nanoseconds_of(before ? before->at : m.created_at);
  one->ended = nanoseconds_of(m.updated_at);
  to_->end(*std::move(one));
}

void message_spans::received(const message& m, unix_nanoseconds begun) const {
  auto one = of(m, operation::receive, begun);
  if (!one) return;
  one->claim = m.claim;
  one->attempt = attempt_of(m);
  one->holder = m.holder;
  to_->end(*std::move(one));
}

void message_spans::answered(const message& now, unix_nanoseconds begun) const {
  auto one = to_ ? of(now, operation::answer, begun) : std::nullopt;
  if (!one) return;
  const auto before = latest_known(now);
  one->next_queue = now.queue;
  if (before) one->queue = before->queue, one->revision = before->revision;
  if (now.status == status::dead) {
    // not covered: takes a conversation of as many answers as there may be
    one->error_type = "dead";
    if (!now.attempts.empty()) one->error = now.attempts.back().error;
  }
  to_->end(*std::move(one));
}

void message_spans::failed(const message& now, unix_nanoseconds begun) const {
  auto one = to_ ? of(now, operation::fail, begun) : std::nullopt;
  if (!one) return;
  one->claim = now.claim;
  one->error_type = now.status == status::dead ? "dead" : "failed";
  if (!now.attempts.empty()) one->error = now.attempts.back().error;
  to_->end(*std::move(one));
}

std::optional<telemetry::span> message_spans::of(const message& m, operation what, unix_nanoseconds begun) const {
  auto one = to_->begin(m.traceparent, what);
  if (!one) return {};
  one->begun = begun;
  one->tracestate = m.tracestate;
  one->message = m.id;
  one->revision = m.revision;
  one->queue = m.queue;
  return one;
}

}  // namespace amc::broker
