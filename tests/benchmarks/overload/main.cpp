#include <re2/re2.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <iostream>
#include <map>

#include "core/loop.hpp"
#include "http/client.hpp"

/// More messages than a broker can take, on a clock that does not wait for it: what does it answer, and how soon?
namespace amc::benchmarks {
namespace {

namespace json = boost::json;
using clock = std::chrono::steady_clock;

struct options {
  std::string url;
  double rate = 0;
  double duration_s = 60;
  std::size_t open_max =
      4'000;  ///< requests under way, fewer than a broker has connections; more are counted, not sent
  std::int64_t deadline_ms = 3'000;
};

struct tally {
  std::map<int, std::size_t> statuses{};
  std::size_t unsent = 0;
  std::size_t without_answer = 0;
  std::size_t late = 0;
  std::size_t wrong = 0;
  std::string first_complaint{};
  std::vector<double> latencies_ms{};
};

class overload {
 public:
  overload(const environment& env, std::shared_ptr<http::caller> broker, options asked)
      : env_(env), broker_(std::move(broker)), asked_(std::move(asked)), asking_(env.executor) {}

  task<tally> run() {
    alarm_clock pause(env_);
    const auto begun = clock::now();
    double begun_requests = 0;
    for (double elapsed_s = 0; elapsed_s < asked_.duration_s;) {
      for (; begun_requests < elapsed_s * asked_.rate; ++begun_requests) begin();
      co_await pause.sleep(milliseconds(1));
      elapsed_s = std::chrono::duration<double>(clock::now() - begun).count();
    }
    co_await asking_.drain();
    co_return std::move(result_);
  }

 private:
  void begin() {
    if (static_cast<std::size_t>(asking_.running()) >= asked_.open_max)
      ++result_.unsent;
    else
      asking_.spawn(ask());
  }

  task<void> ask() {
    http::request post{"POST", "/messages", {}, R"({"message":"Hi, "})"};
    const auto start = clock::now();
    const milliseconds patience(10 * asked_.deadline_ms);
    try {
      note(co_await broker_->send(std::move(post), patience));
    } catch (const unavailable& failed) {
      ++result_.without_answer;
      complain(failed.what());
    }
    const auto ms = std::chrono::duration<double, std::milli>(clock::now() - start).count();
    if (ms > static_cast<double>(asked_.deadline_ms)) ++result_.late;
    result_.latencies_ms.push_back(ms);
  }

  void note(const http::response& reply) {
    ++result_.statuses[reply.status];
    static const RE2 accepted(R"re(.*"id":"[0-9a-f-]{36}".*"status":"pending".*)re");
    const bool right = reply.status == 202 ? RE2::FullMatch(reply.body, accepted) : reply.status == 503;
    if (right) return;
    ++result_.wrong;
    complain(std::to_string(reply.status) + " " + reply.body);
  }

  void complain(const std::string& what) {
    if (result_.first_complaint.empty()) result_.first_complaint = what;
  }

  environment env_;
  std::shared_ptr<http::caller> broker_;
  options asked_;
  task_group asking_;
  tally result_;
};

json::object report(tally& of) {
  auto& all = of.latencies_ms;
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    return all.empty() ? 0.0 : all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
  };
  json::object statuses;
  for (const auto& [status, count] : of.statuses) statuses[std::to_string(status)] = count;
  return {{"statuses", statuses},
          {"unsent", of.unsent},
          {"without_answer", of.without_answer},
          {"late", of.late},
          {"wrong", of.wrong},
          {"latency_ms", {{"p50", at(0.5)}, {"p99", at(0.99)}, {"max", at(1)}}},
          {"first_complaint", of.first_complaint}};
}

/// Every request under way is a descriptor.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// True when every request was answered rightly and in time.
bool run(const options& asked) {
  raise_descriptor_limit();
  loop main("overload");
  http::client_options how;
  how.url = asked.url;
  overload load(main.env(), http::make_client(main.env(), how), asked);
  auto came = main.run(load.run());
  std::cout << json::serialize(report(came)) << "\n";
  return came.without_answer + came.late + came.wrong == 0;
}

}  // namespace
}  // namespace amc::benchmarks

int main(int argc, char** argv) {
  amc::benchmarks::options asked;
  CLI::App app("More messages than a broker can take: every request must be answered 2xx or 503, in time");
  app.add_option("--url", asked.url)->required();
  app.add_option("--rate", asked.rate, "requests a second")->required();
  app.add_option("--duration", asked.duration_s, "seconds")->capture_default_str();
  app.add_option("--open-max", asked.open_max, "requests under way; more are not sent")->capture_default_str();
  app.add_option("--deadline-ms", asked.deadline_ms, "a later answer fails the run")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return amc::benchmarks::run(asked) ? 0 : 1;
}
