#include "tests/simulation/operator.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "tests/simulation/recording.hpp"
#include "tests/simulation/trace.hpp"

namespace amc::simulation {
namespace json = boost::json;
namespace {

task<void> sleep(const process& on, milliseconds longest) {
  auto over = std::make_shared<one_shot<bool>>(on.env().executor);
  const auto timer = on.env().timers->start(longest, [over] { over->set(true); });
  co_await over->wait();
}

const std::string& latest_error(const message& m) {
  static const std::string none;
  return m.attempts.empty() ? none : m.attempts.back().error;
}

bool is_meant(const mass_retry& which, const message& m) {
  return m.status == which.status && (which.queue.empty() || m.queue == which.queue) &&
         latest_error(m).find(which.error_part) != std::string::npos;
}

}  // namespace

void store_operator::begin() {
  const auto& plan = around_.in.plan();
  if (plan.operators_acts == 0) {
    ended_ = true;
    return;
  }
  around_.in.later(around_.in.between(500, 2'000), [this] {
    const auto& at = nodes_.requesters.front();
    if (!at->up()) return begin();
    on_ = at->current();
    at->current()->spawn(run(at->current()));
  });
}

bool store_operator::over() const {
  if (ended_) return true;
  const auto on = on_.lock();
  return on && !on->alive();
}

task<void> store_operator::run(std::shared_ptr<process> on) {
  for (int i = 0; i < around_.in.plan().operators_acts && on->alive(); ++i) {
    co_await act(*on);
    co_await sleep(*on, around_.in.between(100, 2'000));
  }
  ended_ = true;
}

task<void> store_operator::act(process& on) {
  const auto& broker = *nodes_.brokers[around_.in.random().below(nodes_.brokers.size())];
  auto to = around_.net.connect(on, {broker.name()});
  if (around_.planted.wrap_caller) to = around_.planted.wrap_caller(std::move(to), on);
  to = record(std::move(to), on, around_.told);
  switch (around_.in.random().below(4)) {
    case 0:
      co_return co_await count(to, on);
    case 1:
      co_return co_await list(to, on);
    default:
      co_return co_await retry_all(to, on, broker);
  }
}

task<std::optional<http::response>> store_operator::ask(calls to, std::string method, std::string target,
                                                        std::string body) {
  http::request asked{std::move(method), std::move(target), {}, std::move(body)};
  constexpr milliseconds timeout{3'000};
  std::optional<http::response> reply;
  try {
    reply = co_await to->send(std::move(asked), timeout);
  } catch (const http::answer_too_large& why) {
    around_.in.fail(std::string("nobody can take what an operator is told: ") + why.what());
  } catch (const unavailable&) {
    // Nothing is learned.
  }
  co_return reply;
}

/// Numbers that were true while nobody changed anything.
task<void> store_operator::count(calls to, process& on) {
  const auto before = around_.store.rows();
  const auto begun = around_.store.clock();
  const auto reply = co_await ask(to, "GET", "/queues", "");
  if (!reply || reply->status != 200 || !on.alive() || around_.store.rows() != before) co_return;
  const auto ended = around_.store.clock();
  const bool jumps = around_.in.plan().of(fault::store_clock) > 0;  // meanwhile, and back again
  const auto number = [](const json::value& of, const char* name) {
    return of.at(name).is_null() ? -1 : of.at(name).to_number<std::int64_t>();
  };
  const auto queues = json::parse(reply->body);
  for (const auto& told : queues.at("queues").as_array()) {
    const std::string queue(told.at("queue").as_string());
    std::int64_t pending = 0, dead = 0, held_then = 0, held_now = 0, due_then = 0, due_now = 0;
    std::optional<timestamp> oldest_then, oldest_now;  // of what could be worked on
    for (const auto& [id, m] : before) {
      if (m->queue != queue) continue;
      dead += m->status == status::dead;
      if (m->status != status::pending) continue;
      ++pending;
      held_then += m->held && m->due > begun;
      held_now += m->held && m->due > ended;
      due_then += m->due <= begun;
      due_now += m->due <= ended;
      const auto note = [&](std::optional<timestamp>& oldest, timestamp at) {
        const bool could_be_worked_on = !m->held || m->due <= at;
        if (could_be_worked_on && (!oldest || m->created_at < *oldest)) oldest = m->created_at;
      };
      note(oldest_then, begun);
      note(oldest_now, ended);
    }
    const auto is_between = [&](const char* name, std::int64_t then, std::int64_t now) {
      return jumps || (number(told, name) >= std::min(then, now) && number(told, name) <= std::max(then, now));
    };
    const bool true_numbers = number(told, "pending") == pending && number(told, "dead") == dead;
    if (!true_numbers || !is_between("due", due_then, due_now) || !is_between("held", held_then, held_now))
      around_.in.fail("queue " + queue + " is told to hold " + json::serialize(told));
    const auto age = number(told, "oldest_age_ms");
    const bool same_age = age == -1 ? !oldest_then
                                    : oldest_now && age <= (ended - *oldest_now).count() &&
                                          (!oldest_then || age >= (begun - *oldest_then).count());
    if (!same_age && !jumps) around_.in.fail("queue " + queue + " is told to have waited " + std::to_string(age));
  }
}

mass_retry store_operator::some_of_them() const {
  auto& random = around_.in.random();
  mass_retry which;
  if (random.chance(0.3)) which.status = status::cancelled;
  if (random.chance(0.3)) which.queue = random.chance(0.5) ? "a" : "b";
  if (which.status == status::dead && random.chance(0.5))
    which.error_part = random.chance(0.5) ? "nature f" : "no answer";
  return which;
}

/// All of a kind, page by page.
task<void> store_operator::list(calls to, process& on) {
  const auto which = some_of_them();
  const auto before = around_.store.rows();
  std::set<uuid> seen;
  std::string after;
  do {
    const auto reply = co_await ask(to, "GET",
                                    std::string("/messages?status=") + to_string(which.status) +
                                        "&limit=3&queue=" + which.queue + "&after=" + after,
                                    "");
    if (!reply || reply->status != 200 || !on.alive()) co_return;
    const auto page = json::parse(reply->body);
    for (const auto& m : page.at("messages").as_array()) {
      const auto now = shown_in(m).value();
      if (now.status != which.status)
        around_.in.fail(brief(now.id) + " is listed in another status than was asked for");
      seen.insert(now.id);
    }
    const auto* next = page.as_object().if_contains("next");
    after = next ? next->as_string() : "";
  } while (!after.empty());
  for (const auto& [id, m] : before) {
    const auto found = around_.store.rows().find(id);
    const bool untouched = found != around_.store.rows().end() && found->second == m;
    const bool meant = m->status == which.status && (which.queue.empty() || m->queue == which.queue);
    if (untouched && meant != seen.contains(id))
      around_.in.fail(brief(id) + (meant ? " is left out of a list" : " is listed, and was not asked for"));
  }
}

task<void> store_operator::retry_all(calls to, process& on, const node& broker) {
  mass_run one{around_.in.now(), {}, some_of_them(), around_.store.rows(), {}, {}};
  const auto asked_of = broker.current();
  json::object body{{"status", to_string(one.which.status)}};
  if (!one.which.queue.empty()) body["queue"] = one.which.queue;
  if (!one.which.error_part.empty()) body["error"] = one.which.error_part;
  const auto begun = co_await ask(to, "POST", "/retries", json::serialize(body));
  if (!begun || begun->status != 200) co_return;
  constexpr int looks = 60;
  for (int i = 0; i < looks && on.alive() && broker.current() == asked_of && asked_of; ++i) {
    co_await sleep(on, milliseconds(300));
    const auto told = co_await ask(to, "GET", "/retries", "");
    if (!told || told->status != 200 || !on.alive()) continue;
    const auto state = json::parse(told->body);
    if (state.at("running").as_bool()) continue;
    if (broker.current() != asked_of || !asked_of->alive()) co_return;
    if (const auto* why = state.as_object().if_contains("stopped_because")) one.stopped_because = why->as_string();
    one.ended = around_.in.now();
    one.rows_after = around_.store.rows();
    runs_.push_back(std::move(one));
    co_return;
  }
  const bool was_there = asked_of && broker.current() == asked_of && on.alive();
  if (was_there && around_.in.plan().calm()) around_.in.fail("a mass retry does not come to its end");
}

void store_operator::check_mass_retries() const {
  for (const auto& one : runs_) check(one);
}

/// It does not go on when what it has retried fails always, and as before.
void store_operator::check_it_stops(const mass_run& one) const {
  if (!around_.in.plan().calm()) return;
  constexpr milliseconds a_while{1'500};
  std::optional<milliseconds> failed;
  for (const auto& [id, now] : one.rows_after) {
    const auto before = one.rows_before.find(id);
    const auto retried = around_.told.reopened.find(id);
    if (before == one.rows_before.end() || retried == around_.told.reopened.end()) continue;
    const bool by_this = is_meant(one.which, *before->second) && retried->second > one.begun &&
                         now->attempts.size() > before->second->attempts.size();
    const bool as_before = now->status == status::dead && !latest_error(*before->second).empty() &&
                           latest_error(*now) == latest_error(*before->second);
    const auto when = around_.in.now() - (around_.store.clock() - now->updated_at);
    if (by_this && as_before && (!failed || when < *failed)) failed = when;
  }
  if (!failed) return;
  for (const auto& [id, when] : around_.told.reopened)
    if (when > *failed + a_while && when < one.ended && !around_.told.was_reopened_alone(id))
      around_.in.fail("a mass retry goes on, though the same failure came back");
}

void store_operator::check(const mass_run& one) const {
  const std::string same = "the same failure came back: ";
  if (one.stopped_because.starts_with(same)) {
    const auto error = one.stopped_because.substr(same.size());
    // Somebody had this error, was retried, and has it again.
    const bool came_back = std::any_of(one.rows_after.begin(), one.rows_after.end(), [&](const auto& r) {
      const auto before = one.rows_before.find(r.first);
      const bool was_there = before != one.rows_before.end();
      // What was pending when this began, or not there yet, may have ended and been retried since.
      const auto reopened = around_.told.reopened.find(r.first);
      const bool reopened_since = reopened != around_.told.reopened.end() && reopened->second > one.begun;
      if (!reopened_since && (!was_there || before->second->status == status::pending)) return false;
      const auto known = was_there ? before->second->attempts : std::vector<attempt>();
      // Any that is new, not the latest alone: by now the message may have ended for another reason.
      const auto& attempts = r.second->attempts;
      return std::any_of(attempts.begin(), attempts.end(), [&](const attempt& a) {
        return a.error == error && (known.empty() || a.at > known.back().at);
      });
    });
    if (!came_back && around_.in.plan().of(fault::store_clock) == 0)
      around_.in.fail("a mass retry has stopped for a failure that did not come back: " + error);
    return;
  }
  if (!one.stopped_because.empty()) return;
  check_it_stops(one);
  for (const auto& [id, m] : one.rows_before) {
    const auto after = one.rows_after.find(id);
    const bool untouched = after != one.rows_after.end() && after->second == m;
    const bool expired = m->expires_at && *m->expires_at <= around_.store.clock();
    if (untouched && is_meant(one.which, *m) && !expired)
      around_.in.fail(brief(id) + " was to be retried with all the others, and was not");
  }
}

}  // namespace amc::simulation
