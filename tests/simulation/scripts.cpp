#include "tests/simulation/scripts.hpp"

#include <array>
#include <boost/json.hpp>

#include "consumer_services/requester.hpp"
#include "core/time_text.hpp"
#include "tests/simulation/recording.hpp"

namespace amc::simulation {
namespace json = boost::json;
namespace {

constexpr milliseconds patience{30'000};

std::string message_body(const std::string& text) {
  const json::object body{{"message", said_in_json(text)}};
  return json::serialize(body);
}

task<void> sleep(const process& on, milliseconds longest) {
  auto over = std::make_shared<one_shot<bool>>(on.env().executor);
  const auto timer = on.env().timers->start(longest, [over] { over->set(true); });
  co_await over->wait();
}

std::string nature_of(random_stream& random, const scenario& plan, int number) {
  if (number <= plan.poisonous) return {poisonous};
  constexpr int one_of = 4;
  if (random.chance(plan.failing)) return {number % one_of == 0 ? hopeless : random.chance(0.3) ? failing : capricious};
  if (random.chance(plan.unfit)) return {random.chance(0.5) ? unfit : spoiling};
  // Room for the plan and for what is answered is left.
  constexpr std::size_t room = 300;
  if (random.chance(plan.large)) return std::string(text_max_bytes - room - random.below(room), large);
  return {};
}

}  // namespace

scripts::scripts(const surroundings& around, cluster& nodes) : around_(around), nodes_(nodes) {
  static const std::vector<std::string> plans{"a", "b", "ab", "ab", "ab", "ba", "aa", "abab", "abba", "ababababab"};
  static constexpr std::array styles{style::converses, style::converses,  style::converses, style::watches,
                                     style::watches,   style::meddles,    style::meddles,   style::cancels,
                                     style::retries,   style::insists,    style::insists,   style::sends_later,
                                     style::lists,     style::sets_a_term};
  const auto& plan = around_.in.plan();
  auto& random = around_.in.random();
  for (int i = 1; i <= plan.messages; ++i) {
    auto one = std::make_unique<script>();
    one->says = {i, nature_of(random, plan, i), random.pick(std::span<const std::string>(plans)), {}};
    one->how = random.pick(std::span<const style>(styles));
    // The seed's contract knows texts alone.
    constexpr int one_in = 3;
    one->says.is_value = one->how != style::converses && i % one_in == 0;
    all_.push_back(std::move(one));
  }
}

void scripts::begin() {
  const auto& plan = around_.in.plan();
  for (auto& one : all_) {
    auto at = around_.in.between(0, plan.posts_until.count());
    // Some come when all is well again, and must find it so.
    constexpr int one_in = 5;
    if (one->says.number % one_in == 0) at = plan.faults_until + around_.in.between(0, 8'000);
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
  const auto& at = nodes_.requesters[static_cast<std::size_t>(what.says.number) % nodes_.requesters.size()];
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
    if (what.how == style::converses)
      co_await converse(what, *on);
    else
      co_await post_and_follow(what, *on);
  } catch (const unavailable&) {
    // Nothing to be learned; the journal says so.
  }
  what.ended = true;
}

scripts::calls scripts::caller(process& on) const {
  auto to = around_.net.connect(on, broker_addresses(around_.in.plan()));
  if (around_.planted.wrap_caller) to = around_.planted.wrap_caller(std::move(to), on);
  return record(std::move(to), on, around_.told);
}

/// On the seed's contract.
task<void> scripts::converse(const script& what, process& on) {
  consumer_services::requester_options options;
  options.timeout = patience;
  options.poll_interval = milliseconds(50);
  auto text = write(what.says);
  const auto outcome = co_await consumer_services::request(on.env(), caller(on), std::move(text), options);
  if (on.alive()) around_.in.note(on.name(), outcome.answered ? "has its answer" : "has no answer");
}

/// Another client, on /messages.
task<void> scripts::post_and_follow(const script& what, process& on) {
  const auto to = caller(on);
  const auto location = co_await post(what, to, on);
  if (what.how == style::lists && on.alive()) co_await list(to, on);
  if (location.empty()) co_return;
  co_await watch(what, to, on, location);
}

std::string scripts::body_of(const script& what) const {
  json::object body{{"message", said_in_json(write(what.says))}};
  const auto now = around_.store.clock();
  if (what.how == style::sends_later) body["deliver_at"] = to_rfc3339(now + around_.in.between(1, 4'000));
  if (what.how == style::sets_a_term)
    body["expires_at"] = to_rfc3339(now - milliseconds(1'000) + around_.in.between(1, 7'000));
  return json::serialize(body);
}

/// Where the new message is; empty when that was not told.
task<std::string> scripts::post(const script& what, calls to, process& on) {
  if (what.how == style::insists) co_return co_await insist(what, to, on);
  co_return co_await post_once(to, body_of(what), "");
}

task<std::string> scripts::post_once(calls to, std::string body, std::string key) {
  http::request asked{"POST", "/messages", {}, std::move(body)};
  if (!key.empty()) asked.headers.add("Idempotency-Key", std::move(key));
  constexpr milliseconds timeout{4'000};
  const auto reply = co_await to->send(std::move(asked), timeout);
  co_return reply.headers.find("Location").value_or("");
}

/// The key makes it safe to post again, and again; with another text it is refused.
task<std::string> scripts::insist(const script& what, calls to, process& on) {
  const auto key = "key of " + std::to_string(what.says.number);
  std::string location;
  constexpr int tries = 8;
  for (int i = 0; i < tries && on.alive(); ++i) {
    try {
      location = co_await post_once(to, body_of(what), key);
    } catch (const unavailable&) {
      // Once more.
    }
    if (!location.empty() && around_.in.random().chance(0.7)) break;
    co_await sleep(on, around_.in.between(1, 1'500));
  }
  if (on.alive() && around_.in.random().chance(0.5)) {
    constexpr int other = 10'000;
    auto says = what.says;
    says.number += other;
    co_await post_once(to, message_body(write(says)), key);
  }
  co_return location;
}

task<void> scripts::watch(const script& what, calls to, process& on, std::string target) {
  const auto deadline = on.env().timers->now() + patience;
  std::string tag;
  while (on.alive() && on.env().timers->now() < deadline) {
    http::request asked{"GET", target};
    asked.headers.add("Prefer", "wait=4");
    if (!tag.empty()) asked.headers.add("If-None-Match", tag);
    http::response reply;
    bool failed = false;
    try {
      constexpr milliseconds timeout{6'000};
      reply = co_await to->send(std::move(asked), timeout);
    } catch (const unavailable&) {
      failed = true;
    }
    tag = reply.headers.find("ETag").value_or(tag);
    if (!failed && reply.status == 200) co_await act(what, to, on, reply);
    if (tag.find('-') != std::string::npos) co_return;  // a terminal status
    if (failed || reply.status >= 400) co_await sleep(on, around_.in.between(50, 500));
  }
}

/// What this client does about what it has seen.
task<void> scripts::act(const script& what, calls to, process& on, const http::response& seen) {
  const auto body = json::parse(seen.body);
  const auto target = "/messages/" + std::string(body.at("id").as_string());
  const auto state = body.at("status").as_string();
  if (!on.alive()) co_return;
  if (what.how == style::meddles) co_await meddle(to, on, seen);
  if (what.how == style::cancels) {
    co_await sleep(on, around_.in.between(0, 1'000));
    co_await ask(to, "DELETE", target);
  }
  if (what.how == style::retries && state == "pending") {
    co_await ask(to, "DELETE", target);
    co_await sleep(on, around_.in.between(0, 1'000));
  }
  if (what.how == style::retries) co_await ask(to, "POST", target + "/retry");
}

task<void> scripts::ask(calls to, std::string method, std::string target) {
  http::request asked{std::move(method), std::move(target)};
  constexpr milliseconds timeout{3'000};
  try {
    co_await to->send(std::move(asked), timeout);
  } catch (const unavailable&) {
    // What it meant to do may have been done or not.
  }
}

/// Answers in a service's stead, against the revision that it has seen.
task<void> scripts::meddle(calls to, process& on, const http::response& seen) {
  const auto body = json::parse(seen.body);
  const auto text = text_of(body.at("message"));
  const auto says = read(text);
  if (!says || says->plan.empty()) co_return;
  http::request asked{"PUT", "/messages/" + std::string(body.at("id").as_string())};
  asked.headers.add("If-Match", "\"" + std::to_string(body.at("revision").as_int64()) + "\"");
  asked.body = message_body(answered(text, on.name(), ++around_.told.last_run));
  constexpr milliseconds timeout{3'000};
  try {
    co_await to->send(std::move(asked), timeout);
  } catch (const unavailable&) {
    // The journal says so.
  }
}

/// All messages, page by page, while others change them.
task<void> scripts::list(calls to, process& on) {
  listed all{around_.in.now(), {}};
  std::string after;
  do {
    http::request asked{"GET", "/messages?limit=3&after=" + after};
    constexpr milliseconds timeout{3'000};
    const auto reply = co_await to->send(std::move(asked), timeout);
    if (reply.status != 200 || !on.alive()) co_return;
    const auto page = json::parse(reply.body);
    for (const auto& m : page.at("messages").as_array()) all.messages.push_back(shown_in(m).value());
    const auto* next = page.as_object().if_contains("next");
    after = next ? next->as_string() : "";
  } while (!after.empty());
  around_.told.lists.push_back(std::move(all));
}

}  // namespace amc::simulation
