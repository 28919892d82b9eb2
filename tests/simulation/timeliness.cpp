#include "tests/simulation/timeliness.hpp"

#include <algorithm>

#include "tests/simulation/trace.hpp"

namespace amc::simulation {
namespace {

std::string name_of(const message& m) {
  return brief(m.id) + "/" + std::to_string(m.revision);
}

}  // namespace

/// One look of the sweeper, and what it takes to carry it out.
milliseconds timeliness::soon() const {
  constexpr milliseconds carried_out{250};
  return around_.in.plan().sweep_interval + carried_out;
}

/// When something last went wrong that may delay a ringing, whoever rings.
milliseconds timeliness::trouble() const {
  return around_.in.last_trouble({fault::store_away, fault::store_crash, fault::store_unknown, fault::store_busy,
                                  fault::store_full, fault::store_clock, fault::queue_unconfirmed, fault::queue_away});
}

/// And since when there is somebody who sweeps.
milliseconds timeliness::trouble_of_sweepers() const {
  milliseconds best = milliseconds::max();
  for (const auto& name : sweepers(around_.in.plan())) best = std::min(best, around_.in.last_trouble_of(name));
  return best;
}

void timeliness::owe(const row& m, milliseconds in, const char* because) {
  owed_[m->id] = {around_.in.now(), around_.in.now() + in + soon(), because};
}

void timeliness::owe_at_once(const process& by, const row& m, const char* because) {
  constexpr milliseconds at_once{100};
  owed_[m->id] = {around_.in.now(), around_.in.now() + at_once, because, &by};
}

void timeliness::see(const database::committed& seen, step which) {
  const auto& m = seen.after;
  const auto& plan = around_.in.plan();
  if (seen.before) settle(seen.before);
  if (m->status != status::pending) {
    owed_.erase(m->id);
    return;
  }
  const auto at = seen.became.at;
  switch (which) {
    case step::accept:
    case step::answer:
      if (m->held || m->due <= at) return owe(m, std::max(m->due - at, milliseconds(0)), "it has arrived");
      check_overtaking(seen.by, *m);
      return owe_at_once(seen.by, m, "it has arrived");
    case step::claim:
    case step::extend:
      return owe(m, plan.lease, "a lease has run out");
    case step::fail:
      return owe(m, m->due - at, "its back-off is over");
    case step::release:
      return owe(m, milliseconds(0), "it was released");
    case step::reopen:
      return owe(m, milliseconds(0), "its worker has lost it");
    case step::retry:
      return owe(m, std::max(m->held ? m->due - at : milliseconds(0), milliseconds(0)), "it was retried");
    case step::ring:
      return owe_at_once(seen.by, m, "the sweeper has seen it");
    case step::edit:
      return owe(m, milliseconds(0), "it was edited");
    case step::run_now:
      return owe(m, milliseconds(0), "it is to run now");
    case step::move:
      return owe(m, std::max(m->held ? m->due - at : milliseconds(0), milliseconds(0)), "it was moved");
    case step::cancel:
    case step::bury:
    case step::expire:
      return;
  }
}

void timeliness::see_event(const process&, const uuid& id, int revision) {
  const auto found = around_.store.rows().find(id);
  if (found == around_.store.rows().end()) return;
  const auto& m = found->second;
  if (m->revision != revision || m->status != status::pending || m->held) return;
  settle(m);
  const bool jumps = around_.in.plan().of(fault::store_clock) > 0;
  owe(m, jumps ? m->due - around_.store.clock() : around_.in.plan().ring_again, "nobody took it");
}

void timeliness::see_depth(const std::string& queue, std::size_t depth) {
  constexpr std::size_t shares = 16;  // one look fills one of the room that it sees
  if (shares * depth >= around_.in.plan().queue_depth_max) last_full_[queue] = around_.in.now();
}

void timeliness::see_resume(const std::string& queue, milliseconds paused_since) {
  see_pause(queue);
  // What a broker does that has not even heard of the pause is another matter.
  if (around_.in.now() - paused_since < 2 * soon()) return;
  for (const auto& [id, m] : around_.store.rows()) {
    const auto changed = around_.in.now() - passed(m->updated_at);
    if (m->status == status::pending && m->queue == queue && !m->held && changed < paused_since)
      owe(m, milliseconds(0), "its queue was resumed");
  }
}

void timeliness::begin_again() {
  owed_.clear();
  for (const auto& [id, m] : around_.store.rows())
    if (m->status == status::pending)
      owe(m, std::max(m->due - around_.store.clock(), milliseconds(0)), "it was due before a fault");
}

/// Something happens to a row: was it in time?
void timeliness::settle(const row& m) {
  if (!is_heard(around_.in.plan())) return;
  const auto found = owed_.find(m->id);
  if (found == owed_.end() || !is_late(found->second, m->queue)) return;
  around_.in.fail(name_of(*m) + " was not rung in time, though " + found->second.because);
}

bool timeliness::is_late(const owed& what, const std::string& queue) const {
  const auto& in = around_.in;
  auto by = what.by;
  if (what.ringer) {
    if (std::max(trouble(), in.last_trouble_of(what.ringer->name())) < what.since) return in.now() > by;
    by = what.since + in.plan().ring_again + soon();
  }
  const auto full = last_full_.find(queue);
  auto hindered = std::max(trouble(), trouble_of_sweepers());
  if (full != last_full_.end()) hindered = std::max(hindered, full->second);
  return in.now() > std::max(by, hindered == milliseconds::max() ? hindered : hindered + soon());
}

/// P6: nothing is rung as it comes while an older row of its queue waits for room, and whoever rings has had the time
/// to learn of that one.
void timeliness::check_overtaking(const process& by, const message& rung) {
  const auto& in = around_.in;
  const auto learned = 2 * soon();
  if (in.now() - std::max(trouble(), in.last_trouble_of(by.name())) < learned) return;
  for (const auto& [id, m] : around_.store.rows()) {
    const bool waits = m->status == status::pending && m->queue == rung.queue && id != rung.id &&
                       m->unanswered < max_claims && !m->expires_at;
    if (waits && passed(std::max(m->due, m->updated_at)) > learned)
      return around_.in.fail(name_of(rung) + " is rung at once, and " + name_of(*m) + " waits for room");
  }
}

void timeliness::look() {
  for (const auto& [id, m] : around_.store.rows()) {
    if (m->status == status::pending) settle(m);
    check_ends(*m);
  }
}

/// What is over ends, and what ended long ago is deleted.
void timeliness::check_ends(const message& m) {
  auto& in = around_.in;
  const auto trouble_before = std::max(trouble(), trouble_of_sweepers());
  const auto undisturbed = trouble_before > in.now() ? milliseconds(0) : in.now() - trouble_before;
  const auto is_over = [&](timestamp since, milliseconds longest) {
    return passed(since) > longest && undisturbed > longest;
  };
  if (m.status == status::pending) {
    if (m.expires_at && is_over(std::max(*m.expires_at, m.created_at), soon()))
      in.fail(name_of(m) + " has expired, and is pending");
    if (m.unanswered >= max_claims && is_over(m.due, soon()))
      in.fail(name_of(m) + " has no claims left, and is pending");
    return;
  }
  const auto& plan = in.plan();
  if (is_over(m.updated_at, plan.kept_for(m.status) + plan.purge_interval + soon()))
    in.fail(name_of(m) + " ended long ago, and is not deleted");
}

}  // namespace amc::simulation
