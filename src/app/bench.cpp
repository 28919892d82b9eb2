#include "app/bench.hpp"

#include <re2/re2.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "app/processes.hpp"
#include "core/log.hpp"
#include "core/loop.hpp"
#include "core/standard_streams.hpp"

namespace amc::app {
namespace {

using clock = std::chrono::steady_clock;

/// What a run of conversations came to.
struct tally {
  std::size_t failed = 0;  ///< no answer
  std::size_t wrong = 0;   ///< an answer that is not one
  std::string first_complaint{};
  std::vector<double> latencies_ms{};
  double elapsed_s = 0;
};

/// Runs conversations on one loop's thread, so many at once.
class runner {
 public:
  runner(const environment& env, std::shared_ptr<http::caller> broker, consumer_services::requester_options how,
         const bench_options& options, std::size_t count)
      : env_(env),
        broker_(std::move(broker)),
        how_(std::move(how)),
        options_(options),
        count_(count),
        expected_(how_.answer_pattern),
        workers_(env.executor) {}

  task<tally> run() {
    begun_ = clock::now();
    result_.latencies_ms.reserve(count_);
    for (std::size_t i = 0; i < std::min(options_.concurrency, count_); ++i) workers_.spawn(work());
    co_await workers_.drain();
    result_.elapsed_s = std::chrono::duration<double>(clock::now() - begun_).count();
    if (shows_progress()) std::cerr << "\r" << std::string(60, ' ') << "\r";
    co_return std::move(result_);
  }

 private:
  task<void> work() {
    while (next_ < count_) {
      const auto number = next_++;
      auto start = clock::now();
      if (options_.rate > 0) {
        // The intended start: whoever is late for it has that counted.
        start = begun_ + std::chrono::duration_cast<clock::duration>(
                             std::chrono::duration<double>(static_cast<double>(number) / options_.rate));
        co_await sleep_for(env_, std::chrono::ceil<milliseconds>(start - clock::now()));
      }
      const auto came = co_await consumer_services::request(env_, broker_, "Hi, ", how_);
      note(came, std::chrono::duration<double, std::milli>(clock::now() - start).count());
    }
  }

  void note(const consumer_services::conversation& came, double latency_ms) {
    const bool wrong = came.answered && !RE2::FullMatch(came.text, expected_);
    if (!came.answered) ++result_.failed;
    if (wrong) ++result_.wrong;
    if ((!came.answered || wrong) && result_.first_complaint.empty()) result_.first_complaint = came.text;
    result_.latencies_ms.push_back(latency_ms);
    show_progress();
  }

  bool shows_progress() const { return !options_.json && isatty(STDERR_FILENO) != 0; }

  void show_progress() {
    constexpr std::size_t width = 40;
    const auto done = result_.latencies_ms.size();
    if (!shows_progress() || done * width / count_ == (done - 1) * width / count_) return;
    const auto filled = done * width / count_;
    std::cerr << "\r[" << std::string(filled, '=') << std::string(width - filled, ' ') << "] " << done << "/" << count_
              << std::flush;
  }

  environment env_;
  std::shared_ptr<http::caller> broker_;
  consumer_services::requester_options how_;
  bench_options options_;
  std::size_t count_;
  RE2 expected_;
  task_group workers_;
  clock::time_point begun_{};
  std::size_t next_ = 0;
  tally result_;
};

/// The latency that this share of the conversations did not exceed.
double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

/// What is told, of times in ms.
struct summary {
  explicit summary(tally& of)
      : conversations(of.latencies_ms.size()),
        failed(of.failed),
        wrong(of.wrong),
        elapsed_s(of.elapsed_s),
        per_s(static_cast<double>(conversations) / elapsed_s) {
    std::sort(of.latencies_ms.begin(), of.latencies_ms.end());
    const auto at = [&](double share) { return percentile(of.latencies_ms, share); };
    p50 = at(0.5), p90 = at(0.9), p99 = at(0.99), p999 = at(0.999), max = at(1);
  }

  std::size_t conversations, failed, wrong;
  double elapsed_s, per_s;
  double p50, p90, p99, p999, max;
};

/// Numbers as people write them; a JSON library would write 1.2E4.
std::string as_json(const summary& s) {
  std::ostringstream told;
  told << std::fixed << std::setprecision(3) << R"({"conversations":)" << s.conversations << R"(,"failed":)" << s.failed
       << R"(,"wrong":)" << s.wrong << R"(,"elapsed_s":)" << s.elapsed_s << R"(,"conversations_per_s":)" << s.per_s
       << R"(,"latency_ms":{"p50":)" << s.p50 << R"(,"p90":)" << s.p90 << R"(,"p99":)" << s.p99 << R"(,"p999":)"
       << s.p999 << R"(,"max":)" << s.max << "}}\n";
  return told.str();
}

std::string as_text(const summary& s) {
  std::ostringstream told;
  told << std::fixed << std::setprecision(1) << s.conversations << " conversations in " << s.elapsed_s
       << " s: " << s.per_s << " a second\n"
       << std::setprecision(2) << "latency in ms: p50 " << s.p50 << ", p90 " << s.p90 << ", p99 " << s.p99 << ", p99.9 "
       << s.p999 << ", max " << s.max << "\n"
       << "failed " << s.failed << ", wrong " << s.wrong << "\n";
  return told.str();
}

}  // namespace

int bench(const config& settings, const bench_options& options) {
  loop main("bench");
  const auto broker = client_for(main.env(), settings, settings.text("consumer_services.broker_client.url"));
  const auto converse = [&](std::size_t count) {
    runner one(main.env(), broker, requester_options_from(settings), options, count);
    return main.run(one.run());
  };
  if (options.warm_up > 0) converse(options.warm_up);
  auto came = converse(options.conversations);
  print(options.json ? as_json(summary(came)) : as_text(summary(came)));
  if (came.failed + came.wrong == 0) return 0;
  log::last_words("amc bench", "the first that went wrong: " + came.first_complaint);
  return 1;
}

}  // namespace amc::app
