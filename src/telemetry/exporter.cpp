#include "telemetry/exporter.hpp"

#include <algorithm>
#include <charconv>

#include "core/log.hpp"
#include "core/text.hpp"
#include "telemetry/otlp.hpp"

namespace amc::telemetry {
namespace {

constexpr const char* component = "telemetry";

/// Whole seconds; a date is not understood.
std::optional<milliseconds> retry_after(const http::response& reply) {
  const auto told = reply.headers.find("Retry-After");
  if (!told) return {};
  std::int64_t seconds = -1;
  const auto read = std::from_chars(told->data(), told->data() + told->size(), seconds);
  constexpr std::int64_t longest = 86'400;  // a day: no rest is longer (telemetry.otlp.retry_after_max_ms)
  if (read.ec != std::errc() || read.ptr != told->data() + told->size() || seconds < 0) return {};
  return milliseconds(std::min(seconds, longest) * 1'000);
}

std::string shown(const std::string& words) {
  constexpr std::size_t max_bytes = 200;
  return escaped(shortened(words, max_bytes));
}

}  // namespace

exporter::exporter(const environment& env, std::shared_ptr<http::caller> collector, std::shared_ptr<span_buffer> from,
                   exporter_options options)
    : env_(env),
      collector_(std::move(collector)),
      from_(std::move(from)),
      options_(std::move(options)),
      sent_(env.metrics->counter("amc_spans_sent_total", "Spans that a collector has taken (telemetry.otlp)").Add({})),
      pause_(env.random()),
      clock_(env),
      retry_clock_(env),
      refusals_(env, component),
      loops_(env.executor) {
  for (const auto* reason : {"refused", "not_taken", "exit"}) dropped_spans(*env_.metrics, reason);
  from_->wakes([this, there = std::weak_ptr(there_), on = env_.executor] {
    boost::asio::post(on, [this, there] {
      if (!there.expired()) clock_.poke();
    });
  });
}

task<void> exporter::stop() {
  from_->wakes(nullptr);
  stopping_ = true;
  ends_ = env_.timers->now() + options_.timeout;
  clock_.poke();
  retry_clock_.poke();
  co_await loops_.drain();
  if (left_behind_ > 0)
    log::warning(component, std::to_string(left_behind_) + " spans were not sent before the end; " +
                                options_.collector + " (telemetry.otlp.url) did not take them");
}

task<void> exporter::loop() {
  for (;;) {
    if (!stopping_) co_await clock_.sleep(options_.interval);
    while (!from_->empty()) {
      co_await rest();
      auto batch = from_->take();
      co_await deliver(std::move(batch));
      from_->settled();
    }
    if (stopping_) co_return;
  }
}

/// Until they are taken, refused, or too old. At the end each is sent once, and none where one was not taken.
task<void> exporter::deliver(std::vector<span> batch) {
  const auto spans = batch.size();
  if (time_is_over()) {
    drop(spans, "exit");
    co_return;
  }
  const auto body = otlp_json(batch, options_.host);
  std::vector<span>().swap(batch);
  const auto gives_up = env_.timers->now() + options_.retry_max;
  for (;;) {
    const auto tried = co_await ask(body, spans);
    if (tried.became != fate::later) {
      pause_.reset();
      note_collector(true, {});
      if (tried.became == fate::refused) drop(spans, "refused");
      co_return;
    }
    note_collector(false, tried.why);
    rests_until_ = env_.timers->now() + std::max(tried.rest, pause_.next());
    if (stopping_) ends_ = env_.timers->now();
    if (stopping_ || rests_until_ > gives_up) {
      drop(spans, stopping_ ? "exit" : "not_taken");
      co_return;
    }
    co_await rest();
  }
}

/// What a collector asked of one batch holds for the next as well. At the end of the process nothing can wait.
task<void> exporter::rest() {
  const auto left = std::chrono::ceil<milliseconds>(rests_until_ - env_.timers->now());
  if (!stopping_ && left > milliseconds(0)) co_await retry_clock_.sleep(left);
}

task<exporter::attempt> exporter::ask(const std::string& body, std::size_t spans) {
  attempt tried;
  try {
    http::request asked{"POST", options_.target, options_.headers, body};
    asked.headers.add("Content-Type", "application/json");
    const auto reply = co_await collector_->send(std::move(asked), patience());
    tried = judge(reply, spans);
  } catch (const http::answer_too_large&) {
    // It was carried out, and its words are no use.
    sent_.Increment(static_cast<double>(spans));
  } catch (const unavailable& away) {
    tried = {fate::later, {}, away.what()};
  } catch (const config_error& wrong) {  // a certificate that has become unusable
    tried = {fate::later, {}, wrong.what()};
  }
  co_return tried;
}

exporter::attempt exporter::judge(const http::response& reply, std::size_t spans) {
  const auto status = std::to_string(reply.status);
  if (reply.status == 429 || (reply.status >= 502 && reply.status <= 504)) return put_off(reply);
  if (reply.status < 200 || reply.status > 299) {
    refusals_.warn(options_.collector + " (telemetry.otlp.url) refused " + std::to_string(spans) +
                   " spans, which are dropped: it answered " + status + ": " + shown(reply.body));
    return {.became = fate::refused};
  }
  auto [rejected, why] = rejected_by(reply.body);
  rejected = std::min(rejected, spans);
  sent_.Increment(static_cast<double>(spans - rejected));
  if (rejected > 0) {
    dropped_spans(*env_.metrics, "refused").Increment(static_cast<double>(rejected));
    refusals_.warn(options_.collector + " (telemetry.otlp.url) refused " + std::to_string(rejected) + " of " +
                   std::to_string(spans) + " spans: " + shown(why));
  }
  return {};
}

exporter::attempt exporter::put_off(const http::response& reply) const {
  attempt tried{fate::later, {}, "it answered " + std::to_string(reply.status) + ": " + shown(reply.body)};
  const auto asks = retry_after(reply);
  if (!asks) return tried;
  tried.rest = std::min(*asks, options_.retry_after_max);
  tried.why += "; nothing is sent for " + std::to_string(tried.rest.count()) + " ms (Retry-After";
  tried.why += *asks > tried.rest ? " is more: telemetry.otlp.retry_after_max_ms)" : ")";
  return tried;
}

milliseconds exporter::patience() const {
  if (!stopping_) return options_.timeout;
  const auto left = std::chrono::ceil<milliseconds>(ends_ - env_.timers->now());
  return std::clamp(left, milliseconds(1), options_.timeout);
}

bool exporter::time_is_over() const {
  return stopping_ && env_.timers->now() >= ends_;
}

void exporter::drop(std::size_t spans, const char* reason) {
  dropped_spans(*env_.metrics, reason).Increment(static_cast<double>(spans));
  if (stopping_) left_behind_ += spans;
}

void exporter::note_collector(bool takes, const std::string& why) {
  if (takes == std::exchange(takes_, takes)) return;
  if (takes)
    log::info(component, options_.collector + " (telemetry.otlp.url) takes spans again");
  else
    log::warning(component, "spans wait for " + options_.collector +
                                " (telemetry.otlp.url), and are dropped where there is no room "
                                "(telemetry.otlp.buffer_max_spans): " +
                                why);
}

}  // namespace amc::telemetry
