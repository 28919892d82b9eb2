#include "broker/activity.hpp"

#include <algorithm>
#include <array>
#include <boost/functional/hash.hpp>
#include <cmath>
#include <deque>
#include <map>
#include <mutex>
#include <unordered_map>

#include "broker/claims_elsewhere.hpp"
#include "broker/queue_numbers.hpp"

namespace amc::broker {
namespace {

using time_point = activity::time_point;
using std::chrono::seconds;

constexpr seconds rate_span{60};
/// The longest that a pace is taken from, and so kept for in seconds.
constexpr seconds pace_span_max{600};

template <class Length>
std::int64_t number_of(time_point at, Length length) {
  return std::chrono::floor<seconds>(at.time_since_epoch()) / length;
}

/// How often times were in ranges, each a fifth larger than the one before; the first ends at a millisecond.
class times {
 public:
  void add(milliseconds time) {
    const auto ms = static_cast<double>(std::max<std::int64_t>(1, time.count()));
    const auto at = static_cast<std::size_t>(std::ceil(std::log(ms) / std::log(growth)));
    ++counts_[std::min(at, counts_.size() - 1)];
    ++count_;
  }
  /// The end of the range that the percentile is in.
  std::optional<milliseconds> percentile(double p) const {
    if (count_ == 0) return {};
    const auto wanted =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(p * static_cast<double>(count_))));
    std::uint64_t so_far = 0;
    std::size_t at = 0;
    while ((so_far += counts_[at]) < wanted) ++at;
    return milliseconds(std::llround(std::pow(growth, static_cast<double>(at))));
  }

 private:
  static constexpr double growth = 1.2;
  std::array<std::uint32_t, 96> counts_{};
  std::uint64_t count_ = 0;
};

struct span {
  std::int64_t number = 0;  ///< in lengths of a point, since the clock's epoch
  activity::point told{};
  times answered_after{};

  activity::point closed() const {
    auto point = told;
    point.p50 = answered_after.percentile(0.5);
    point.p99 = answered_after.percentile(0.99);
    return point;
  }
};

struct second {
  std::int64_t number = 0;
  std::uint32_t in = 0, taken = 0, out = 0, failed = 0;
};

struct seen_service {
  time_point at{};
  bool is_here = true;  ///< else another process has told of it
};

struct queue {
  std::deque<second> recent{};           ///< those in which something happened
  std::deque<activity::point> points{};  ///< those that are over, without gaps, up to the open one
  std::optional<span> open{};
  std::map<std::string, seen_service, std::less<>> services{};
  claims_elsewhere elsewhere{};
  std::optional<time_point> taken_at{};
  time_point busy_since{};  ///< from then to `taken_at` something has always waited
  time_point touched{};
  bool has_messages = false;
};

/// A revision that may be claimed, or has been.
struct known_revision {
  int revision = 0;
  std::int64_t claim = 0;
  std::string queue{}, service{};  ///< of a claim
  std::optional<time_point> open_since{};
  std::optional<time_point> claimed_at{};
  time_point over{};  ///< to be forgotten then
};

double in_seconds(time_point::duration time) {
  return std::chrono::duration<double>(std::max(time, time_point::duration(0))).count();
}

/// A time of the store's clock on this one: `at_of_store` is `at` here. What is further away than a century is a
/// century away: a date may be any, and this clock counts nanoseconds.
time_point here(timestamp then, timestamp at_of_store, time_point at) {
  constexpr milliseconds century = std::chrono::hours(24) * 36'525;
  return at - std::clamp(milliseconds(at_of_store - then), -century, century);
}

milliseconds ago(time_point then, time_point now) {
  return std::chrono::floor<milliseconds>(std::max(now - then, time_point::duration(0)));
}

}  // namespace

std::string service_of(std::string_view holder) {
  const auto slash = holder.rfind('/');
  return std::string(holder.substr(0, slash));
}

class activity::implementation {
 public:
  implementation(std::shared_ptr<timers> clock, metrics& numbers, activity_options options)
      : clock_(std::move(clock)),
        options_(options),
        begun_(clock_->now()),
        numbers_(numbers, options.queues_max, options.services_max) {}

  /// What is asked of it, one at a time.
  template <class Work>
  auto locked(const Work& work) {
    const std::lock_guard lock(mutex_);
    return work(clock_->now());
  }

  void asked(const std::string& name, std::string_view holder, time_point now) {
    if (auto* q = find_or_make(name, now)) note_service(*q, service_of(holder), {now});
  }

  void arrived(const message& m, time_point now) {
    numbers_.arrived(m.queue);
    auto* q = find_or_make(m.queue, now);
    if (!q) return;
    q->has_messages = true;
    ++second_of(*q, now).in;
    ++span_of(*q, now).told.in;
  }

  void opened(const message& m, timestamp due, time_point now) {
    auto* known = remember(m.id, now);
    if (!known) return;
    *known = {.revision = m.revision, .open_since = here(due, m.updated_at, now), .over = now + kept_for};
  }

  void claimed(const message& m, std::optional<timestamp> held_until, time_point now) {
    const bool is_first = m.unanswered == 1 && m.failures == 0;
    const auto since = is_first ? open_since(m, held_until, now, m.updated_at) : std::nullopt;
    const auto service = service_of(m.holder);
    if (auto* known = remember(m.id, now))
      *known = {m.revision, m.claim, m.queue, service, since, now, now + 2 * m.lease + rate_span};
    if (since) numbers_.waited(m.queue, in_seconds(now - *since));
    auto* q = find_or_make(m.queue, now);
    if (!q) return;
    q->has_messages = true;
    ++second_of(*q, now).taken;
    note_service(*q, service, {now});
    // Older ones are claimed first: what came after the last claim came to an empty queue.
    if (!q->taken_at || (since && *since > *q->taken_at)) q->busy_since = since.value_or(now);
    q->taken_at = now;
  }

  void ended(const message& m, bool has_failed, time_point now) {
    const auto what = ending_of(m, has_failed ? m.revision : m.revision - 1, now);
    if (!what) return;
    numbers_.outcome(what->queue, what->service, has_failed);
    const auto since = what->claimed_at ? what->open_since : std::nullopt;
    if (what->claimed_at) numbers_.processed(what->queue, in_seconds(now - *what->claimed_at));
    next_of(m, has_failed, now);
    auto* q = find_or_make(what->queue, now);
    if (!q) return;
    note_service(*q, what->service, {now});
    auto& at = second_of(*q, now);
    auto& s = span_of(*q, now);
    ++(has_failed ? at.failed : at.out);
    ++(has_failed ? s.told.failed : s.told.out);
    if (since && !has_failed) s.answered_after.add(ago(*since, now));
  }

  void released(const uuid& id) { claims_.erase(id); }

  void counted(const std::string& name, std::size_t pending, std::optional<milliseconds> oldest_age, time_point now) {
    if (pending == 0 && !find(name)) return;
    auto* q = find_or_make(name, now);
    if (!q) return;
    auto& s = span_of(*q, now);
    s.told.pending = pending;
    s.told.oldest_age = oldest_age;
  }

  void changed_elsewhere(const std::string& process, time_point now) {
    std::erase_if(others_, [&](const auto& o) {
      return !is_recent(o.second.changed_at, now) && !is_recent(o.second.told_at, now);
    });
    others_[process].changed_at = now;
  }
  bool others_work(time_point now) const {
    return std::any_of(others_.begin(), others_.end(),
                       [&](const auto& o) { return is_recent(o.second.changed_at, now); });
  }

  queue_seen of(const std::string& name, time_point now) const {
    queue_seen seen;
    const auto* q = find(name);
    if (!q) return seen;
    seen.services = services_of(*q, now, [](const seen_service&) { return true; });
    const auto watched = std::clamp(in_seconds(now - begun_), 1.0, in_seconds(rate_span));
    const auto first = number_of(now - rate_span, seconds(1));
    for (const auto& s : q->recent) {
      if (s.number <= first) continue;
      seen.in_per_s += s.in / watched;
      seen.out_per_s += s.out / watched;
      seen.failed_per_s += s.failed / watched;
    }
    if (q->taken_at) seen.taken_ago = ago(*q->taken_at, now);
    return seen;
  }

  std::optional<pace> pace_before(const message& m, timestamp at_of_store, time_point now) const {
    const auto* q = find(m.queue);
    if (!q) return {};
    const bool tried = m.unanswered > 0 || m.failures > 0;
    const auto held_until = tried ? std::optional(m.updated_at) : m.held ? std::optional(m.due) : std::nullopt;
    const auto since = open_since(m, held_until, now, at_of_store);
    const bool alone = !others_work(now);
    if (!since && !alone) return {};
    const auto busy = alone ? busy_alone(*q, since, now) : busy_with_others(*q, *since, now);
    if (!busy) return {};
    const auto [first, end] = *busy;
    constexpr std::int64_t seconds_enough = 20;
    constexpr double taken_enough = 200;
    std::vector<double> taken;  // the latest first; the second that has just begun is left out
    double sum = 0;
    auto s = q->recent.rbegin();
    while (s != q->recent.rend() && s->number >= end) ++s;
    for (auto number = end - 1; number >= first; --number) {
      const bool any = s != q->recent.rend() && s->number == number;
      taken.push_back((any ? s->taken : 0) + static_cast<double>(q->elsewhere.in_second(number)));
      sum += taken.back();
      if (any) ++s;
      if (end - number >= seconds_enough && sum >= taken_enough) break;
    }
    return pace_of(taken);
  }

  std::optional<milliseconds> claimed_for(const message& held, time_point now) const {
    const auto known = claims_.find(held.id);
    if (known == claims_.end() || known->second.claim != held.claim || !known->second.claimed_at) return {};
    return ago(*known->second.claimed_at, now);
  }

  void heard(const receiving& elsewhere, time_point now) {
    others_[elsewhere.from].told_at = now;
    auto* q = elsewhere.services.empty() ? nullptr : find_or_make(elsewhere.queue, now);
    if (!q) return;
    q->elsewhere.add(elsewhere, number_of(now, seconds(1)) - 1, pace_span_max / seconds(1));
    for (const auto& each : elsewhere.services) {
      const auto known = q->services.find(each.name);
      const auto at = now - std::max(each.seen_ago, milliseconds(0));
      if (known == q->services.end() || known->second.at < at) note_service(*q, each.name, {at, false});
    }
  }

  std::vector<receiving> received_here(time_point now) const {
    std::vector<receiving> all;
    for (const auto& [name, q] : queues_) {
      auto services = services_of(q, now, [&](const seen_service& s) { return s.is_here && is_recent(s.at, now); });
      if (services.empty()) continue;
      all.push_back({name, std::move(services), number_of(now, seconds(1)) - 1, {}});
      all.back().taken = taken_up_to(q, all.back().second);
    }
    return all;
  }

  std::vector<std::string> received_from() const {
    std::vector<std::string> names;
    for (const auto& [name, q] : queues_)
      if (!q.services.empty()) names.push_back(name);
    return names;
  }

  milliseconds watching_for(time_point now) const { return ago(begun_, now); }

  std::vector<point> series(const std::string& name, time_point now) const {
    std::vector<point> all;
    const auto* q = find(name);
    if (!q || !q->open) return all;
    all.assign(q->points.begin(), q->points.end());
    all.push_back(q->open->closed());
    const auto last = number_of(now, point_length);
    const auto missing = std::min<std::int64_t>(last - q->open->number, static_cast<std::int64_t>(options_.points_max));
    all.insert(all.end(), static_cast<std::size_t>(std::max<std::int64_t>(0, missing)), point());
    if (all.size() > options_.points_max)
      all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(options_.points_max));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto number = std::max(last, q->open->number) - static_cast<std::int64_t>(all.size() - 1 - i);
      all[i].began_ago = ago(time_point(number * point_length), now);
    }
    return all;
  }

 private:
  static constexpr std::chrono::hours kept_for{1};

  const queue* find(const std::string& name) const {
    const auto found = queues_.find(name);
    return found == queues_.end() ? nullptr : &found->second;
  }

  /// Null where there is no room: what was asked of queues that never had a message makes way first.
  queue* find_or_make(const std::string& name, time_point now) {
    auto found = queues_.find(name);
    if (found == queues_.end()) {
      if (queues_.size() >= options_.queues_max && !make_room()) return nullptr;
      found = queues_.try_emplace(name).first;
    }
    found->second.touched = now;
    return &found->second;
  }

  bool make_room() {
    auto oldest = queues_.end();
    for (auto q = queues_.begin(); q != queues_.end(); ++q)
      if (!q->second.has_messages && (oldest == queues_.end() || q->second.touched < oldest->second.touched))
        oldest = q;
    if (oldest == queues_.end()) return false;
    queues_.erase(oldest);
    return true;
  }

  /// Seconds in which something has always waited, from the first to the one after the last.
  using busy_seconds = std::pair<std::int64_t, std::int64_t>;

  std::optional<busy_seconds> busy_alone(const queue& q, std::optional<time_point> waits_since, time_point now) const {
    if (!q.taken_at || waits_since > *q.taken_at) return {};  // it may have come to an empty queue
    // Where the queue was empty before, those who waited took the first at once.
    const auto end = number_of(now, seconds(1));
    const auto from = number_of(std::max(q.busy_since, begun_), seconds(1)) + 1;
    return busy_seconds{std::max(from, end - pace_span_max / seconds(1)), end};
  }

  /// What was claimed here had waited all the time since the claim before it; else it is since this one waits. Up to
  /// where all have told; nothing where one does not.
  std::optional<busy_seconds> busy_with_others(const queue& q, time_point waits_since, time_point now) const {
    auto end = number_of(now, seconds(1));
    for (const auto& [process, other] : others_) {
      if (!is_recent(other.changed_at, now)) continue;
      if (!is_recent(other.told_at, now)) return {};
      end = std::min(end, number_of(*other.told_at, seconds(1)));
    }
    const bool waited_at_a_claim = q.taken_at && waits_since <= *q.taken_at;
    const auto busy_since = waited_at_a_claim ? std::min(q.busy_since, waits_since) : waits_since;
    const auto from = number_of(std::max(busy_since, begun_), seconds(1)) + 1;
    return busy_seconds{std::max({from, q.elsewhere.known_since(), end - pace_span_max / seconds(1)}), end};
  }

  static bool is_recent(const std::optional<time_point>& at, time_point now) { return at && now - *at <= rate_span; }

  /// In each second of the last minute, the latest first.
  static std::vector<std::uint32_t> taken_up_to(const queue& q, std::int64_t latest) {
    std::vector<std::uint32_t> taken(static_cast<std::size_t>(rate_span / seconds(1)));
    for (const auto& s : q.recent) {
      const auto before = latest - s.number;
      if (before >= 0 && before < std::ssize(taken)) taken[static_cast<std::size_t>(before)] = s.taken;
    }
    return taken;
  }

  /// The one seen last first.
  template <class Wanted>
  static std::vector<service> services_of(const queue& q, time_point now, const Wanted& wanted) {
    std::vector<service> all;
    for (const auto& [name, seen] : q.services)
      if (wanted(seen)) all.push_back({name, ago(seen.at, now)});
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.seen_ago < b.seen_ago; });
    return all;
  }

  void note_service(queue& q, const std::string& service, seen_service seen) const {
    q.services[service] = seen;
    if (q.services.size() <= options_.services_max) return;
    q.services.erase(std::min_element(q.services.begin(), q.services.end(),
                                      [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
  }

  static second& second_of(queue& q, time_point now) {
    const auto number = number_of(now, seconds(1));
    if (q.recent.empty() || q.recent.back().number < number) q.recent.push_back({.number = number});
    while (q.recent.front().number < number - pace_span_max / seconds(1)) q.recent.pop_front();
    return q.recent.back();
  }

  span& span_of(queue& q, time_point now) const {
    const auto number = number_of(now, point_length);
    if (!q.open) q.open.emplace().number = number;
    if (q.open->number >= number) return *q.open;
    q.points.push_back(q.open->closed());
    const auto missing =
        std::min<std::int64_t>(number - q.open->number - 1, static_cast<std::int64_t>(options_.points_max));
    q.points.insert(q.points.end(), static_cast<std::size_t>(missing), point());
    while (q.points.size() >= options_.points_max) q.points.pop_front();
    q.open.emplace().number = number;
    return *q.open;
  }

  /// The revision that has ended: as its claim was seen here, or else as the row tells. Nothing where neither does.
  std::optional<known_revision> ending_of(const message& m, int revision, time_point now) const {
    const auto found = claims_.find(m.id);
    const auto* known = found == claims_.end() ? nullptr : &found->second;
    if (known && !(known->claimed_at && known->revision == revision)) known = nullptr;
    if (known && known->claim == m.claim) return *known;
    // Its answer was handed off, under a claim of its own: then the row does not show which one has ended.
    const bool is_handed_off = m.held && m.revision > revision;
    if (known && is_handed_off && !others_work(now)) return *known;
    const auto last = latest_of(m);
    if (!last) return {};
    if (known && known->claim == last->claim) return *known;
    return known_revision{.revision = last->revision, .queue = last->queue, .service = service_of(last->by)};
  }

  /// What was known of a revision that has ended makes way: for the next, where that may be claimed from now on.
  void next_of(const message& m, bool has_failed, time_point now) {
    const auto known = claims_.find(m.id);
    if (known == claims_.end()) return;
    if (has_failed || m.status != status::pending || m.held)
      claims_.erase(known);
    else
      known->second = {.revision = m.revision, .open_since = now, .over = now + rate_span};
  }

  /// Null where too many are remembered already.
  known_revision* remember(const uuid& id, time_point now) {
    const auto found = claims_.find(id);
    if (found != claims_.end()) return &found->second;
    if (claims_.size() >= options_.claims_max && now - tidied_ > rate_span) {
      std::erase_if(claims_, [&](const auto& c) { return c.second.over <= now; });
      tidied_ = now;
    }
    return claims_.size() < options_.claims_max ? &claims_[id] : nullptr;
  }

  /// Since when a revision could be worked on that has neither failed nor been left unanswered.
  std::optional<time_point> open_since(const message& m, std::optional<timestamp> held_until, time_point at,
                                       timestamp at_of_store) const {
    if (held_until) return here(*held_until, at_of_store, at);
    const auto known = claims_.find(m.id);
    if (known != claims_.end() && known->second.revision == m.revision && known->second.open_since)
      return known->second.open_since;
    const auto last = latest_of(m);
    return here(last ? last->at : m.created_at, at_of_store, at);
  }

  std::shared_ptr<timers> clock_;
  activity_options options_;
  time_point begun_;
  std::mutex mutex_;
  std::map<std::string, queue, std::less<>> queues_;
  std::unordered_map<uuid, known_revision, boost::hash<uuid>> claims_;
  time_point tidied_{};
  struct other_process {
    std::optional<time_point> changed_at{}, told_at{};
  };
  std::map<std::string, other_process, std::less<>> others_;
  queue_numbers numbers_;
};

activity::activity(std::shared_ptr<timers> clock, metrics& numbers, activity_options options)
    : implementation_(std::make_unique<implementation>(std::move(clock), numbers, options)) {}

activity::~activity() = default;

void activity::asked(const std::string& queue, std::string_view holder) {
  implementation_->locked([&](time_point now) { implementation_->asked(queue, holder, now); });
}

void activity::arrived(const message& m) {
  implementation_->locked([&](time_point now) { implementation_->arrived(m, now); });
}

void activity::opened(const message& m, timestamp due) {
  implementation_->locked([&](time_point now) { implementation_->opened(m, due, now); });
}

void activity::claimed(const message& m, std::optional<timestamp> held_until) {
  implementation_->locked([&](time_point now) { implementation_->claimed(m, held_until, now); });
}

void activity::answered(const message& m) {
  implementation_->locked([&](time_point now) { implementation_->ended(m, false, now); });
}

void activity::failed(const message& m) {
  implementation_->locked([&](time_point now) { implementation_->ended(m, true, now); });
}

void activity::released(const uuid& id) {
  implementation_->locked([&](time_point) { implementation_->released(id); });
}

void activity::counted(const std::string& queue, std::size_t pending, std::optional<milliseconds> oldest_age) {
  implementation_->locked([&](time_point now) { implementation_->counted(queue, pending, oldest_age, now); });
}

void activity::changed_elsewhere(const std::string& process) {
  implementation_->locked([&](time_point now) { implementation_->changed_elsewhere(process, now); });
}

void activity::heard(const receiving& elsewhere) {
  implementation_->locked([&](time_point now) { implementation_->heard(elsewhere, now); });
}

std::vector<receiving> activity::received_here() const {
  return implementation_->locked([&](time_point now) { return implementation_->received_here(now); });
}

activity::queue_seen activity::of(const std::string& queue) const {
  return implementation_->locked([&](time_point now) { return implementation_->of(queue, now); });
}

std::optional<pace> activity::pace_before(const message& waiting, timestamp now) const {
  return implementation_->locked([&](time_point at) { return implementation_->pace_before(waiting, now, at); });
}

std::optional<milliseconds> activity::claimed_for(const message& held) const {
  return implementation_->locked([&](time_point now) { return implementation_->claimed_for(held, now); });
}

std::vector<std::string> activity::received_from() const {
  return implementation_->locked([&](time_point) { return implementation_->received_from(); });
}

milliseconds activity::watching_for() const {
  return implementation_->locked([&](time_point now) { return implementation_->watching_for(now); });
}

bool activity::others_work() const {
  return implementation_->locked([&](time_point now) { return implementation_->others_work(now); });
}

std::vector<activity::point> activity::series(const std::string& queue) const {
  return implementation_->locked([&](time_point now) { return implementation_->series(queue, now); });
}

}  // namespace amc::broker
