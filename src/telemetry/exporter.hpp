#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/back_off.hpp"
#include "core/environment.hpp"
#include "core/one_line_a_second.hpp"
#include "core/task.hpp"
#include "http/client.hpp"
#include "telemetry/span_buffer.hpp"

namespace amc::telemetry {

struct exporter_options {
  std::string collector{};         ///< its URL, for the log
  std::string target{};            ///< what is posted to: "/v1/traces"
  http::headers headers{};         ///< what it wants to see besides
  std::string host{};              ///< `host.name` of what is sent; empty: not told
  milliseconds interval{};         ///< between two looks at the buffer
  milliseconds timeout{};          ///< for one request, and for all that is left at the end
  milliseconds retry_max{};        ///< a batch that is not taken for so long is dropped
  milliseconds retry_after_max{};  ///< and for so long nothing is sent, at most, where the collector asks for a rest
};

/// Sends what is in a buffer to a collector: OTLP over HTTP, in JSON. What cannot be sent costs spans and nothing else:
/// they are counted, and the log says once that it goes wrong and once that it goes well again. While a collector wants
/// to be left alone nothing is sent, unless the process ends. For one thread.
class exporter {
 public:
  exporter(const environment& env, std::shared_ptr<http::caller> collector, std::shared_ptr<span_buffer> from,
           exporter_options options);

  void run() { loops_.spawn(loop()); }
  /// Sends what is left. Ends within twice the time-out: one for a request under way, one for the rest.
  task<void> stop();

 private:
  enum class fate { taken, refused, later };
  struct attempt {
    fate became{};
    milliseconds rest{};  ///< what the collector asks for, if it does
    std::string why{};
  };

  task<void> loop();
  task<void> deliver(std::vector<span> batch);
  task<void> rest();
  task<attempt> ask(const std::string& body, std::size_t spans);
  attempt judge(const http::response& reply, std::size_t spans);
  attempt put_off(const http::response& reply) const;
  milliseconds patience() const;
  bool time_is_over() const;
  void drop(std::size_t spans, const char* reason);
  void note_collector(bool takes, const std::string& why);

  environment env_;
  std::shared_ptr<http::caller> collector_;
  std::shared_ptr<span_buffer> from_;
  exporter_options options_;
  prometheus::Counter& sent_;
  back_off pause_;
  alarm_clock clock_, retry_clock_;
  one_line_a_second refusals_;
  bool takes_ = true;  ///< as the log has told
  bool stopping_ = false;
  timers::time_point rests_until_{};  ///< of every batch: nothing is sent before
  timers::time_point ends_{};         ///< once it stops
  std::size_t left_behind_ = 0;
  task_group loops_;
  std::shared_ptr<bool> there_ = std::make_shared<bool>(true);  ///< expires with this
};

}  // namespace amc::telemetry
