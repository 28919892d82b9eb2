#include "tests/simulation/scripts.hpp"

#include <boost/json.hpp>

#include "consumer_services/requester.hpp"
#include "tests/simulation/recording.hpp"
#include "tests/simulation/wording.hpp"

namespace amc::simulation {
namespace json = boost::json;
namespace {

constexpr milliseconds patience{30'000};

std::string message_body(const std::string& text) {
  const json::object body{{"message", text}};
  return json::serialize(body);
}

task<void> sleep(const process& on, milliseconds longest) {
  auto over = std::make_shared<one_shot<bool>>(on.env().executor);
  const auto timer = on.env().timers->start(longest, [over] { over->set(true); });
  co_await over->wait();
}

}  // namespace

scripts::scripts(const surroundings& around, cluster& nodes) : around_(around), nodes_(nodes) {
  static const std::vector<std::string> plans{"a", "b", "ab", "ab", "ab", "ba", "aa", "abab", "abba"};
  auto& random = around_.in.random();
  for (int i = 1; i <= around_.in.plan().messages; ++i) {
    auto one = std::make_unique<script>();
    one->number = i;
    one->plan = random.pick(std::span<const std::string>(plans));
    all_.push_back(std::move(one));
  }
}

void scripts::begin() {
  const auto& plan = around_.in.plan();
  for (auto& one : all_) {
    auto at = around_.in.between(0, plan.posts_until.count());
    // Some come when all is well again, and must find it so.
    constexpr int one_in = 5;
    if (one->number % one_in == 0) at = plan.faults_until + around_.in.between(0, 8'000);
    around_.in.later(at, [this, &one] { start(*one); });
  }
}

bool scripts::over() const {
  if (begun_ < all_.size()) return false;
  for (const auto& one : all_)
    if (const auto on = one->on.lock(); !one->ended && on && on->alive()) return false;
  return true;
}

void scripts::start(script& what) {
  const auto& at = nodes_.requesters[static_cast<std::size_t>(what.number) % nodes_.requesters.size()];
  if (!at->up()) {
    constexpr milliseconds again{200};
    return around_.in.later(again, [this, &what] { start(what); });
  }
  ++begun_;
  what.on = at->current();
  at->current()->spawn(run(what, at->current()));
}

task<void> scripts::run(script& what, std::shared_ptr<process> on) {
  try {
    if (around_.in.random().chance(0.4))
      co_await converse(what, on);
    else
      co_await post_and_watch(what, on);
  } catch (const unavailable&) {
    // Nothing to be learned; the journal says so.
  }
  what.ended = true;
}

std::shared_ptr<http::caller> scripts::caller(process& on) const {
  auto calls = around_.net.connect(on, broker_addresses(around_.in.plan()));
  if (around_.planted.wrap_caller) calls = around_.planted.wrap_caller(std::move(calls), on);
  return record(std::move(calls), on, around_.told);
}

/// The production requester, on the seed's contract.
task<void> scripts::converse(script& what, std::shared_ptr<process> on) {
  consumer_services::requester_options options;
  options.timeout = patience;
  auto text = write({what.number, what.plan, {}});
  const auto outcome = co_await consumer_services::request(on->env(), caller(*on), std::move(text), options);
  if (on->alive()) around_.in.note(on->name(), outcome.answered ? "has its answer" : "has no answer");
}

/// Another client, on /messages: it posts once, and looks until it is finished or patience ends.
task<void> scripts::post_and_watch(script& what, std::shared_ptr<process> on) {
  const auto calls = caller(*on);
  http::request asked{"POST", "/messages", {}, message_body(write({what.number, what.plan, {}}))};
  constexpr milliseconds timeout{4'000};
  const auto reply = co_await calls->send(std::move(asked), timeout);
  const auto location = reply.headers.find("Location");
  if (reply.status != 202 || !location) co_return;
  const bool meddles = around_.in.random().chance(0.3);
  co_await watch(calls, *on, *location, meddles);
}

task<void> scripts::watch(std::shared_ptr<http::caller> calls, process& on, std::string target, bool meddles) {
  const auto deadline = on.env().timers->now() + patience;
  std::string tag;
  while (on.env().timers->now() < deadline) {
    http::request asked{"GET", target};
    asked.headers.add("Prefer", "wait=4");
    if (!tag.empty()) asked.headers.add("If-None-Match", tag);
    http::response reply;
    bool failed = false;
    try {
      constexpr milliseconds timeout{6'000};
      reply = co_await calls->send(std::move(asked), timeout);
    } catch (const unavailable&) {
      failed = true;
    }
    tag = reply.headers.find("ETag").value_or(tag);
    if (tag.find('-') != std::string::npos) co_return;  // a terminal status
    if (!failed && reply.status == 200 && meddles) co_await meddle(calls, on, reply);
    if (failed || reply.status >= 400) co_await sleep(on, around_.in.between(50, 500));
  }
}

/// Answers in a service's stead, against the revision that it has seen.
task<void> scripts::meddle(std::shared_ptr<http::caller> calls, process& on, const http::response& seen) {
  const auto body = json::parse(seen.body);
  const std::string text(body.at("message").as_string());
  const auto what = read(text);
  if (!on.alive() || !what || what->plan.empty()) co_return;
  http::request asked{"PUT", "/messages/" + std::string(body.at("id").as_string())};
  asked.headers.add("If-Match", "\"" + std::to_string(body.at("revision").as_int64()) + "\"");
  asked.body = message_body(answered(text, on.name(), ++around_.told.last_run));
  constexpr milliseconds timeout{3'000};
  try {
    co_await calls->send(std::move(asked), timeout);
  } catch (const unavailable&) {
  }
}

}  // namespace amc::simulation
