#include "broker/messages.hpp"

#include <algorithm>
#include <limits>

#include "broker/endings.hpp"
#include "broker/intake.hpp"
#include "core/base64.hpp"
#include "core/log.hpp"
#include "core/text.hpp"

namespace amc::broker {
namespace {

/// The first sentence is the seed's.
error unroutable(std::string_view text) {
  constexpr std::size_t shown_max_bytes = 100;
  const auto shown = shortened(text, shown_max_bytes);
  return {errc::unroutable, "I don't know which queue this message belongs to. No route matches \"" + escaped(shown) +
                                (shown.size() < text.size() ? "…" : "") +
                                "\": add one under broker.routes; \"amc routes TEXT\" says where a text would go."};
}

/// For what is about claims that somebody has.
constexpr life_cycle::entitlement of_holder{.needed = right::serve, .as_holder = true};

/// One for each claim.
std::vector<change> changes_of(const std::vector<claimed>& claims,
                               change (*make)(const event& ready, std::int64_t claim), const principal_ptr& by) {
  std::vector<change> changes;
  changes.reserve(claims.size());
  for (const auto& c : claims) changes.push_back(life_cycle::wanted_by(by, of_holder, make(c.ready, c.claim)));
  return changes;
}

}  // namespace

claimed_revision delivery_of(const message& m) {
  return {.id = m.id,
          .revision = m.revision,
          .claim = m.claim,
          .text = m.form == content_form::bytes ? from_base64(m.text).value_or("") : m.text,
          .lease = m.lease,
          .traceparent = m.traceparent,
          .tracestate = m.tracestate,
          .form = m.form,
          .content_type = m.content_type,
          .headers = m.headers,
          .attempt = attempt_of(m),
          .alone = m.unanswered > life_cycle::claims_in_company,
          .created_at = m.created_at,
          .queue = m.queue};
}

messages::messages(const environment& env, message_store::async_store store, std::shared_ptr<ringing> rings,
                   std::shared_ptr<messages_metrics> numbers, std::shared_ptr<queue_system::publisher> publish,
                   std::shared_ptr<const router> routes, uuid_source new_id, std::shared_ptr<activity> seen,
                   std::shared_ptr<pauses> paused, messages_options options)
    : env_(env),
      store_(std::move(store)),
      rings_(std::move(rings)),
      numbers_(std::move(numbers)),
      publisher_(std::move(publish)),
      routes_(std::move(routes)),
      new_id_(std::move(new_id)),
      seen_(std::move(seen)),
      paused_(std::move(paused)),
      options_(std::move(options)),
      spans_(options_.traces) {
  paused_->when_resumed([this](const std::string& queue) {
    rings_->resumed(queue);
    if (hand_off_) hand_off_->opened(queue);
  });
}

messages::~messages() {
  paused_->when_resumed(nullptr);
}

std::optional<error> messages::refuses_queue(std::string_view name, const principal_ptr& by) const {
  if (routes_->names(name)) return {};
  if (!is_queue_name(name))
    return error{errc::invalid,
                 "A queue's name has 1 to 100 characters of A-Z a-z 0-9 . _ - and is not . or .., not \"" +
                     escaped(shortened(name, 100)) + "\"."};
  auto known = routes_->queues();
  if (by) std::erase_if(known, [&](const auto& queue) { return !by->sees(queue) && !by->may(right::send, queue); });
  if (routes_->closed())
    return error{errc::invalid,
                 "No route and no entry of broker.queues names the queue \"" + std::string(name) +
                     "\", and broker.queues_closed is set" +
                     (known.empty() ? "." : "; the nearest known one is \"" + nearest(name, known) + "\".")};
  return {};
}

/// Each costs this process something for as long as it runs.
std::optional<error> messages::refuses_new_queue(const std::string& name, const principal_ptr& by) {
  if (auto refused = refuses_queue(name, by)) return refused;
  if (routes_->names(name) || unrouted_.contains(name)) return {};
  if (routes_->queues().size() + unrouted_.size() >= routes_->queues_max())
    return error{errc::invalid, "Messages were sent to " + std::to_string(routes_->queues_max()) +
                                    " queues already (broker.queues_max); \"" + name + "\" would be one more."};
  unrouted_.insert(name);
  return {};
}

result<destination> messages::where(const content& said, const std::optional<destination>& told,
                                    const principal_ptr& by) {
  if (!told) {
    const auto to = routes_->follow(said.text, said.form);
    if (!to) return unroutable(said.text);
    const auto* queue = std::get_if<to_queue>(&to->to);
    const bool may = !by || !queue || by->may(right::send, queue->name) ||
                     std::any_of(to->from.begin(), to->from.end(),
                                 [&](const auto& origin) { return by->may(right::serve, origin); });
    if (!may) return life_cycle::forbidden();
    return to->to;
  }
  const auto* queue = std::get_if<to_queue>(&*told);
  if (queue && by && !by->may(right::send, queue->name)) return life_cycle::forbidden();
  if (auto refused = queue ? refuses_new_queue(queue->name, by) : std::nullopt) return *std::move(refused);
  return *told;
}

/// What is finished as it comes goes to no queue: that takes the right to send somewhere.
result<destination> messages::where_new(const content& said, const std::optional<destination>& told,
                                        const principal_ptr& by) {
  auto to = where(said, told, by);
  const bool may = !to || !by || std::holds_alternative<to_queue>(*to) || by->may_somewhere(right::send);
  if (!may) return life_cycle::forbidden();
  return to;
}

task<result<row>> messages::accept(uuid id, content said, life_cycle::accept_options options) {
  std::vector<accept_request> one;
  one.push_back({id, std::move(said), std::move(options)});
  auto results = co_await accept(std::move(one));
  co_return std::move(results.front());
}

task<std::vector<result<row>>> messages::accept(std::vector<accept_request> all, principal_ptr by) {
  std::vector<change> changes;
  std::vector<std::optional<error>> wrong;           // of each new message
  std::vector<on_its_way> arriving;                  // of each change
  std::vector<std::optional<telemetry::span>> sent;  // of each change
  for (auto& a : all) {
    wrong.push_back(unfit_message(a.said, options_.text_max_bytes));
    const auto to = wrong.back() ? result<destination>(*wrong.back()) : where_new(a.said, a.options.to, by);
    if (!to) wrong.back() = to.error();
    if (!to) continue;
    if (by) a.options.owner = by->name;
    if (a.options.once) a.options.once->key = life_cycle::key_of(by, a.options.once->key);
    sent.push_back(spans_.send(a.options));
    // What is to be delivered later is the sweeper's.
    arriving.push_back(a.options.deliver_at ? on_its_way() : arrives(*to, a.said.text.size(), true));
    changes.push_back(life_cycle::accept(a.id, std::move(a.said), *to, arriving.back().room.has_value(),
                                         routes_->rules_of(*to), std::move(a.options)));
    hand_off_if_claimed(changes.back(), arriving.back());
  }
  const auto begun = spans_.now();
  const auto outcomes = co_await store_arrivals(std::move(changes), arriving);
  std::vector<result<row>> results;
  std::size_t at = 0;
  for (auto& why : wrong) {
    if (why) {
      results.emplace_back(*std::move(why));
      continue;
    }
    if (outcomes[at].applied) {
      numbers_->accepted();
      spans_.sent(std::move(sent[at]), *outcomes[at].now);
      if (arriving[at].claim()) spans_.handed_off(*outcomes[at].now, begun);
      go_on(outcomes[at].now, std::move(arriving[at]));
    }
    results.push_back(life_cycle::settled(outcomes[at]));
    ++at;
  }
  co_return results;
}

/// Claimed by somebody who waits for it, or rung, or left to the sweeper.
messages::on_its_way messages::arrives(const destination& to, std::size_t text_bytes, bool may_be_claimed) {
  on_its_way one;
  const auto* queue = std::get_if<to_queue>(&to);
  if (!queue) return one;
  may_be_claimed = may_be_claimed && !paused_->of(queue->name);
  if (hand_off_) one.arriving = hand_off_->arrives(queue->name, text_bytes, may_be_claimed);
  if (one.claim()) return one;
  if (auto room = rings_->take_room(to)) one.room.emplace(std::move(*room));
  return one;
}

void messages::hand_off_if_claimed(change& what, on_its_way& one) {
  const auto claim = one.claim();
  if (claim && what.then.status == status::pending)
    life_cycle::hand_off(what, *claim, one.arriving->holder(), unwritten_claim_max);
  else if (claim)
    one.arriving.reset();
}

task<std::vector<outcome>> messages::store_arrivals(std::vector<change> changes, std::vector<on_its_way>& arriving) {
  // A guard may ask for any revision, also for the last that there is a number for.
  constexpr int next_to_last = std::numeric_limits<int>::max() - 1;
  std::vector<std::pair<uuid, int>> revisions;
  revisions.reserve(changes.size());
  for (const auto& c : changes) revisions.emplace_back(c.id, std::min(c.when.revision.value_or(0), next_to_last) + 1);
  try {
    co_return co_await store_.apply(std::move(changes));
  } catch (const unavailable& failed) {
    if (failed.why() == unavailable::reason::outcome_unknown)
      for (std::size_t i = 0; i < arriving.size(); ++i)
        if (arriving[i].arriving) arriving[i].arriving->perhaps_stored(revisions[i].first, revisions[i].second);
    throw;
  }
}

namespace {

result<row> readable(const uuid& id, found_row found) {
  if (found.unreadable) return life_cycle::unreadable(id);
  if (!found.now) return life_cycle::not_found(id);
  return std::move(found.now);
}

result<row> readable_for(const access_condition& asked, const uuid& id, found_row found) {
  if (asked.by && found.unreadable && !asked.by->sees_everything()) return life_cycle::not_found(id, true);
  auto read = readable(id, std::move(found));
  if (!asked.by || !read) return read;
  if (auto refused = life_cycle::refused_access(asked, **read)) return *std::move(refused);
  return read;
}

}  // namespace

task<result<row>> messages::find(uuid id) {
  co_return readable(id, co_await store_.find(id));
}

task<result<row>> messages::find_for(uuid id, access_condition asked) {
  co_return readable_for(asked, id, co_await store_.find(id));
}

task<result<told_past>> messages::history_for(uuid id, access_condition asked) {
  auto told = co_await store_.past_of(id);
  const auto read = readable_for(asked, id, told.of);
  if (!read) co_return read.error();
  co_return told;
}

task<result<row>> messages::answer(uuid id, std::optional<int> revision, content said, std::optional<destination> to,
                                   principal_ptr by, right needed) {
  std::vector<answer_request> one;
  one.push_back({id, revision, std::move(said), std::move(to)});
  auto results = co_await answer(std::move(one), std::move(by), needed);
  co_return std::move(results.front());
}

task<std::vector<result<row>>> messages::answer(std::vector<answer_request> answers, principal_ptr by, right needed) {
  std::vector<change> changes;
  std::vector<std::optional<std::size_t>> change_of;  // of each answer; nothing where it is refused anyway
  std::vector<std::optional<error>> wrong;            // why it is
  std::vector<on_its_way> arriving;                   // of each change
  changes.reserve(answers.size());
  change_of.reserve(answers.size());
  wrong.reserve(answers.size());
  arriving.reserve(answers.size());
  for (auto& a : answers) {
    wrong.push_back(unfit_message(a.said, options_.text_max_bytes));
    const auto to = wrong.back() ? result<destination>(*wrong.back()) : where(a.said, a.to, by);
    if (!to) wrong.back() = to.error();
    change_of.push_back(to ? std::optional(changes.size()) : std::nullopt);
    if (!to) continue;
    arriving.push_back(arrives(*to, a.said.text.size(), a.revision.has_value()));
    changes.push_back(life_cycle::answer(a.id, a.revision, std::move(a.said), *to, arriving.back().room.has_value(),
                                         routes_->rules_of(*to), a.claim.has_value()));
    if (by) changes.back() = life_cycle::wanted_by(by, {needed, false, a.claim.has_value()}, std::move(changes.back()));
    hand_off_if_claimed(changes.back(), arriving.back());
  }
  const auto begun = spans_.now();
  auto outcomes = co_await store_arrivals(std::move(changes), arriving);
  co_await end_what_has_run_out(outcomes);
  // First rings what is stored: the store may go away while the others are looked up.
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (outcomes[i].applied) {
      seen_->answered(*outcomes[i].now);
      spans_.answered(*outcomes[i].now, begun);
      if (arriving[i].claim()) spans_.handed_off(*outcomes[i].now, begun);
      go_on(outcomes[i].now, std::move(arriving[i]));
    }
  arriving.clear();
  std::vector<result<row>> results;
  results.reserve(answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (const auto at = change_of[i])
      results.push_back(life_cycle::settled(outcomes[*at]));
    else
      results.push_back(co_await refuse(std::move(answers[i]), *std::move(wrong[i]), by, needed));
    if (!results.back()) numbers_->answer_refused(results.back().error().code);
  }
  co_return results;
}

/// Answers without a revision, to messages that have none left.
task<void> messages::end_what_has_run_out(std::vector<outcome>& outcomes) {
  for (auto& became : outcomes) {
    if (became.applied) continue;
    const auto rules = routes_->of(became.refused->then.queue.value_or("")).rules;
    auto last = life_cycle::last_answer(became, rules);
    if (last) became = co_await store_.apply(*std::move(last));
  }
}

/// A row that would refuse any answer says so first: what is wrong with the answer is the last of the reasons.
task<result<row>> messages::refuse(answer_request answer, error why, principal_ptr by, right needed) {
  auto asking =
      life_cycle::answer(answer.id, answer.revision, {}, life_cycle::to_done{}, false, {}, answer.claim.has_value());
  auto what = life_cycle::wanted_by(by, {needed, false, answer.claim.has_value()}, std::move(asking));
  const auto current = co_await store_.find(answer.id);
  outcome asked;
  asked.now = current.now;
  asked.unreadable = current.unreadable;
  const bool refuses_any = !asked.now || !admits(what.when, *asked.now, asked.at);
  asked.refused = std::make_shared<const change>(std::move(what));
  if (refuses_any) co_return life_cycle::settled(asked);
  if (refused_answers_.note(*asked.now, why.detail))
    log::warning("broker", "an answer is refused: " + why.detail, log::about{answer.id, asked.now->revision});
  co_return why;
}

std::vector<messages::numbered_claim> messages::numbered(std::vector<claim_request> requests) const {
  std::vector<numbered_claim> claims;
  claims.reserve(requests.size());
  for (auto& r : requests) claims.push_back({std::move(r.ready), new_claim(), r.alone, {}});
  return claims;
}

task<std::vector<result<claimed_revision>>> messages::claim(std::vector<claim_request> requests) {
  const auto taken = co_await take(numbered(std::move(requests)), options_.claims_max_bytes);
  std::vector<result<claimed_revision>> results;
  results.reserve(taken.size());
  for (const auto& t : taken) {
    if (t)
      results.emplace_back(delivery_of(**t));
    else
      results.emplace_back(t.error());
  }
  co_return results;
}

task<std::vector<result<row>>> messages::take(std::vector<numbered_claim> claims, std::size_t texts_max_bytes,
                                              std::string holder, std::optional<milliseconds> lease_max,
                                              principal_ptr by) {
  texts_max_bytes = std::min(texts_max_bytes, options_.claims_max_bytes);
  std::vector<change> changes;
  changes.reserve(claims.size());
  holder = holder_of(by, holder);
  for (const auto& r : claims) {
    auto one = life_cycle::wanted_by(by, {.needed = right::serve},
                                     life_cycle::claim(r.ready, r.number, r.alone, holder, lease_max));
    changes.push_back(life_cycle::unless_paused(paused_->known(), std::move(one)));
    if (changes.size() > 1) changes.back().when.text_bytes_max = texts_max_bytes / claims.size();
  }
  const auto begun = spans_.now();
  auto outcomes = co_await store_.apply(std::move(changes));
  co_await try_resumed(outcomes);
  std::vector<result<row>> results;
  results.reserve(outcomes.size());
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    results.push_back(life_cycle::settled(outcomes[i]));
    if (results.back()) {
      seen_->claimed(**results.back(), claims[i].held_until);
      spans_.claimed(**results.back(), begun);
    } else {
      numbers_->claim_refused(results.back().error().code);
    }
  }
  co_return results;
}

/// Who has resumed a queue may be another broker: nobody is refused for a pause that is over.
task<void> messages::try_resumed(std::vector<outcome>& outcomes) {
  const auto for_a_pause = [](const outcome& became) {
    const auto known = became.refused ? became.refused->when.not_in : nullptr;
    return known && became.now && known->contains(became.now->queue);
  };
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (for_a_pause(outcomes[i])) places.push_back(i);
  if (places.empty()) co_return;
  try {
    co_await paused_->refresh();
    std::erase_if(places, [&](std::size_t i) { return paused_->of(outcomes[i].now->queue) != nullptr; });
    std::vector<change> again;
    for (const auto i : places) {
      again.push_back(*outcomes[i].refused);
      again.back().when.not_in = paused_->known();
    }
    auto became = co_await store_.apply(std::move(again));
    for (std::size_t i = 0; i < places.size(); ++i) outcomes[places[i]] = std::move(became[i]);
  } catch (const unavailable& failed) {
    // The others of the batch were granted: these are refused.
    if (failed.why() == unavailable::reason::outcome_unknown) throw;
  }
}

task<void> messages::reopen(std::vector<claimed> claims) {
  std::vector<failed_claim> failures;
  std::erase_if(claims, [&](claimed& lost) {
    const auto why = refused_answers_.latest_under(lost);
    if (why) failures.push_back({std::move(lost), "its answer was refused: " + *why});
    return why.has_value();
  });
  if (!failures.empty()) co_await fail(std::move(failures));
  auto changes = changes_of(claims, life_cycle::reopen, nullptr);
  const auto outcomes = co_await store_.apply(std::move(changes));
  tell_opened(outcomes);
}

void messages::tell_opened(const std::vector<outcome>& outcomes) const {
  if (!hand_off_) return;
  std::set<std::string_view> queues;
  for (const auto& o : outcomes)
    if (o.applied && queues.insert(o.now->queue).second) hand_off_->opened(o.now->queue);
}

/// Who has no right to a claim has not settled it; anybody else who names it has, whatever became of it.
void messages::tell_settled(const claimed& what, const result<row>& became) const {
  if (!hand_off_) return;
  const bool had_no_right = !became && (became.error().code == errc::forbidden || became.error().hides);
  if (!had_no_right) hand_off_->settled(what);
}

task<std::vector<due_row>> messages::waiting(std::string queue, std::size_t limit,
                                             std::optional<int> unanswered_below) {
  const auto rules = routes_->of(queue).rules;
  waiting_request which{std::move(queue), rules.ring_again, limit, unanswered_below};
  co_return co_await store_.waiting(std::move(which));
}

task<std::vector<result<milliseconds>>> messages::extend(std::vector<claimed> claims, principal_ptr by) {
  auto changes = changes_of(claims, life_cycle::extend, by);
  const auto outcomes = co_await store_.apply(std::move(changes));
  std::vector<result<milliseconds>> results;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].applied)
      results.emplace_back(outcomes[i].now->lease);
    else
      results.emplace_back(life_cycle::refusal(*outcomes[i].refused, outcomes[i]).value());
    if (hand_off_ && outcomes[i].applied) hand_off_->extended(claims[i], outcomes[i].now->lease);
  }
  co_return results;
}

task<std::vector<result<row>>> messages::release(std::vector<claimed> claims, principal_ptr by) {
  auto changes = changes_of(claims, life_cycle::release, by);
  const auto outcomes = co_await store_.apply(std::move(changes));
  tell_opened(outcomes);
  std::vector<result<row>> results;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    results.push_back(life_cycle::settled(outcomes[i]));
    tell_settled(claims[i], results.back());
    if (outcomes[i].applied) seen_->released(outcomes[i].now->id);
  }
  co_return results;
}

task<std::vector<result<row>>> messages::fail(std::vector<failed_claim> failures, principal_ptr by) {
  std::vector<uuid> ids;
  for (const auto& f : failures) ids.push_back(f.what.ready.id);
  const auto rows = co_await store_.find_without_text(std::move(ids));
  std::vector<change> changes;
  for (std::size_t i = 0; i < failures.size(); ++i) {
    const auto& told = failures[i];
    message read = rows[i] ? *rows[i] : message{.id = told.what.ready.id};
    read.revision = told.what.ready.revision;
    auto failed =
        life_cycle::fail(read, told.what.claim, kept_reason(told.reason), told.is_final, routes_->of(read.queue).rules);
    changes.push_back(life_cycle::wanted_by(by, of_holder, std::move(failed)));
  }
  const auto begun = spans_.now();
  const auto outcomes = co_await store_.apply(std::move(changes));
  std::vector<result<row>> results;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    results.push_back(life_cycle::settled(outcomes[i]));
    tell_settled(failures[i].what, results.back());
    if (!outcomes[i].applied) continue;
    seen_->failed(*outcomes[i].now);
    spans_.failed(*outcomes[i].now, begun);
    note_end(*numbers_, *outcomes[i].now);
  }
  co_return results;
}

void messages::go_on(const row& now, on_its_way one) {
  const log::about subject{now->id, now->revision};
  if (now->status != status::pending) {
    log::debug("broker", std::string("stored as ") + to_string(now->status), subject);
    note_end(*numbers_, *now);
    return;
  }
  seen_->arrived(*now);
  if (one.claim()) {
    seen_->claimed(*now, now->updated_at);  // nobody could claim it before
    log::debug("broker", "stored, goes to a receiver of " + now->queue, subject);
    numbers_->handed_off(now->queue);
  } else {
    log::debug("broker", "stored, waits in " + now->queue, subject);
  }
  if (one.arriving) one.arriving->stored(now);
  if (one.room) rings_->ring(now, *std::move(one.room), "relay");
}

}  // namespace amc::broker
