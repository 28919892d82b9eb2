#include "tests/simulation/intervening.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "tests/simulation/recording.hpp"
#include "tests/simulation/trace.hpp"
#include "tests/simulation/wording.hpp"

namespace amc::simulation {
namespace json = boost::json;
namespace {

constexpr std::uint64_t own_stream = 54;

task<void> sleep(const process& on, milliseconds longest) {
  auto over = std::make_shared<one_shot<bool>>(on.env().executor);
  const auto timer = on.env().timers->start(longest, [over] { over->set(true); });
  co_await over->wait();
}

bool waits_for_something(const message& m) {
  return m.status == status::pending && m.held;
}
bool is_pending(const message& m) {
  return m.status == status::pending;
}
bool can_be_retried(const message& m) {
  return m.status == status::dead || m.status == status::cancelled;
}

http::request post(const uuid& id, const char* verb, const json::object& body = {}) {
  return {"POST", "/messages/" + to_string(id) + "/" + verb, {}, body.empty() ? std::string() : json::serialize(body)};
}

}  // namespace

intervening::intervening(const surroundings& around, cluster& nodes)
    : around_(around),
      nodes_(nodes),
      random_(around.in.plan().seed, own_stream),
      left_(around.in.plan().interventions) {}

bool intervening::over() const {
  return left_ == 0 && std::all_of(acts_.begin(), acts_.end(), [](const auto& one) {
           const auto by = one->by.lock();
           return one->ended || !by || !by->alive();
         });
}

void intervening::begin() {
  if (left_ > 0) around_.in.later(milliseconds(random_.between(200, 2'000)), [this] { tick(); });
}

void intervening::tick() {
  const auto& from = *nodes_.requesters[random_.below(nodes_.requesters.size())];
  if (from.up()) {
    --left_;
    acts_.push_back(std::make_shared<act>(act{from.current()}));
    from.current()->spawn(run(acts_.back(), from.current()));
  }
  if (left_ > 0) around_.in.later(milliseconds(random_.between(20, 1'200)), [this] { tick(); });
}

task<void> intervening::run(std::shared_ptr<act> what, std::shared_ptr<process> on) {
  const auto& broker = *nodes_.brokers[random_.below(nodes_.brokers.size())];
  auto to = around_.net.connect(*on, {broker.name()});
  if (around_.planted.wrap_caller) to = around_.planted.wrap_caller(std::move(to), *on);
  to = record(std::move(to), *on, around_.told);
  co_await intervene(std::move(to), *on, broker);
  what->ended = true;
}

task<void> intervening::intervene(calls to, process& on, const node& broker) {
  constexpr double purges = 0.15;
  if (random_.chance(purges)) co_return co_await purge(std::move(to), on, broker);
  co_await ask_about_one(std::move(to), on);
}

task<std::optional<http::response>> intervening::ask(calls to, http::request what) {
  constexpr milliseconds timeout{3'000};
  std::optional<http::response> reply;
  try {
    reply = co_await to->send(std::move(what), timeout);
  } catch (const unavailable&) {
    // It may have been done or not.
  }
  co_return reply;
}

/// One of those that are meant, where there is one, and now and then any other.
row intervening::any_of(bool (*meant)(const message&)) {
  std::vector<row> all, some;
  for (const auto& [id, m] : around_.store.rows()) {
    all.push_back(m);
    if (meant(*m)) some.push_back(m);
  }
  const auto& from = some.empty() || random_.chance(0.1) ? all : some;
  return from.empty() ? nullptr : from[random_.below(from.size())];
}

http::request intervening::edit(const message& m, const process& on) {
  static constexpr std::string_view plans[]{"a", "b", "ab", "ba"};
  const auto text = edited(m.text, plans[random_.below(std::size(plans))], on.name(), ++around_.told.last_run);
  json::object body{{"message", said_in_json(text)}};
  if (random_.chance(0.5)) body["queue"] = random_.chance(0.5) ? "a" : "b";
  return post(m.id, "retry", body);
}

task<void> intervening::ask_about_one(calls to, process& on) {
  const auto what = random_.below(8);
  const bool moves = what >= 3 && what < 6;
  const auto m = any_of(what < 3 ? waits_for_something : moves ? is_pending : can_be_retried);
  if (!m) co_return;
  const json::object there{{"queue", (m->queue == "a") == random_.chance(0.9) ? "b" : "a"}};
  auto asked = what < 3    ? post(m->id, "run-now")
               : moves     ? post(m->id, "move", there)
               : what == 6 ? post(m->id, "retry", there)
                           : edit(*m, on);
  auto again = asked;
  co_await ask(to, std::move(asked));
  if (on.alive() && random_.chance(0.15)) co_await ask(to, std::move(again));
}

task<void> intervening::purge(calls to, process& on, const node& broker) {
  purge_run one{random_.chance(0.5) ? "a" : "b", around_.store.rows(), {}};
  const auto target = "/queues/" + one.queue + "/purge";
  const auto asked_of = broker.current();
  http::request start{"POST", target, {}, {}};
  const auto begun = co_await ask(to, std::move(start));
  if (!begun || begun->status != 200) co_return;
  constexpr int looks = 60;
  for (int i = 0; i < looks && on.alive() && broker.current() == asked_of && asked_of; ++i) {
    co_await sleep(on, milliseconds(100));
    http::request look{"GET", target, {}, {}};
    const auto told = co_await ask(to, std::move(look));
    if (!told || told->status != 200 || !on.alive()) continue;
    const auto state = json::parse(told->body);
    if (state.at("running").as_bool()) continue;
    if (broker.current() != asked_of || state.as_object().contains("stopped_because")) co_return;
    one.rows_after = around_.store.rows();
    purges_.push_back(std::move(one));
    co_return;
  }
  const bool was_there = asked_of && broker.current() == asked_of && on.alive();
  if (was_there && around_.in.plan().calm()) around_.in.fail("a purge does not come to its end");
}

void intervening::check_purges() const {
  if (around_.in.plan().of(fault::store_clock) > 0) return;  // what came before it may bear a later time
  for (const auto& one : purges_) check(one);
}

void intervening::check(const purge_run& one) const {
  for (const auto& [id, before] : one.rows_before) {
    // Who has a claim may hold it again, as long as nobody has another.
    const bool has_a_claim = before->unanswered > 0;
    if (before->status != status::pending || before->queue != one.queue || has_a_claim) continue;
    const auto after = one.rows_after.find(id);
    if (after == one.rows_after.end()) continue;
    const auto& now = *after->second;
    const bool untouched = now.status == status::pending && now.queue == one.queue &&
                           now.revision == before->revision && now.claim == before->claim;
    const bool went_and_came = around_.told.was_asked(id, "move") || around_.told.was_retried(id);
    if (untouched && !went_and_came) around_.in.fail(brief(id) + " was to be purged with its queue, and was not");
  }
}

}  // namespace amc::simulation
