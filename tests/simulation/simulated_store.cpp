#include "tests/simulation/simulated_store.hpp"

#include <algorithm>

#include "tests/simulation/wording.hpp"

namespace amc::simulation {

class database::connection : public store {
 public:
  connection(database& to, process& by) : to_(to), by_(by) {}

  std::vector<outcome> apply(std::span<const change> batch) override { return to_.apply(by_, batch); }
  std::vector<found_row> find(std::span<const uuid> ids, bool with_text) override {
    to_.reach(by_);
    return to_.now_.find(ids, with_text);
  }
  std::vector<due_row> due(std::size_t limit) override {
    to_.reach(by_);
    ++to_.looks_;
    return to_.now_.due(limit);
  }
  std::vector<due_row> waiting(const waiting_request& which) override {
    to_.reach(by_);
    return to_.now_.waiting(which);
  }
  void make_all_due(const std::string& queue) override {
    to_.reach(by_);
    to_.now_.make_all_due(queue);
    to_.keep(false);
  }
  paused_queues paused(const std::optional<pause_request>& request) override { return to_.paused(by_, request); }
  purged purge(const purge_request& what) override {
    to_.reach(by_);
    return to_.purge(what);
  }
  void try_writing() override { to_.refuse_writes(by_); }
  timestamp now() override {
    to_.reach(by_);
    return to_.clock();
  }

 private:
  database& to_;
  process& by_;
};

class database::reader : public store_reader {
 public:
  reader(database& of, process& by) : of_(of), by_(by) {}

  /// In pages that are smaller than asked for, now and then, as a store may.
  message_page list(const list_filter& filter) override {
    of_.reach(by_);
    auto smaller = filter;
    smaller.text_bytes_max = page_bytes_of(filter);
    auto& random = of_.world_.random();
    if (random.chance(0.4)) smaller.limit = 1 + random.below(std::min<std::size_t>(filter.limit, 5));
    return of_.now_.list(smaller);
  }
  std::vector<queue_counts> counts() override {
    of_.reach(by_);
    return of_.now_.counts();
  }
  std::size_t pending_of(const std::string& owner, std::size_t at_most) override {
    of_.reach(by_);
    return of_.now_.pending_of(owner, at_most);
  }
  place_told place_of(const place_question& which) override {
    of_.reach(by_);
    return of_.now_.place_of(which);
  }
  told_past past_of(const uuid& id) override {
    of_.reach(by_);
    return of_.now_.past_of(id);
  }

 private:
  database& of_;
  process& by_;
};

/// Tells a process what others have changed. What it misses while it is cut is told as `everything`; so is, every
/// second, what a lost notification may have left untold.
class database::feed : public change_feed {
 public:
  feed(database& of, process& by) : of_(of), by_(by) { of_.feeds_.push_back(this); }
  ~feed() override { std::erase(of_.feeds_, this); }

  news wait(milliseconds) override {
    const auto now = of_.world_.now();
    if (!by_.alive() || now < of_.feeds_cut_until_ || now < of_.away_until_) {
      ids_.clear();
      queues_.clear();
      next_look_ = now;
      throw unavailable(unavailable::reason::away, "the change feed is cut");
    }
    news told;
    told.ids.assign(ids_.begin(), ids_.end());
    told.queues.assign(queues_.begin(), queues_.end());
    ids_.clear();
    queues_.clear();
    if (now >= next_look_) {
      constexpr milliseconds interval{1'000};
      next_look_ = now + interval;
      told.everything = true;
    }
    sleeper_ = by_.current_worker();
    if (told.ids.empty() && told.queues.empty() && !told.everything) sleeper_.lock()->block(next_look_ - now);
    return told;
  }

  void tell(const process& by, const change& what) {
    if (&by == &by_ || of_.world_.now() < of_.feeds_cut_until_) return;
    const auto& then = what.then;
    const bool waits = then.text && then.status == status::pending && then.held == false;
    if (waits && then.due_in == milliseconds(0)) queues_.insert(*then.queue);
    if (!what.insert) ids_.insert(what.id);
    if (const auto asleep = sleeper_.lock()) asleep->wake();
  }

 private:
  database& of_;
  process& by_;
  std::set<uuid> ids_;
  std::set<std::string> queues_;
  milliseconds next_look_{};
  std::weak_ptr<worker> sleeper_;
};

database::database(world& in)
    : world_(in), now_([this] { return clock(); }), may_crash_(in.plan().of(fault::store_crash) > 0) {
  now_.unfit = [](const change& what) -> std::optional<std::string> {
    if (!what.then.text || !is_unfit(*what.then.text)) return {};
    return "no store of this world takes an x";
  };
  keep(true);
}

opened_store database::open(process& by) {
  opened_store opened;
  // A process that has the store to itself has one connection, and nobody else to hear of.
  const bool alone = world_.plan().together;
  const auto connections = alone ? 1 : world_.random().between(1, 2);
  for (std::int64_t i = 0; i < connections; ++i) opened.drivers.push_back(std::make_unique<connection>(*this, by));
  opened.reader = std::make_unique<reader>(*this, by);
  if (!alone) opened.changes_elsewhere = std::make_unique<feed>(*this, by);
  return opened;
}

timestamp database::clock() const {
  constexpr milliseconds epoch{1'750'000'000'000};
  return timestamp(epoch + world_.now() + clock_offset_);
}

void database::reach(const process& by) const {
  if (!by.alive() || world_.now() < away_until_)
    throw unavailable(unavailable::reason::away, "the database cannot be reached");
}

void database::refuse_writes(const process& by) const {
  reach(by);
  if (world_.now() < full_until_) throw unavailable(unavailable::reason::full, "the database's disk is full");
}

/// What becomes of a change is as uncertain as of any other.
paused_queues database::paused(process& by, const std::optional<pause_request>& request) {
  reach(by);
  if (!request) return now_.paused({});
  refuse_writes(by);
  const bool unknown = world_.strikes(fault::store_unknown, 0.2);
  if (unknown && world_.random(fault::store_unknown).chance(0.5))
    throw unavailable(unavailable::reason::outcome_unknown, "lost while committing, before the commit");
  auto now = now_.paused(request);
  world_.note(by.name(), (request->pauses ? "pauses " : "resumes ") + request->queue);
  keep(true);
  if (seen_pause) seen_pause(*request);
  if (unknown) throw unavailable(unavailable::reason::outcome_unknown, "lost while committing, after the commit");
  return now;
}

std::vector<outcome> database::apply(process& by, std::span<const change> batch) {
  refuse_writes(by);
  if (world_.strikes(fault::store_busy, 0.2)) throw unavailable(unavailable::reason::away, "the database is busy");
  const bool unknown = world_.strikes(fault::store_unknown, 0.2);
  if (unknown && world_.random(fault::store_unknown).chance(0.5))
    throw unavailable(unavailable::reason::outcome_unknown, "lost while committing, before the commit");
  auto outcomes = commit(by, batch);
  // The worst moments for a process to die or to stand still: what it did is done, and it has told nobody.
  if (world_.strikes(fault::kill, 0.03)) by.doom();
  if (world_.strikes(fault::pause, 0.05)) by.pause(milliseconds(world_.random(fault::pause).between(1, 4'000)));
  if (unknown) throw unavailable(unavailable::reason::outcome_unknown, "lost while committing, after the commit");
  return outcomes;
}

std::vector<outcome> database::commit(process& by, std::span<const change> batch) {
  std::vector<outcome> outcomes;
  bool durable = false;
  for (const auto& what : batch) {
    durable = durable || what.durable;
    outcomes.push_back(commit_one(by, what));
  }
  keep(durable);
  tell(by, outcomes, batch);
  return outcomes;
}

outcome database::commit_one(process& by, const change& what) {
  const auto row_of = [&] {
    const auto found = rows().find(what.id);
    return found == rows().end() ? nullptr : found->second;
  };
  auto before = row_of();
  const auto became = now_.apply(std::span(&what, 1)).front();
  world_.note(by.name(), became.applied ? "commits" : "is refused", what.id, became.now ? became.now->revision : 0);
  if (seen) seen({by, what, became, std::move(before), row_of()});
  return became;
}

/// Not synced, so that a crash brings rows back.
purged database::purge(const purge_request& what) {
  const auto before = rows();
  const auto done = now_.purge(what);
  if (done.count == 0) return done;
  for (const auto& [id, m] : before)
    if (!rows().contains(id)) {
      world_.note("database", "deletes", id, m->revision);
      if (seen_purge) seen_purge(m, clock());
    }
  keep(false);
  return done;
}

void database::keep(bool synced) {
  if (!may_crash_) return;
  if (synced) since_sync_.clear();
  since_sync_.push_back(now_);
}

void database::crash() {
  if (!may_crash_) return;
  // A log is cut somewhere behind what was synced.
  since_sync_.resize(1 + world_.random(fault::store_crash).below(since_sync_.size()), since_sync_.front());
  now_ = since_sync_.back();
  world_.note("database", "crashes");
  if (seen_crash) seen_crash();
}

void database::tell(const process& by, const std::vector<outcome>& outcomes, std::span<const change> batch) {
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (outcomes[i].applied && (batch[i].then.text || batch[i].then.status))
      for (auto* listening : feeds_) listening->tell(by, batch[i]);
}

void database::go_away(milliseconds longest) {
  away_until_ = world_.now() + longest;
  world_.note_trouble(fault::store_away, away_until_);
}

void database::fill_up(milliseconds longest) {
  full_until_ = world_.now() + longest;
  world_.note_trouble(fault::store_full, full_until_);
}

void database::jump(milliseconds by) {
  clock_offset_ += by;
  if (seen_jump) seen_jump();
}

void database::cut_feeds(milliseconds longest) {
  feeds_cut_until_ = world_.now() + longest;
  world_.note_trouble(fault::feed_cut, feeds_cut_until_);
}

}  // namespace amc::simulation
