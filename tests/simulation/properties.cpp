#include "tests/simulation/properties.hpp"

#include <algorithm>

#include "broker/receivers.hpp"
#include "queue_system/event_codec.hpp"
#include "tests/simulation/trace.hpp"
#include "tests/simulation/wording.hpp"

namespace amc::simulation {
namespace {

std::string name_of(const uuid& id, int revision) {
  return brief(id) + "/" + std::to_string(revision);
}

}  // namespace

properties::properties(const surroundings& around)
    : around_(around), table_(around.in.plan(), around.told), timeliness_(around) {
  around_.store.seen = [this](const database::committed& seen) { see_change(seen); };
  around_.store.seen_crash = [this] { forget_unsynced(); };
  around_.store.seen_jump = [this] { timeliness_.begin_again(); };
  around_.store.seen_purge = [this](const row& gone, timestamp at) { see_purge(*gone, at); };
  around_.store.seen_pause = [this](const pause_request& what) { see_pause(what); };
  around_.net.seen_undelivered = [this](const process& by, const uuid& id, std::int64_t claim) {
    undelivered_.push_back({around_.in.now(), by.name(), id, claim});
  };
  around_.net.seen_delivered = [this](const process&, const uuid& id, std::int64_t claim) { see_delivery(id, claim); };
  for (auto* engine : {&around_.queues, &around_.next_queues}) {
    engine->seen = [this, engine](const process& by, const outgoing& out) { see_event(by, out, *engine); };
    engine->seen_depth = [this](const std::string& queue, std::size_t depth) { note_depth(queue, depth); };
  }
}

/// Nothing has gone wrong at all.
bool properties::calm() const {
  return around_.in.calm();
}

/// Nothing has gone wrong lately, and nothing will.
bool properties::clean() const {
  constexpr milliseconds grace{9'000};  // longer than any pause, absence or back-off that began before
  return all_well_since(around_.in.now() - around_.in.plan().lease - grace);
}

bool properties::all_well_since(milliseconds time) const {
  const auto& plan = around_.in.plan();
  const auto& harm = around_.in.last_harm;
  return (plan.calm() || time > plan.faults_until) && (!harm || time > *harm);
}

/// How many there are who each believe to know how much room a queue has.
std::size_t properties::rooms() const {
  const auto& plan = around_.in.plan();
  return static_cast<std::size_t>(plan.brokers + plan.services_b);
}

void properties::expect_silence() {
  silent_ = true;
  silent_since_ = around_.in.now();
  looks_before_ = around_.store.looks();
  depths_asked_before_ = depths_asked();
}

/// One look of each sweeper in each interval, and a question for each queue with it.
void properties::check_silence() const {
  if (!clean() || around_.queues.waiting() + around_.next_queues.waiting() > 0) return;
  constexpr int queues = 2;
  constexpr int to_begin_with = 60;  // while the last event is on its way
  const auto& plan = around_.in.plan();
  const auto passed = around_.in.now() - silent_since_;
  const auto who = static_cast<int>(sweepers(plan).size());
  const auto most = who * static_cast<int>(passed / plan.sweep_interval + 2);
  if (around_.store.looks() - looks_before_ > most + to_begin_with)
    around_.in.fail("there is nothing to do, and the store is asked again and again");
  if (depths_asked() - depths_asked_before_ > queues * (most + to_begin_with))
    around_.in.fail("there is nothing to do, and the engine is asked again and again");
}

/// Who has moved hears what is left in the engine before, unless that was away, or holds it back.
void properties::check_what_is_left() const {
  const auto& plan = around_.in.plan();
  if (!plan.moves_at || around_.in.failure() || plan.of(fault::queue_away) > 0 || plan.of(fault::queue_delayed) > 0)
    return;
  if (around_.queues.waiting() > 0)
    around_.in.fail(std::to_string(around_.queues.waiting()) + " events are left in the engine before the move");
}

int properties::depths_asked() const {
  return around_.queues.depths_asked() + around_.next_queues.depths_asked();
}

void properties::see_change(const database::committed& seen) {
  const auto& [by, what, became, before, after] = seen;
  if (what.insert) check_key(seen);
  if (!became.applied) return;
  if (silent_) around_.in.fail(by.name() + " still changes " + brief(what.id));
  if (supersedes(what)) check_past(*before);
  const auto which = step_of(before.get(), *after, became.at);
  check_table(seen, which);
  // P7: what is claimed is held until it is answered.
  if (which == step::ring && before->held && before->unanswered > 0 && calm())
    around_.in.fail(name_of(what.id, before->revision) + " has lost its claim, and nobody has died");
  if (which == step::retry || which == step::edit) around_.told.reopened[what.id] = around_.in.now();
  if (which == step::cancel && !around_.told.was_asked(what.id, "DELETE")) check_purged(*before);
  see_place(seen);
  if (which) timeliness_.see(seen, *which);
  const bool ends = after->status != status::pending;
  if (before && (ends || after->revision != before->revision))
    revisions_[{what.id, before->revision}].ended = around_.in.now();
  if (ends) revisions_[{what.id, after->revision}].ended = around_.in.now();
  if (what.then.text) see_arrival(what, {became.applied, after, became.at}, by);
  auto& here = revisions_[{what.id, became.now->revision}];
  if (which == step::run_now || which == step::reopen || which == step::move) see_operation(seen, *which, here);
  if (what.then.new_claim) check_pause(*after, by);
  if (what.then.new_claim) return see_claim(what, {became.applied, after, became.at}, here);
  const bool has_failed = what.then.failures == effect::count::one_more;
  if (what.then.status || has_failed) {
    here.over = became.now->status != status::pending;
    here.claimed = false;
    if (what.then.text) return;
    here.not_before = has_failed ? became.now->due : timestamp();
    here.rung = false;
    here.arrived = around_.in.now();
    return;
  }
  if (became.now->held) here.lease_ends = became.now->due;
  if (!became.now->held && here.claimed) see_opening(what, became, here);
  const bool is_ringing = !what.durable && !what.when.claim && !became.now->held;
  if (is_ringing) check_rung_once(*became.now, here);
}

/// Every change is a line of the table.
void properties::check_table(const database::committed& seen, std::optional<step> which) {
  const auto name = name_of(seen.after->id, seen.after->revision);
  if (!which) return around_.in.fail(name + " is changed as nothing may change it");
  const auto objection = table_.objection(*which, seen.before.get(), *seen.after, seen.became.at);
  if (objection) around_.in.fail(name + " " + *objection + " (" + to_string(*which) + ")");
}

/// What a revision said is kept as it was stored, and nothing else of it, as far as there is room.
void properties::check_past(const message& before) const {
  const auto kept = around_.store.past().find(before.id);
  const bool is_kept = kept != around_.store.past().end() && !kept->second.empty() &&
                       kept->second.back().revision == before.revision && kept->second.back().text == before.text;
  constexpr std::size_t room = 32 << 10;  // for one content, there always is
  if (!is_kept && before.text.size() < room)
    around_.in.fail("what " + name_of(before.id, before.revision) + " said is not what is kept of it");
}

/// A key makes one message, as long as it is remembered.
void properties::check_key(const database::committed& seen) {
  const auto& [by, what, became, before, after] = seen;
  const auto remembered = became.at - around_.in.plan().key_kept;
  if (!became.applied) {
    const auto& known = became.now;
    if (!before && !became.unfit && (!known || known->created_at <= remembered))
      around_.in.fail(brief(what.id) + " is refused for a key that nobody remembers");
    return;
  }
  if (after->idempotency_key.empty()) return;
  for (const auto& [id, m] : around_.store.rows())
    if (id != what.id && m->idempotency_key == after->idempotency_key && m->created_at > remembered)
      around_.in.fail("the " + m->idempotency_key + " makes a second message");
}

/// Nothing is deleted before its time.
void properties::see_purge(const message& gone, timestamp at) {
  const auto name = name_of(gone.id, gone.revision);
  if (gone.status == status::pending) return around_.in.fail(name + " is deleted while it is pending");
  if (gone.updated_at + around_.in.plan().kept_for(gone.status) > at) around_.in.fail(name + " is deleted too soon");
  around_.told.deleted[gone.id] = std::make_shared<const message>(gone);
  seen_rows_.erase(gone.id);
}

void properties::see_pause(const pause_request& what) {
  const auto found = paused_since_.find(what.queue);
  const bool was_paused = found != paused_since_.end();
  if (what.pauses && !was_paused) paused_since_[what.queue] = around_.in.now();
  if (what.pauses || !was_paused) return;
  timeliness_.see_resume(what.queue, found->second);
  paused_since_.erase(found);
  resumed_[what.queue] = around_.in.now();
}

/// Since when there is no reason any more why nothing of a queue is rung: now, while it is paused.
milliseconds properties::in_use_since(const std::string& queue) const {
  if (paused_since_.contains(queue)) return around_.in.now();
  const auto found = resumed_.find(queue);
  return found == resumed_.end() ? milliseconds(-1) : found->second;
}

/// Nobody claims in a queue that is paused, once he must have looked.
void properties::check_pause(const message& claimed, const process& by) const {
  const auto found = paused_since_.find(claimed.queue);
  if (found == paused_since_.end()) return;
  const auto& in = around_.in;
  const auto trouble = in.last_trouble({fault::store_away, fault::store_crash, fault::store_unknown, fault::store_busy,
                                        fault::store_full, fault::store_clock});
  constexpr milliseconds carried_out{250};
  const auto since = std::max({found->second, trouble, in.last_trouble_of(by.name())});
  if (in.now() - since > in.plan().sweep_interval + carried_out)
    around_.in.fail(name_of(claimed.id, claimed.revision) + " is claimed in a queue that is paused");
}

/// When a purge has begun at the latest: what came after that is none of its business.
milliseconds properties::begun_by(const told& purge) const {
  constexpr milliseconds at_once{15}, late{12'000}, stands_still{6'000};
  const auto trouble = around_.in.last_trouble(
      {fault::store_away, fault::store_crash, fault::pause, fault::request_late, fault::request_doubled});
  const auto told = purge.decided ? purge.ended + at_once : purge.begun + late;
  return trouble < purge.begun ? told : std::max(told, trouble + stands_still);
}

/// What came when its queue was being purged already stays.
void properties::check_purged(const message& before) const {
  if (around_.in.plan().of(fault::store_clock) > 0) return;  // it may bear an earlier time
  const auto posted = places_.at(before.id).front().since;
  const auto& requests = around_.told.requests;
  const bool meant = std::any_of(requests.begin(), requests.end(), [&](const told& entry) {
    return entry.method == "purge" && entry.queue == before.queue && begun_by(entry) >= posted;
  });
  if (!meant) around_.in.fail(name_of(before.id, before.revision) + " is purged, and came after that had begun");
}

void properties::see_place(const database::committed& seen) {
  const auto& now = *seen.after;
  if (now.status != status::pending) return;
  for (auto* places : {&places_[now.id], &known_places_[{seen.by.name(), now.id}]})
    if (places->empty() || places->back().queue != now.queue) places->push_back({around_.in.now(), now.queue});
}

bool properties::was_in(const uuid& id, const std::string& queue, milliseconds from, milliseconds until) const {
  const auto found = places_.find(id);
  if (found == places_.end()) return false;
  const auto& places = found->second;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto left = i + 1 < places.size() ? places[i + 1].since : milliseconds::max();
    if (places[i].queue == queue && places[i].since <= until && left >= from) return true;
  }
  return false;
}

/// An operator has a message run now, or moved. What a dead service had is opened likewise by who has lost it.
void properties::see_operation(const database::committed& seen, step which, revision_history& here) {
  const auto& now = *seen.after;
  if (which != step::move) run_now_.emplace_back(now.id, around_.in.now());
  if (which == step::reopen) return;
  if (!now.held) here.not_before = {};
  const auto waits = now.held ? std::max(now.due - seen.became.at, milliseconds(0)) : milliseconds(0);
  here.arrived = around_.in.now() + waits;
  here.queue = now.queue;
  here.stored_by = nullptr;  // a hand-off may be on its way to the store already
  here.rung = false;
}

/// A message that was moved is handled where it is. A service of a queue that it was in may have it as well, where an
/// event of that queue, or a look into it, is older than the move.
void properties::check_place_of(const handled& run) {
  const auto found = claims_.find({run.id, run.claim});
  if (found == claims_.end() || found->second.queue == run.queue) return;
  const auto at = found->second.at;
  const auto& queue = found->second.queue;
  const auto name = name_of(run.id, run.revision) + " is handled by " + run.who + ", and was in " + queue;
  if (!was_in(run.id, run.queue, milliseconds(0), at)) return around_.in.fail(name);
  if (!calm()) return;
  auto& here = revisions_[{run.id, run.revision}];
  const auto strayed = ++here.strayed[run.queue];
  constexpr milliseconds look{100};
  const bool heard_of = strayed <= here.events[run.queue];
  const bool just_moved = was_in(run.id, run.queue, at - look, at);
  if (!heard_of && !just_moved) around_.in.fail(name + " long since");
}

/// In a world in which no event is lost and nobody is overloaded, one ringing is enough.
void properties::check_rung_once(const message& m, revision_history& here) {
  const auto& plan = around_.in.plan();
  const bool at_ease = plan.queue_depth_max > 20 && plan.slow_handlers == 0 && plan.failing == 0 &&
                       plan.messages * plan.handler_longest < plan.ring_again;
  if (calm() && at_ease && plan.pauses == 0 && here.rung)
    around_.in.fail(name_of(m.id, m.revision) + " had to be rung twice");
  here.rung = true;
}

/// A claim ends by its own number, or when its lease is over.
void properties::see_opening(const change& what, const outcome& became, revision_history& here) {
  const bool jumps = around_.in.plan().of(fault::store_clock) > 0;  // what was due may no longer be
  if (here.claimed && !what.when.claim && !jumps && became.at < here.lease_ends)
    around_.in.fail(name_of(what.id, became.now->revision) + " was rung while somebody worked on it");
  here.claimed = false;
}

void properties::see_arrival(const change& what, const outcome& became, const process& by) {
  const auto& m = *became.now;
  auto& here = revisions_[{m.id, m.revision}];
  if (what.insert) here.not_before = asked_delivery(m.text);
  const auto waits = std::max(here.not_before - became.at, milliseconds(0));
  here.arrived = around_.in.now() + waits;
  here.changed = around_.in.now();
  here.queue = m.queue;
  here.stored_by = &by;
  here.rung = !m.held && what.then.due_in > milliseconds(0);
}

/// What its client has asked for.
timestamp properties::asked_delivery(const std::string& text) const {
  for (const auto& entry : around_.told.requests)
    if (entry.method == "POST" && entry.sent == text && entry.deliver_at) return *entry.deliver_at;
  return {};
}

/// P1: a revision is somebody's until the lease is over or the claim is given back.
void properties::see_claim(const change& what, const outcome& became, revision_history& here) {
  const auto name = name_of(what.id, became.now->revision);
  if (here.claimed && became.at < here.lease_ends) around_.in.fail(name + " was claimed while somebody worked on it");
  const bool is_hand_off = what.then.text.has_value();
  if (is_hand_off) check_hand_off(*became.now, here);
  if (!is_hand_off && what.when.revision != became.now->revision)
    around_.in.fail(name + " was claimed for another revision");
  const bool jumps = around_.in.plan().of(fault::store_clock) > 0;
  if (!jumps && became.at < here.not_before) around_.in.fail(name + " was claimed before it was to be delivered");
  if (here.over && !around_.told.was_retried(what.id)) around_.in.fail(name + " was claimed after its end");
  const bool had_expired = became.now->expires_at && *became.now->expires_at <= became.at;
  const granted claim{around_.in.now(), became.now->queue, had_expired};
  if (!claims_.insert({{what.id, became.now->claim}, claim}).second)
    around_.in.fail(name + " is claimed by a number of before");
  check_company(*became.now);
  const bool first = here.first_claimed < milliseconds(0);
  here.claimed = true;
  here.lease_ends = became.now->due;
  if (!first) return;
  here.first_claimed = around_.in.now();
  // Who was cancelled and retried, by a purge of many, waits since then.
  if (calm() && !around_.told.was_retried(what.id)) check_overtaking(here);
}

/// P6: a hand-off overtakes nothing that its broker has stored itself and nobody has claimed yet, and what became due
/// elsewhere within a look.
void properties::check_hand_off(const message& m, const revision_history& handed) {
  const auto& plan = around_.in.plan();
  if (plan.of(fault::store_clock) > 0) return;  // what was due may no longer be
  const auto looked = 2 * plan.sweep_interval + milliseconds(500);
  for (const auto& [id, waits] : around_.store.rows()) {
    if (id == m.id || waits->status != status::pending || waits->held || waits->queue != m.queue) continue;
    const auto found = revisions_.find({id, waits->revision});
    if (found == revisions_.end()) continue;
    const auto& earlier = found->second;
    const bool never_held = earlier.first_claimed < milliseconds(0) && earlier.not_before == timestamp();
    if (!never_held || waits->expires_at || around_.told.was_retried(id)) continue;
    const bool own = earlier.stored_by == handed.stored_by;
    const bool old = calm() && around_.in.now() - earlier.arrived > looked;
    if (own || old) around_.in.fail(name_of(m.id, m.revision) + " is handed off over " + name_of(id, waits->revision));
  }
}

/// A hand-off is stored before anybody can know that its message has expired: then nobody gets it.
void properties::see_delivery(const uuid& id, std::int64_t claim) {
  const auto found = claims_.find({id, claim});
  if (found != claims_.end() && found->second.had_expired)
    around_.in.fail(amc::to_string(id) + " was given to somebody after it had expired");
}

/// What could not be delivered is open again at once.
void properties::check_undelivered() {
  constexpr milliseconds at_once{600};
  const auto& in = around_.in;
  const auto trouble = in.last_trouble({fault::store_away, fault::store_crash, fault::store_unknown, fault::store_busy,
                                        fault::store_full, fault::store_clock});
  for (auto it = undelivered_.begin(); it != undelivered_.end();) {
    const auto& [since, by, id, claim] = *it;
    const bool hindered = std::max(trouble, in.last_trouble_of(by)) >= since;
    const bool late = in.now() - since > at_once;
    const auto found = around_.store.rows().find(id);
    const bool there = found != around_.store.rows().end();
    if (late && !hindered && there && found->second->held && found->second->claim == claim)
      around_.in.fail(name_of(id, found->second->revision) + " was not delivered, and is still held");
    it = late || hindered ? undelivered_.erase(it) : std::next(it);
  }
}

/// Each fault may cost a message one claim, and those who kill their service, as long as it is in their company, two.
int properties::claims_that_may_be_lost() const {
  constexpr int in_company = 2;
  return around_.in.claims_lost + in_company;
}

/// P3: who has seen its service die twice goes on alone.
void properties::check_company(const message& m) {
  const bool innocent = harmless(read(m.text)->nature);
  if (innocent && m.unanswered - 1 > claims_that_may_be_lost())
    around_.in.fail(name_of(m.id, m.revision) + " is in bad company for the " + std::to_string(m.unanswered) +
                    ". time");
}

/// P6: in the order of arrival, but for as many as the engine, services and sweepers hold. What a service has heard and
/// cannot begin waits behind its slow handlers until it is rung again, so with those there is a bound in time only.
void properties::check_overtaking(const revision_history& claimed) {
  const auto& plan = around_.in.plan();
  // So it is with an answer that the store cannot take: it comes round again as a failure.
  if (plan.slow_handlers > 0 || plan.unfit > 0) return;
  const auto heard = plan.receive ? static_cast<std::size_t>(plan.brokers) * broker::receivers::heard_max : 0;
  const auto held = rooms() * plan.queue_depth_max + 6 * plan.concurrency + heard;
  const auto newer = static_cast<std::size_t>(std::count_if(revisions_.begin(), revisions_.end(), [&](const auto& r) {
    return r.second.queue == claimed.queue && r.second.first_claimed >= milliseconds(0) &&
           r.second.arrived > claimed.arrived;
  }));
  // What an operator moves, or has run now, is no earlier and no later than others.
  const auto moved = static_cast<std::size_t>(plan.interventions);
  if (newer > held + moved)
    around_.in.fail("a message was overtaken by " + std::to_string(newer) + " newer ones of its queue");
}

/// Durable before anyone is told; and P1: a backlog does not multiply.
void properties::see_event(const process& by, const outgoing& out, const engine& in) {
  const auto told = queue_system::decode(out.bytes);
  if (!told) return around_.in.fail(by.name() + " publishes something that cannot be read");
  const auto found = around_.store.rows().find(told->id);
  const auto name = name_of(told->id, told->revision);
  // Who stood still may ring for what has come to its end and was deleted since: that was stored.
  const auto gone = around_.told.deleted.find(told->id);
  if (gone != around_.told.deleted.end() && told->revision <= gone->second->revision) return;
  if (found == around_.store.rows().end() || found->second->revision < told->revision)
    return around_.in.fail(by.name() + " rings for " + name + " before it is stored");
  if (silent_) around_.in.fail(by.name() + " still rings for " + name);
  auto& here = revisions_[{told->id, told->revision}];
  here.last_rung = around_.in.now();
  ++here.events[out.queue];
  check_place_of(by, told->id, out.queue);
  timeliness_.see_event(by, told->id, told->revision);
  note_depth(out.queue, in.depth(out.queue) + 1);
  const auto most = rooms() * (around_.in.plan().queue_depth_max + 1);
  if (clean() && in.depth(out.queue) > most)
    around_.in.fail("queue " + out.queue + " holds " + std::to_string(in.depth(out.queue)) + " events");
}

/// A message is rung where it was when whoever rings has last changed it, or lately.
void properties::check_place_of(const process& by, const uuid& id, const std::string& queue) const {
  const auto found = known_places_.find({by.name(), id});
  if (found == known_places_.end()) return;
  constexpr milliseconds on_its_way{5'000};  // who stands still has it for so long
  const auto& places = found->second;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const bool is_last = i + 1 == places.size();
    if (places[i].queue == queue && (is_last || around_.in.now() - places[i + 1].since < on_its_way)) return;
  }
  around_.in.fail(by.name() + " rings for " + brief(id) + " in queue " + queue + ", where it is not");
}

/// A crash takes claims back, so what is known of them is no longer true.
void properties::forget_unsynced() {
  for (auto& [key, known] : revisions_) known.claimed = false;
  timeliness_.begin_again();
}

void properties::look() {
  for (const auto& [queue, since] : paused_since_) timeliness_.see_pause(queue);
  check_runs();
  check_undelivered();
  check_rows_stay();
  timeliness_.look();
  if (calm()) check_nobody_idles();
  check_due_rows_are_rung();
  check_all_rung_after_a_start();
}

/// P1: a handler runs once for each revision, where nothing went wrong.
void properties::check_runs() {
  const auto& runs = around_.told.runs;
  for (; seen_runs_ < runs.size(); ++seen_runs_) {
    const auto& run = runs[seen_runs_];
    check_place_of(run);
    auto& here = revisions_[{run.id, run.revision}];
    ++here.runs;
    const auto& plan = around_.in.plan();
    constexpr milliseconds settled{5'000};
    const bool all_well = calm() || all_well_since(here.first_claimed - settled);
    const bool in_time = plan.handler_timeout > 3 * plan.lease;
    const bool may_be_tried_again = read(run.text)->nature == std::string(1, spoiling);
    if (here.runs > 1 && all_well && in_time && !may_be_tried_again && !around_.told.was_retried(run.id))
      around_.in.fail("a handler has run " + std::to_string(here.runs) + " times for " + name_of(run.id, run.revision));
  }
}

/// What was stored stays: rows, revisions, the text of a revision, a terminal status.
void properties::check_rows_stay() {
  const auto& rows = around_.store.rows();
  for (const auto& [id, before] : seen_rows_) {
    const auto found = rows.find(id);
    if (found == rows.end()) return around_.in.fail(brief(id) + " was stored and is lost");
    const auto& now = *found->second;
    if (now.revision < before->revision || (now.revision == before->revision && now.text != before->text))
      return around_.in.fail(name_of(id, before->revision) + " was stored and is lost");
    if (before->status != status::pending && now.status != before->status && !around_.told.was_retried(id))
      return around_.in.fail(brief(id) + " was " + to_string(before->status) + " and is " + to_string(now.status));
  }
  seen_rows_ = rows;
}

/// Since when nobody who receives from this queue has anything in hand; now, where nobody has received from it yet.
milliseconds properties::idle_since(const std::string& queue) const {
  std::optional<milliseconds> last;
  for (const auto& one : around_.told.receivers)
    if (one->queue == queue)
      last = std::max(last.value_or(milliseconds(-1)), one->in_hand.empty() ? one->idle_since : around_.in.now());
  return last.value_or(around_.in.now());
}

/// P4: what is due is rung, or received, within one sweep, where there is room.
void properties::check_due_rows_are_rung() {
  const auto& plan = around_.in.plan();
  const auto soon = plan.sweep_interval + milliseconds(500);
  for (const auto& [id, m] : around_.store.rows()) {
    if (m->status != status::pending) continue;
    note_depth(m->queue, std::max(around_.queues.depth(m->queue), around_.next_queues.depth(m->queue)));
    // A handler that is over its time keeps its place until it ends, which nobody outside sees.
    if (!is_heard(plan)) last_full_[m->queue] = plan.slow_handlers > 0 ? around_.in.now() : idle_since(m->queue);
    // What was cancelled before its date may be retried after it: it is due since then.
    const auto due_since = std::max(m->due, m->updated_at);
    if (clean() && around_.store.clock() - due_since > soon &&
        around_.in.now() - std::max(last_full_[m->queue], in_use_since(m->queue)) > soon)
      return around_.in.fail(name_of(id, m->revision) + " is due and is not rung");
  }
}

/// What is rung is taken, while those who could take it have nothing else to do.
void properties::check_nobody_idles() {
  // A handler that is over its time keeps its place until it ends, which nobody outside sees.
  if (around_.in.plan().slow_handlers > 0) return;
  constexpr milliseconds a_while{500};
  const auto too_long_ago = [&](milliseconds since) { return around_.in.now() - since > a_while; };
  const auto idles = [&](const process* who) {
    return std::all_of(around_.told.services.begin(), around_.told.services.end(), [&](const auto& service) {
      return service->of != who || (service->idle() && too_long_ago(service->idle_since));
    });
  };
  const auto all_idle = [&](const std::string& queue) {
    bool anybody = false, busy = false;
    for (const auto& service : around_.told.services) {
      if (service->queue != queue) continue;
      anybody = true;
      busy = busy || !idles(service->of);
    }
    return anybody && !busy;
  };
  for (const auto& [id, m] : around_.store.rows()) {
    const auto here = revisions_.find({id, m->revision});
    if (m->status != status::pending || m->held || here == revisions_.end()) continue;
    const auto rung = here->second.last_rung;
    const auto changed = around_.in.now() - (around_.store.clock() - m->updated_at);
    if (rung >= std::max(changed, in_use_since(m->queue)) && too_long_ago(rung) && all_idle(m->queue))
      return around_.in.fail(name_of(id, m->revision) + " is rung, and nobody takes it who could");
  }
}

/// P4: an engine that begins empty is told of everything that nobody holds.
void properties::check_all_rung_after_a_start() {
  const auto& plan = around_.in.plan();
  constexpr milliseconds absence{6'000};  // of the engine, at most, when the faults end
  const auto start = std::max(around_.in.last_start, plan.faults_until + absence);
  const auto soon = plan.sweep_interval + milliseconds(500);
  if (!plan.together || !is_heard(plan) || around_.in.now() < start + soon) return;
  if (around_.in.last_harm > around_.in.last_start) return;  // it is away again
  for (const auto& [id, m] : around_.store.rows()) {
    const auto& here = revisions_[{id, m->revision}];
    const bool untouched = m->status == status::pending && !m->held && here.last_rung < around_.in.last_start &&
                           here.arrived < around_.in.last_start;
    const bool long_so = around_.store.clock() - m->updated_at > soon;  // not just let go by the sweeper
    const auto hindered = std::max(last_full_[m->queue], in_use_since(m->queue));
    if (untouched && long_so && around_.in.now() - hindered > soon)
      return around_.in.fail(name_of(id, m->revision) + " is not rung after a start with an empty engine");
  }
}

void properties::note_depth(const std::string& queue, std::size_t depth) {
  timeliness_.see_depth(queue, depth);
  constexpr std::size_t shares = 16;  // one look fills one of the room that it sees
  if (shares * depth >= around_.in.plan().queue_depth_max) last_full_[queue] = around_.in.now();
}

/// Who waits for a change is told of it in time, and goes home when the time is over.
void properties::check_waits() const {
  const milliseconds soon{calm() ? 400 : 1'800};  // a lost notification costs a second
  constexpr milliseconds grace{5'000};
  for (const auto& entry : around_.told.requests) {
    if (!entry.waits || entry.outcome != told::verdict::ok) continue;
    if (!calm() && !all_well_since(entry.begun - grace)) continue;
    const int revision = entry.now ? entry.now->revision : entry.revision.value_or(0);
    const auto& id = entry.now ? entry.now->id : *entry.id;
    const auto name = entry.who + " waited for " + name_of(id, revision);
    const auto next = revisions_.find({id, revision + 1});
    if (entry.method == "GET" && next != revisions_.end() && next->second.changed + soon < entry.ended)
      around_.in.fail(name + " to change, and was not told");
    if (!calm()) continue;
    const auto waited = entry.ended - entry.begun;
    const bool nothing_new = !entry.now || (!entry.revision && entry.now->status == status::pending);
    if (nothing_new && waited < entry.longest) around_.in.fail(name + ", and was sent home early");
    if (waited > entry.longest + soon) around_.in.fail(name + " for longer than it had asked for");
  }
}

/// A refusal has a reason: an answer to a revision that was there and pending all the time is taken.
void properties::check_refusals() const {
  for (const auto& entry : around_.told.requests) {
    const bool answers = entry.method == "PUT" || entry.method == "answer";
    if (!answers || entry.outcome != told::verdict::refused || !entry.decided) continue;
    if (is_unfit(entry.sent) || around_.told.was_retried(*entry.id)) continue;
    const auto here = revisions_.find({*entry.id, *entry.revision});
    if (here == revisions_.end() || here->second.changed > entry.begun) continue;
    const auto& ended = here->second.ended;
    if (ended < milliseconds(0) || ended > entry.ended)
      around_.in.fail(entry.who + "'s answer to " + name_of(*entry.id, *entry.revision) + " was refused for no reason");
  }
}

void properties::check_operations() const {
  for (const auto& entry : around_.told.requests) {
    if (entry.outcome != told::verdict::ok || !entry.id) continue;
    const auto name = brief(*entry.id) + ", as " + entry.who + " was told, ";
    const bool moves = entry.method == "move";
    if (moves && !was_in(*entry.id, entry.queue, entry.begun, entry.ended))
      around_.in.fail(name + "was moved to " + entry.queue + ", and was not");
    const bool runs = std::any_of(run_now_.begin(), run_now_.end(), [&](const auto& done) {
      return done.first == entry.id && done.second >= entry.begun && done.second <= entry.ended;
    });
    if (entry.method == "run-now" && !runs) around_.in.fail(name + "was to run now, and was not");
  }
}

/// Being left alone kills no message, nor does the company of one that kills.
void properties::check_deaths() const {
  for (const auto& [id, m] : around_.store.rows()) {
    if (m->status != status::dead) continue;
    const bool to_blame = !harmless(read(m->text)->nature) || m->revision > max_revisions;
    if (to_blame || claims_that_may_be_lost() >= max_claims) continue;
    around_.in.fail(name_of(id, m->revision) + " is dead: " + m->attempts.back().error);
  }
}

/// What has failed for good is not tried again.
void properties::check_final_failures() const {
  for (const auto& [id, m] : around_.store.rows()) {
    if (around_.told.was_retried(id)) continue;
    const auto failures = std::count_if(m->attempts.begin(), m->attempts.end(),
                                        [&](const attempt& one) { return is_for_good(one.error); });
    if (failures > 1 || (failures == 1 && m->status == status::pending))
      around_.in.fail(name_of(id, m->revision) + " was tried again, though it had failed for good");
  }
}

}  // namespace amc::simulation
