#include "broker/receivers.hpp"

#include <algorithm>
#include <set>

#include "broker/life_cycle.hpp"
#include "core/back_off.hpp"
#include "core/invariant.hpp"

namespace amc::broker {
namespace {

/// After a look that handed out nothing the next one waits for this, but for a receiver who has just come, and for
/// news; and for news, too, where the last ones brought nothing that could be handed out.
constexpr milliseconds look_pause{5};

/// Rows that one look reads beyond what is asked for, so that those that must be alone hide none behind them.
constexpr std::size_t looked_beyond = 32;
constexpr std::size_t looked_at_max = 1'000;

bool must_be_alone(const due_row& r) {
  return r.unanswered >= life_cycle::claims_in_company;
}

}  // namespace

receivers::receivers(const environment& env, message_store::async_store store, std::shared_ptr<messages> verbs,
                     platform* engine, receivers_options options)
    : env_(env),
      store_(std::move(store)),
      verbs_(std::move(verbs)),
      engine_(engine),
      options_(options),
      clock_(env),
      tasks_(env.executor) {
  observing_ = store_.observe([this](const message_store::shared_store::news& changed) { notice(changed); });
  observing_elsewhere_ = store_.observe_elsewhere([this](const change_feed::news& news) { hear(news); });
  verbs_->hand_off_to(this);
}

receivers::~receivers() {
  verbs_->hand_off_to(nullptr);
}

/// With an own claim, for a receiver, or, without one, among what arrives in its queue and waits there.
class receivers::on_its_way : public arrival {
 public:
  on_its_way(receivers& in, std::string queue, std::shared_ptr<receiver> to, std::size_t text_bytes)
      : in_(in.self_), queue_(std::move(queue)), to_(std::move(to)), text_bytes_(text_bytes) {
    if (!to_) {
      ++in.arriving_[queue_];
      return;
    }
    claim_ = in.verbs_->new_claim();
    ++to_->handing;
    to_->handing_bytes += text_bytes_;
    in.workers_.claims(*to_->by, false);
  }
  ~on_its_way() override {
    const auto in = in_.lock();
    if (!in) return;
    if (to_)
      end_of_hand_off(**in);
    else if (const auto found = (*in)->arriving_.find(queue_); --found->second == 0)
      (*in)->arriving_.erase(found);
  }
  on_its_way(const on_its_way&) = delete;
  on_its_way& operator=(const on_its_way&) = delete;

  std::optional<std::int64_t> claim() const override { return to_ ? std::optional(claim_) : std::nullopt; }

  std::string holder() const override { return to_ ? holder_of(to_->asked.by, to_->asked.holder) : std::string(); }

  void stored(const row& now) override {
    const auto in = in_.lock();
    if (!in || !to_) return;
    // An answer does not know it of its message.
    const bool has_expired = now->expires_at && *now->expires_at <= now->updated_at;
    if (has_expired)
      give_up(**in, now->id, now->revision);
    else
      (*in)->note(*to_, now, false);
  }

  void perhaps_stored(const uuid& id, int revision) override {
    const auto in = in_.lock();
    if (!in) return;
    if (to_)
      give_up(**in, id, revision);
    else
      (*in)->come_to_wait(queue_);
  }

 private:
  void give_up(receivers& in, const uuid& id, int revision) {
    in.tasks_.spawn(in.release(std::vector<claimed>(1, claimed{{id, revision, {}}, claim_}), queue_));
  }

  /// The receiver is answered once none of them is under way any more.
  void end_of_hand_off(receivers& in) {
    --to_->handing;
    to_->handing_bytes -= text_bytes_;
    in.workers_.claim_over(*to_->by);
    if (to_->handing == 0 || to_->asked.stands) in.wake(*to_);
    if (to_->asked.stands) in.look_if_any(queue_);
  }

  std::weak_ptr<receivers*> in_;
  std::string queue_;
  std::shared_ptr<receiver> to_;
  std::size_t text_bytes_;
  std::int64_t claim_ = 0;
};

std::unique_ptr<arrival> receivers::arrives(const std::string& name, std::size_t text_bytes, bool may_be_claimed) {
  auto to = may_be_claimed ? taker(name, text_bytes) : nullptr;
  return std::make_unique<on_its_way>(*this, name, std::move(to), text_bytes);
}

/// Who may have what arrives in a queue now; nobody where it would overtake something.
std::shared_ptr<receivers::receiver> receivers::taker(const std::string& name, std::size_t text_bytes) {
  const auto found = queues_.find(name);
  if (closing_ || found == queues_.end() || arriving_.contains(name)) return nullptr;
  const auto& q = found->second;
  // Looks that are late, or fail, have not seen for long what became due elsewhere.
  if (!q.empty || env_.timers->now() - *q.empty > 2 * options_.look_interval) return nullptr;
  for (const auto& r : q.parked) {
    const bool is_there = !r->from || !r->from->gone();
    if (is_there && r->found_nothing && r->can_be_handed(text_bytes) && workers::may_take(*r->by)) return r;
  }
  return nullptr;
}

std::size_t receivers::receiver::room_bytes() const {
  if (!asked.stands) return asked.max_bytes;
  return static_cast<std::size_t>(std::max<std::int64_t>(asked.stands->max_bytes, 0));
}

bool receivers::receiver::can_be_handed_more() const {
  if (claiming || over) return false;
  return asked.stands ? room() > 0 && room_bytes() > 0 : got.empty();
}

/// What a look may claim for it now. One that does not stand has nothing under way then.
std::size_t receivers::receiver::may_claim() const {
  if (!can_be_handed_more()) return 0;
  if (asked.stands) return room() - handing;
  return handing == 0 ? room() : 0;
}

/// The first comes whatever its size.
bool receivers::receiver::can_be_handed(std::size_t text_bytes) const {
  return can_be_handed_more() && handing < room() && (handing == 0 || handing_bytes + text_bytes <= room_bytes());
}

void receivers::receiver::has_got(const row& granted, bool alone) {
  got.push_back({granted, alone});
  if (!asked.stands) return;
  over = over || alone;  // its room is for company
  ensure(asked.stands->max > 0, "nobody is given more than there is room for");
  --asked.stands->max;
  asked.stands->max_bytes -= static_cast<std::int64_t>(granted->text.size());
}

void receivers::opened(const std::string& name) {
  come_to_wait(name);
}

/// A worker is known for as long as a request of it is under way.
struct receivers::asking {
  explicit asking(std::shared_ptr<worker> by) : by_(std::move(by)) { ++by_->requests; }
  ~asking() { --by_->requests; }
  asking(const asking&) = delete;
  asking& operator=(const asking&) = delete;

 private:
  std::shared_ptr<worker> by_;
};

/// The place of a receiver in its queue, for as long as it waits.
struct receivers::parking {
  parking(receivers& in, std::shared_ptr<receiver> r) : in_(in), r_(std::move(r)) {
    ++in_.parked_;
    in_.queues_[r_->asked.queue].parked.push_front(r_);
  }
  ~parking() {
    --in_.parked_;
    const auto found = in_.queues_.find(r_->asked.queue);
    auto& q = found->second;
    q.left = in_.env_.timers->now();
    q.parked.remove(r_);
    if (q.reserved == r_->by) unreserve(q);
    if (q.is_over()) in_.queues_.erase(found);
  }
  parking(const parking&) = delete;
  parking& operator=(const parking&) = delete;

 private:
  receivers& in_;
  std::shared_ptr<receiver> r_;
};

task<std::vector<handed>> receivers::receive(receive_request asked, std::shared_ptr<http::peer> from) {
  auto r = std::make_shared<receiver>();
  r->asked = std::move(asked);
  r->from = from;
  r->by = workers_.of(r->asked.worker);
  const asking known_meanwhile(r->by);
  workers::says(*r->by, r->asked.in_hand);
  if (!closing_ && !std::exchange(ticking_, true)) tasks_.spawn(tick());
  const auto known = queues_.find(r->asked.queue);
  if (known != queues_.end())
    for (const auto& earlier : known->second.parked)
      if (earlier->by == r->by) earlier->over = true, wake(*earlier);
  if (r->asked.in_hand == 0 && r->asked.is_named) co_await reopen_lost(r->by, r->asked.queue);
  std::vector<handed> got;
  if (closing_ && r->asked.stands) throw unavailable(unavailable::reason::away, "the broker stops");
  if ((r->asked.max == 0 && !r->asked.stands) || closing_) co_return got;
  check_room(r->asked);
  verbs_->seen().asked(r->asked.queue, holder_of(r->asked.by, r->asked.holder));
  {
    const parking place(*this, r);
    auto& q = queues_.at(r->asked.queue);
    listen(r->asked.queue, q);
    if (r->asked.wait > milliseconds(0)) hurry(q);
    announce(r->asked.queue);
    co_await wait(r, from);
  }
  got = std::exchange(r->got, {});
  if (from && from->gone()) {
    give_back(std::exchange(got, {}));
  } else if (got.empty() && r->failed) {
    throw unavailable(*r->failed);
  }
  co_return got;
}

/// Who does not wait takes up no place for long.
void receivers::check_room(const receive_request& asked) const {
  if (!asked.has_place && asked.wait > milliseconds(0) && parked_ >= options_.max)
    throw unavailable(
        unavailable::reason::overloaded,
        std::to_string(options_.max) + " receive requests are parked already (broker.http.receivers_max)");
}

/// Its deliveries never reached it, or went down with what it was.
task<void> receivers::reopen_lost(std::shared_ptr<worker> by, std::string of) {
  auto claims = workers_.lost(*by, of);
  if (claims.empty()) co_return;
  try {
    co_await verbs_->reopen(std::move(claims));
  } catch (const unavailable&) {
    // Their leases run out.
  }
}

/// Until it has something, or nothing more is to be waited for. A claim under way is always waited for.
task<void> receivers::wait(std::shared_ptr<receiver> r, std::shared_ptr<http::peer> from) {
  const auto deadline = env_.timers->now() + r->asked.wait;
  for (;;) {
    give(*r);
    const auto left = std::chrono::ceil<milliseconds>(deadline - env_.timers->now());
    const bool late = left <= milliseconds(0) && r->looked;
    const bool over = !r->got.empty() || r->over || closing_ || late || (from && from->gone());
    if (over && !r->claiming && r->handing == 0) co_return;
    r->woken = std::make_shared<one_shot<bool>>(env_.executor);
    if (from) from->wakes(r->woken);
    timers::timer timer;
    if (left > milliseconds(0)) timer = env_.timers->start(left, [woken = r->woken] { woken->set(false); });
    co_await r->woken->wait();
    r->woken.reset();
  }
}

void receivers::wake(receiver& r) {
  if (r.woken) r.woken->set(true);
}

/// To one that stands. There may be more for it.
void receivers::give(receiver& r) {
  if (!r.asked.stands || r.got.empty()) return;
  r.asked.stands->give(std::exchange(r.got, {}));
  look_if_any(r.asked.queue);
}

void receivers::offered(const std::string& name, const standing& room, std::size_t in_hand) {
  const auto found = queues_.find(name);
  if (found == queues_.end()) return;
  for (const auto& r : found->second.parked)
    if (r->asked.stands.get() == &room) workers::says(*r->by, in_hand);
  look_if_any(name);
}

/// Where nothing waits those who stand are handed what comes.
void receivers::look_if_any(const std::string& name) {
  const auto found = queues_.find(name);
  if (found != queues_.end() && !found->second.empty) announce(name);
}

/// What arrives from now on is not the first in its queue any more.
void receivers::come_to_wait(const std::string& name) {
  const auto found = queues_.find(name);
  if (found == queues_.end()) return;
  auto& q = found->second;
  q.empty.reset();
  ++q.came;
  if (q.news_bring_work) hurry(q);
  announce(name);
}

void receivers::hurry(queue& q) {
  q.next_look = {};
  if (q.pausing) q.pausing->set(true);
}

task<void> receivers::pause(queue& q) {
  const auto left = std::chrono::ceil<milliseconds>(q.next_look - env_.timers->now());
  if (left <= milliseconds(0)) co_return;
  q.pausing = std::make_shared<one_shot<bool>>(env_.executor);
  const auto timer = env_.timers->start(left, [over = q.pausing] { over->set(false); });
  co_await q.pausing->wait();
  q.pausing.reset();
}

void receivers::announce(const std::string& name) {
  const auto found = queues_.find(name);
  if (found == queues_.end()) return;
  found->second.announced = true;
  look_soon(name, found->second);
}

void receivers::look_soon(const std::string& name, queue& q) {
  if (q.looking || closing_) return;
  q.looking = true;
  tasks_.spawn(look(name));
}

task<void> receivers::look(std::string name) {
  auto& q = queues_.at(name);  // stays where it is while it is looked at
  while (q.announced && !q.parked.empty() && !closing_) {
    co_await pause(q);
    q.announced = false;
    const auto began = env_.timers->now();
    const auto came_before = q.came;
    bool found_nothing = false;
    const std::vector<std::shared_ptr<receiver>> before(q.parked.begin(), q.parked.end());
    std::optional<unavailable> failed;
    const auto heard_before = q.heard.size();
    if (verbs_->paused(name)) {
      q.empty.reset();
      settle_events(q, heard_before, {}, true);  // they are rung again once it is resumed
    } else if (const auto room = wanted(q); room > 0) {
      try {
        bool saw_all = false;
        auto rows = co_await rows_for(name, room, saw_all);
        found_nothing = rows.empty();
        if (!found_nothing || q.came != came_before)
          q.empty.reset();
        else
          q.empty = began;
        const bool any = hand_out(q, rows);
        if (std::exchange(q.came_seen, came_before) != came_before) q.news_bring_work = any;
        if (!any) q.next_look = env_.timers->now() + look_pause;
        settle_events(q, heard_before, rows, saw_all);
      } catch (const unavailable& why) {
        failed = why;
        q.empty.reset();
        q.next_look = env_.timers->now() + look_pause;
      }
    }
    for (const auto& r : before) {
      r->failed = failed;
      r->found_nothing = r->found_nothing || found_nothing;
      if (!std::exchange(r->looked, true)) wake(*r);
    }
  }
  q.looking = false;
  if (q.is_over()) queues_.erase(name);
}

/// What waits, for so many deliveries. What must be alone hides nothing else: where there is much of it the others are
/// asked for by themselves.
task<std::vector<due_row>> receivers::rows_for(const std::string& name, std::size_t room, bool& saw_all) {
  const auto most = std::min(room + looked_beyond, looked_at_max);
  auto rows = co_await verbs_->waiting(name, most);
  saw_all = rows.size() < most;
  const auto lonely = static_cast<std::size_t>(std::count_if(rows.begin(), rows.end(), must_be_alone));
  if (saw_all || rows.size() - lonely >= room) co_return rows;
  std::erase_if(rows, [](const due_row& r) { return !must_be_alone(r); });
  auto others = co_await verbs_->waiting(name, std::min(room, looked_at_max), life_cycle::claims_in_company);
  rows.insert(rows.end(), std::make_move_iterator(others.begin()), std::make_move_iterator(others.end()));
  co_return rows;
}

void receivers::listen(const std::string& name, queue& q) {
  if (!engine_ || q.source) return;
  q.source = std::make_unique<queue_system::event_source>(
      env_, *engine_, name, heard_max, [this, name](std::vector<queue_system::event_source::received> events) {
        auto& heard = queues_.at(name).heard;
        heard.insert(heard.end(), events.begin(), events.end());
        come_to_wait(name);
      });
}

/// Others may have its events then.
void receivers::stop_listening(const std::string& name, queue& q) {
  if (!q.source || std::exchange(q.retiring, true)) return;
  q.heard.clear();
  q.source->retire([this, name] {
    auto& over = queues_.at(name);
    over.source.reset();
    over.retiring = false;
    if (!over.parked.empty() && !closing_) listen(name, over);
    if (over.is_over()) queues_.erase(name);
  });
}

/// What was heard before a look and is not among what it has left waiting is done with.
void receivers::settle_events(queue& q, std::size_t heard_before, const std::vector<due_row>& left, bool saw_all) {
  if (!q.source || q.retiring || !saw_all || heard_before == 0) return;
  std::set<std::pair<uuid, int>> waiting;
  for (const auto& r : left) waiting.insert({r.id, r.revision});
  std::vector<std::uint64_t> done;
  std::vector<queue_system::event_source::received> kept;
  for (std::size_t i = 0; i < q.heard.size(); ++i) {
    const auto& event = q.heard[i];
    const bool may_wait = i >= heard_before || waiting.contains({event.ready.id, event.ready.revision});
    if (may_wait)
      kept.push_back(event);
    else
      done.push_back(event.tag);
  }
  q.heard = std::move(kept);
  if (!done.empty()) q.source->acknowledge(std::move(done));
}

/// Deliveries that those who are parked can take.
std::size_t receivers::wanted(const queue& q) const {
  std::size_t sum = 0;
  for (const auto& r : q.parked) sum += r->may_claim();
  return sum;
}

/// What must be alone and what need not take turns. Leaves what nobody was given; false where that is everything.
bool receivers::hand_out(queue& q, std::vector<due_row>& rows) {
  bool any = false;
  auto middle = std::stable_partition(rows.begin(), rows.end(), [](const due_row& r) { return !must_be_alone(r); });
  const bool any_lonely = middle != rows.end(), any_other = middle != rows.begin();
  if (!any_lonely) unreserve(q);
  if (any_lonely && !(q.lonely_last && any_other)) {
    if (auto r = lonely_receiver(q)) {
      q.lonely_last = any = true;
      start_claim(std::move(r), {*middle}, true);
      middle = rows.erase(middle);
    }
  }
  auto next = rows.begin();
  const auto parked = q.parked;  // a claim that starts changes who can take
  for (const auto& r : parked) {
    if (next == middle) break;
    const auto most = static_cast<std::ptrdiff_t>(std::min(r->may_claim(), claims_at_once(r->asked.queue)));
    if (most == 0 || !workers::may_take(*r->by)) continue;
    const auto count = std::min(most, middle - next);
    q.lonely_last = false;
    any = true;
    start_claim(r, std::vector<due_row>(next, next + count), false);
    next += count;
  }
  rows.erase(rows.begin(), next);
  return any;
}

/// Who can take something alone now. Where nobody can, one of them is reserved for it: it gets nothing else until it
/// can.
std::shared_ptr<receivers::receiver> receivers::lonely_receiver(queue& q) {
  const auto now = env_.timers->now();
  std::shared_ptr<receiver> candidate;
  for (const auto& r : q.parked) {
    if (r->may_claim() == 0) continue;
    const bool is_of_another = r->by->reserved_until && r->by != q.reserved;
    if (is_of_another) continue;
    if (workers::may_take_alone(*r->by, now)) {
      unreserve(q);
      return r;
    }
    if (!candidate && !r->by->is_alone) candidate = r;
  }
  if (!q.reserved && candidate) {
    constexpr milliseconds reserved_for{10'000};
    q.reserved = candidate->by;
    q.reserved->reserved_until = now + reserved_for;
  }
  return nullptr;
}

void receivers::unreserve(queue& q) {
  if (q.reserved) std::exchange(q.reserved, nullptr)->reserved_until.reset();
}

void receivers::start_claim(std::shared_ptr<receiver> r, std::vector<due_row> rows, bool alone) {
  r->claiming = true;
  workers_.claims(*r->by, alone);
  tasks_.spawn(claim(std::move(r), std::move(rows), alone));
}

task<void> receivers::claim(std::shared_ptr<receiver> r, std::vector<due_row> rows, bool alone) {
  const auto max_bytes = r->room_bytes() - std::min(r->room_bytes(), r->handing_bytes);
  std::vector<messages::numbered_claim> claims;
  for (const auto& row : rows)
    claims.push_back({{row.id, row.revision, row.traceparent},
                      verbs_->new_claim(),
                      alone,
                      row.held ? std::optional(row.due) : std::nullopt});
  std::vector<claimed> perhaps;
  for (const auto& c : claims) perhaps.push_back({c.ready, c.number});
  bool beaten = false, any_too_large = false;
  try {
    const auto results =
        co_await verbs_->take(std::move(claims), max_bytes, r->asked.holder, unwritten_claim_max, r->asked.by);
    for (const auto& taken : results) {
      if (taken) note(*r, *taken, alone);
      beaten = beaten || (!taken && (taken.error().code == errc::held || taken.error().code == errc::stale));
      any_too_large = any_too_large || (!taken && taken.error().code == errc::needs_room);
    }
    learn_size(r->asked.queue, results.size(), any_too_large);
  } catch (const unavailable& failed) {
    if (failed.why() == unavailable::reason::outcome_unknown)
      tasks_.spawn(release(std::move(perhaps), r->asked.queue));
    else
      r->failed = failed;
  }
  workers_.claim_over(*r->by);
  r->claiming = false;
  wake(*r);
  // Others were faster: there may be more.
  if (beaten && r->got.empty()) announce(r->asked.queue);
}

/// The bytes that a request may bring are shared among its claims: who asks for fewer of what is large gets more.
void receivers::learn_size(const std::string& name, std::size_t asked, bool any_too_large) {
  const auto most = claims_at_once(name);
  if (any_too_large)
    claims_at_once_[name] = std::max<std::size_t>(asked / 2, 1);
  else if (asked == most && most < looked_at_max)
    claims_at_once_[name] = most + most / 4 + 1;
}

std::size_t receivers::claims_at_once(const std::string& name) const {
  const auto known = claims_at_once_.find(name);
  return known == claims_at_once_.end() ? looked_at_max : known->second;
}

void receivers::note(receiver& r, const row& granted, bool alone) {
  workers_.handed(r.by, *granted, alone, env_.timers->now() + std::min(granted->lease, unwritten_claim_max));
  r.has_got(granted, alone);
}

std::shared_ptr<http::receipt> receivers::receipt_for(std::vector<handed> deliveries) {
  const auto number = ++last_unwritten_;
  unwritten_.emplace(number, unwritten{env_.timers->now(), std::move(deliveries)});
  return std::make_shared<http::receipt>([in = std::weak_ptr(self_), number](bool whole) {
    const auto alive = in.lock();
    if (!alive) return;
    if (whole) return (*alive)->written(number);
    if (auto left = (*alive)->unwritten_.extract(number)) (*alive)->give_back(std::move(left.mapped().deliveries));
  });
}

/// Most leases are no longer than what was claimed already: then there is nothing to do.
void receivers::written(std::uint64_t number) {
  auto delivered = unwritten_.extract(number);
  if (!delivered) return;
  auto& claims = delivered.mapped().deliveries;
  std::erase_if(claims, [](const handed& h) { return h.now->lease <= unwritten_claim_max; });
  if (!claims.empty()) tasks_.spawn(extend(std::move(claims)));
}

/// Tried while the claims last.
task<void> receivers::extend(std::vector<handed> delivered) {
  std::vector<claimed> claims;
  for (const auto& h : delivered) claims.push_back({{h.now->id, h.now->revision, {}}, h.now->claim});
  const auto over = env_.timers->now() + unwritten_claim_max;
  back_off pause(env_.random());
  while (!closing_ && env_.timers->now() < over) {
    try {
      co_await verbs_->extend(claims);
      co_return;
    } catch (const unavailable&) {
    }
    co_await sleep_for(env_, pause.next());
  }
}

/// Who takes so long to read an answer may never do.
void receivers::give_back_unwritten() {
  const auto now = env_.timers->now();
  while (!unwritten_.empty() && now - unwritten_.begin()->second.since >= unwritten_claim_max / 2)
    give_back(std::move(unwritten_.extract(unwritten_.begin()).mapped().deliveries));
}

void receivers::give_back(std::vector<handed> undelivered) {
  if (undelivered.empty()) return;
  std::vector<claimed> claims;
  for (const auto& h : undelivered) {
    claims.push_back({{h.now->id, h.now->revision, {}}, h.now->claim});
    workers_.settled(h.now->id);
  }
  tasks_.spawn(release(std::move(claims), undelivered.front().now->queue));
}

/// What is claimed by these numbers, if anything is. Where the store stays away their leases run out.
task<void> receivers::release(std::vector<claimed> claims, std::string name) {
  constexpr int tries = 5;
  back_off pause(env_.random());
  for (int i = 0; i < tries; ++i) {
    try {
      co_await verbs_->release(claims);
      come_to_wait(name);
      co_return;
    } catch (const unavailable&) {
    }
    if (closing_) co_return;
    co_await sleep_for(env_, pause.next());
  }
}

/// What was announced nowhere, or has been lost on the way, costs no more than this.
task<void> receivers::tick() {
  while (!closing_) {
    co_await clock_.sleep(options_.look_interval);
    workers_.tidy(env_.timers->now());
    give_back_unwritten();
    std::erase_if(claims_at_once_, [&](const auto& one) { return !queues_.contains(one.first); });
    if (queues_.empty() && workers_.size() == 0 && unwritten_.empty()) break;
    constexpr milliseconds listens_on{2'000};
    std::vector<std::string> names;
    for (auto& [name, q] : queues_) {
      names.push_back(name);
      if (q.parked.empty() && env_.timers->now() - q.left > listens_on) stop_listening(name, q);
    }
    for (const auto& name : names) announce(name);
  }
  ticking_ = false;
}

void receivers::notice(const message_store::shared_store::news& changed) {
  for (const auto& id : changed.ids) workers_.settled(id);
  for (const auto& now : changed.rows) {
    workers_.settled(now->id);
    if (now->status == status::pending && !now->held) come_to_wait(now->queue);
  }
}

/// What other brokers have left here. They tell of a queue once in a few milliseconds only.
void receivers::hear(const change_feed::news& elsewhere) {
  for (const auto& name : elsewhere.queues) {
    if (!queues_.contains(name) || closing_) continue;
    come_to_wait(name);
    tasks_.spawn(look_again(name));
  }
}

task<void> receivers::look_again(std::string name) {
  constexpr milliseconds a_little_later{10};
  co_await sleep_for(env_, a_little_later);
  announce(name);
}

void receivers::extended(const claimed& what, milliseconds lease) {
  workers_.extended(what.ready.id, env_.timers->now() + lease);
}

std::size_t receivers::parked_for(const std::string& name) const {
  const auto found = queues_.find(name);
  return found == queues_.end() ? 0 : found->second.parked.size();
}

void receivers::send_home() {
  closing_ = true;
  clock_.poke();
  for (auto& [name, q] : queues_)
    for (const auto& r : q.parked) wake(*r);
  for (auto& [name, q] : queues_) stop_listening(name, q);
}

task<void> receivers::stop() {
  observing_elsewhere_.reset();
  while (!unwritten_.empty()) give_back(std::move(unwritten_.extract(unwritten_.begin()).mapped().deliveries));
  co_await tasks_.drain();
  for (auto& [name, q] : queues_) q.source.reset();  // waits for those that have not ended yet
}

}  // namespace amc::broker
