#include "telemetry/span_buffer.hpp"

#include <algorithm>

namespace amc::telemetry {

prometheus::Counter& dropped_spans(amc::metrics& numbers, const std::string& reason) {
  return numbers.counter("amc_spans_dropped_total", "Spans that no collector has taken (telemetry.otlp)")
      .Add({{"reason", reason}});
}

span_buffer::span_buffer(amc::metrics& numbers, span_buffer_options options)
    : options_(options), dropped_(dropped_spans(numbers, "buffer_full")) {}

void span_buffer::wakes(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

void span_buffer::add(span one) {
  const auto bytes = one.bytes();
  const std::lock_guard lock(mutex_);
  if (waiting_.size() + taken_ >= options_.max_spans || bytes_ + bytes > options_.max_bytes)
    return dropped_.Increment();
  bytes_ += bytes;
  waiting_.push_back(std::move(one));
  if (waiting_.size() == options_.batch_spans && wake_) wake_();
}

std::vector<span> span_buffer::take() {
  const std::lock_guard lock(mutex_);
  std::vector<span> batch;
  const auto count = std::min(waiting_.size(), options_.batch_spans);
  batch.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    taken_bytes_ += waiting_.front().bytes();
    batch.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  taken_ += count;
  return batch;
}

void span_buffer::settled() {
  const std::lock_guard lock(mutex_);
  bytes_ -= taken_bytes_;
  taken_ = taken_bytes_ = 0;
}

bool span_buffer::empty() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty();
}

}  // namespace amc::telemetry
