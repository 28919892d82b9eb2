#include "service/work_rules.hpp"

#include <algorithm>

#include "core/invariant.hpp"

namespace amc::service {
namespace {

/// A lease is extended when two thirds of it are left or less; looking at a sixth keeps that true.
constexpr int looks_per_lease = 6;

/// What is told in one request. More follows in the next, so these bound what a request holds, not what is told.
constexpr std::size_t told_together_max = 256;
constexpr std::size_t told_together_max_bytes = 262'144;

/// What was granted, for this event.
claimed_revision granted_work(const event& ready, claimed_revision work) {
  work.id = ready.id;
  work.revision = ready.revision;
  work.traceparent = ready.traceparent;
  return work;
}

/// Revisions that are remembered as large. What is forgotten costs one claim more.
constexpr std::size_t remembered_max = 10'000;

}  // namespace

work_rules::work_rules(const runtime_options& options, std::function<void()> go_on)
    : concurrency_(options.concurrency),
      handler_timeout_(options.handler_timeout),
      in_hand_max_bytes_(options.in_hand_max_bytes),
      company_(options.company) {
  ensure(concurrency_ > 0 && handler_timeout_ > milliseconds(0), "a runtime has room for a handler, and time");
  company_->join(*this, std::move(go_on));
}

work_rules::~work_rules() {
  company_->leave(*this);
}

// ---- claiming ----

std::vector<std::uint64_t> work_rules::hear(std::vector<received> events) {
  std::vector<std::uint64_t> settled;
  for (const auto& heard : events) {
    const auto known = reach_of(heard.ready);
    if (known == reach::none)
      settled.push_back(heard.tag);
    else if (!stopping_)
      (known ? large_ : waiting_).push_back(heard);
  }
  return settled;
}

/// As much as there are free handlers for; a lonely message only when nothing else is in hand, here or in another
/// service of this process.
std::optional<std::vector<claim_request>> work_rules::next_claim() {
  if (stopping_ || claiming_ || alone_ || !company_->may_claim(*this)) return {};
  // A message that waits behind handlers that do not end must not keep the others from working.
  const bool any_free = overdue_ < concurrency_;
  const bool lonely_turn = any_free && !lonely_.empty() && (!company_next_ || (waiting_.empty() && large_.empty()));
  if (lonely_turn && (!company_->alone(*this) || !in_hand_.empty())) return {};
  if (lonely_turn) {
    asked_.push_back(lonely_.front());
    lonely_.pop_front();
    alone_ = company_next_ = true;
  } else {
    asked_ = choose();
    if (!asked_.empty()) company_next_ = false;
  }
  claiming_ = !asked_.empty();
  note_busy();
  if (!alone_) company_->together(*this);  // its turn has passed
  if (asked_.empty()) return {};
  checked();
  std::vector<claim_request> requests;
  for (const auto& e : asked_) requests.push_back({e.ready, alone_});
  return requests;
}

std::vector<work_rules::received> work_rules::choose() {
  const auto busy = std::min(concurrency_, in_hand_.size() + overdue_);
  if (bytes_in_hand() >= in_hand_max_bytes_) return {};
  auto& list = large_.empty() ? waiting_ : large_;
  const auto count = std::min({concurrency_ - busy, list.size(), large_.empty() ? concurrency_ : 1});
  const auto end = list.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<received> chosen(list.begin(), end);
  list.erase(list.begin(), end);
  return chosen;
}

std::size_t work_rules::bytes_in_hand() const {
  std::size_t bytes = 0;
  for (const auto& [number, hand] : in_hand_) bytes += bytes_of(hand);
  return bytes;
}

std::size_t work_rules::bytes_of(const in_hand& hand) {
  return hand.work->text.size() + (hand.outcome && *hand.outcome ? (*hand.outcome)->said.text.size() : 0);
}

work_rules::decision work_rules::claim_decided(std::vector<result<claimed_revision>> results, time_point now) {
  ensure(claiming_ && results.size() == asked_.size(), "each event of a claim is decided once");
  decision made;
  const auto asked = std::exchange(asked_, {});
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto refused = results[i] ? std::nullopt : std::optional(results[i].error().code);
    if (refused == errc::needs_alone && !stopping_) {
      lonely_.push_back(asked[i]);
    } else if (refused == errc::needs_room && asked.size() > 1 && !stopping_) {
      remember(asked[i].ready, reach::by_itself);
      large_.push_back(asked[i]);
    } else {
      // Granted: the row knows that somebody works on it. Refused: it is in good hands, or comes round again.
      made.settled.push_back(asked[i].tag);
      if (results[i]) made.begin.push_back(take(granted_work(asked[i].ready, std::move(*results[i])), now));
      const bool out_of_reach = refused == errc::needs_room && asked.size() == 1;
      if (out_of_reach) remember(asked[i].ready, reach::none);
      if (out_of_reach || refused == errc::invalid || refused == errc::unknown)
        made.refused.push_back({asked[i].ready, out_of_reach, results[i].error().detail});
    }
  }
  checked();
  return made;
}

void work_rules::claim_undecided() {
  ensure(claiming_, "a claim is under way");
  const auto asked = std::exchange(asked_, {});
  if (stopping_) return;
  const bool large = asked.size() == 1 && reach_of(asked[0].ready);
  auto& list = alone_ ? lonely_ : large ? large_ : waiting_;
  list.insert(list.begin(), asked.begin(), asked.end());
}

std::optional<work_rules::reach> work_rules::reach_of(const event& ready) const {
  const auto known = reaches_.find({ready.id, ready.revision});
  return known == reaches_.end() ? std::nullopt : std::optional(known->second);
}

void work_rules::remember(const event& ready, reach how) {
  const std::pair key(ready.id, ready.revision);
  if (reaches_.insert_or_assign(key, how).second) remembered_.push_back(key);
  if (remembered_.size() <= remembered_max) return;
  reaches_.erase(remembered_.front());
  remembered_.pop_front();
}

void work_rules::claim_over() {
  ensure(claiming_ && asked_.empty(), "a claim ends when all of it is decided or asked for again");
  claiming_ = false;
  end_of_lonely_run();
  checked();
}

/// Once nothing is in hand any more.
void work_rules::end_of_lonely_run() {
  note_busy();
  if (claiming_ || !in_hand_.empty() || !std::exchange(alone_, false)) return;
  company_->together(*this);
}

void work_rules::note_busy() {
  company_->is_busy(*this, claiming_ || !in_hand_.empty());
}

// ---- receiving ----

work_rules::room work_rules::free_room(const std::optional<telling>& told) const {
  const auto leaving = told ? told->numbers.size() : 0;
  const auto stays_alone = [&](const auto& one) {
    return one.second.work->alone &&
           (!told || std::find(told->numbers.begin(), told->numbers.end(), one.first) == told->numbers.end());
  };
  if (std::any_of(in_hand_.begin(), in_hand_.end(), stays_alone)) return {};
  const auto busy = std::min(concurrency_, in_hand_.size() - leaving + overdue_);
  auto bytes = bytes_in_hand();
  if (told)
    for (const auto number : told->numbers) bytes -= bytes_of(in_hand_.at(number));
  if (bytes >= in_hand_max_bytes_) return {};
  return {concurrency_ - busy, in_hand_max_bytes_ - bytes};
}

bool work_rules::any_room_in_the_end() const {
  const auto runs_alone = [](const auto& one) { return one.second.work->alone && !one.second.outcome; };
  if (std::any_of(in_hand_.begin(), in_hand_.end(), runs_alone)) return false;
  return in_hand_.size() - outcomes() + overdue_ < concurrency_;
}

std::vector<work_rules::beginning> work_rules::take_in(std::vector<claimed_revision> deliveries, time_point now) {
  ensure(!stopping_, "who stops takes nothing in hand");
  std::vector<beginning> begun;
  begun.reserve(deliveries.size());
  for (auto& work : deliveries) begun.push_back(take(std::move(work), now));
  checked();
  return begun;
}

// ---- working ----

work_rules::beginning work_rules::take(claimed_revision work, time_point now) {
  const auto number = ++last_number_;
  const auto lease_ends = now + work.lease;
  // Shared: a handler that takes too long still needs it when nobody waits for it any more.
  auto shared = std::make_shared<claimed_revision>(std::move(work));
  in_hand_.emplace(number, in_hand{shared, lease_ends, now + handler_timeout_});
  return {number, std::move(shared)};
}

bool work_rules::handler_ended(std::uint64_t number, handler_outcome outcome) {
  const auto* hand = find(number);
  const bool counts = hand && !hand->outcome;
  if (counts) {
    conclude(number, std::move(outcome));
  } else {
    ensure(overdue_ > 0, "a handler ends once");
    --overdue_;
  }
  checked();
  return counts;
}

void work_rules::end_overdue(time_point now) {
  const auto why = "the handler took longer than " + std::to_string(handler_timeout_.count()) + " ms";
  for (auto& [number, hand] : in_hand_) {
    if (hand.outcome || hand.handler_ends > now) continue;
    ++overdue_;
    conclude(number, handler_failure{why});
  }
  checked();
}

std::vector<work_rules::lease> work_rules::leases_to_extend(time_point now) const {
  std::vector<lease> due;
  for (const auto& [number, hand] : in_hand_)
    if (!hand.lost && hand.lease_ends - now <= hand.work->lease * 2 / 3)
      due.push_back({number, {{hand.work->id, hand.work->revision, {}}, hand.work->claim}});
  return due;
}

void work_rules::extended(std::uint64_t number, time_point ends) {
  const auto hand = in_hand_.find(number);
  if (hand != in_hand_.end()) hand->second.lease_ends = ends;  // or it was answered meanwhile
}

void work_rules::lost(std::uint64_t number) {
  const auto hand = in_hand_.find(number);
  if (hand != in_hand_.end()) hand->second.lost = true;
}

milliseconds work_rules::until_next_look(time_point now) const {
  milliseconds interval{60'000};
  for (const auto& [number, hand] : in_hand_) {
    if (!hand.lost) interval = std::min(interval, hand.work->lease / looks_per_lease);
    if (!hand.outcome) interval = std::min(interval, std::chrono::ceil<milliseconds>(hand.handler_ends - now));
  }
  return std::max(interval, milliseconds(1));
}

void work_rules::conclude(std::uint64_t number, handler_outcome outcome) {
  auto& list = outcome ? untold_answers_ : untold_failures_;
  if (!outcome) outcome = handler_failure{kept_reason(outcome.error().reason), outcome.error().is_final};
  in_hand_.at(number).outcome = std::move(outcome);
  list.push_back(number);
}

// ---- telling ----

std::optional<work_rules::telling> work_rules::next_telling() {
  if (!anything_untold()) return {};
  if ((answers_next_ ? untold_answers_ : untold_failures_).empty()) answers_next_ = !answers_next_;
  auto& list = answers_next_ ? untold_answers_ : untold_failures_;
  telling next;
  for (std::size_t bytes = 0; !list.empty() && next.numbers.size() < told_together_max; list.pop_front()) {
    const auto& [work, lease_ends, handler_ends, lost, outcome] = in_hand_.at(list.front());
    bytes += *outcome ? (*outcome)->said.size() : outcome->error().reason.size();
    if (bytes > told_together_max_bytes && !next.numbers.empty()) break;
    next.numbers.push_back(list.front());
    if (answers_next_)
      next.answers.push_back({work->id, work->revision, (*outcome)->said, (*outcome)->to, {}});
    else
      next.failures.push_back(
          {{{work->id, work->revision, {}}, work->claim}, outcome->error().reason, outcome->error().is_final});
  }
  answers_next_ = !answers_next_;
  telling_.insert(next.numbers.begin(), next.numbers.end());
  checked();
  return next;
}

void work_rules::forget(std::uint64_t number) {
  in_hand_.erase(number);
  telling_.erase(number);
  end_of_lonely_run();
  checked();
}

void work_rules::refused(std::uint64_t number, std::string why) {
  ensure(telling_.erase(number) == 1, "what is refused was told");
  conclude(number, handler_failure{std::move(why)});
}

/// What the broker has said nothing about is told again.
void work_rules::telling_over(const std::vector<std::uint64_t>& numbers) {
  for (const auto number : numbers) {
    if (telling_.erase(number) == 0) continue;
    const auto& outcome = in_hand_.at(number).outcome;
    (outcome->has_value() ? untold_answers_ : untold_failures_).push_back(number);
  }
  checked();
}

// ---- stopping ----

void work_rules::stop() {
  stopping_ = true;
  waiting_.clear();
  large_.clear();
  lonely_.clear();
  if (!alone_) company_->together(*this);  // it may have waited for its turn
}

std::vector<claimed> work_rules::give_up() {
  std::vector<claimed> claims;
  for (const auto& [number, hand] : in_hand_) {
    claims.push_back({{hand.work->id, hand.work->revision, {}}, hand.work->claim});
    overdue_ += hand.outcome ? 0 : 1;
  }
  in_hand_.clear();
  untold_answers_.clear();
  untold_failures_.clear();
  telling_.clear();
  checked();
  return claims;
}

const work_rules::in_hand* work_rules::find(std::uint64_t number) const {
  const auto hand = in_hand_.find(number);
  return hand == in_hand_.end() ? nullptr : &hand->second;
}

// ---- what must hold ----

void work_rules::checked() const {
  ensure(!alone_ || in_hand_.size() + asked_.size() <= 1, "what was claimed alone is alone");
  ensure(asked_.empty() || claiming_, "what is asked for belongs to a claim");
  ensure(asked_.size() <= concurrency_ && in_hand_.size() <= concurrency_, "there is a handler for what is in hand");
  if (thorough_checks) check();
}

void work_rules::check() const {
  std::map<std::uint64_t, int> told;
  for (const auto& list : {untold_answers_, untold_failures_, std::deque(telling_.begin(), telling_.end())})
    for (const auto number : list) ++told[number];
  std::size_t running = overdue_;
  for (const auto& [number, hand] : in_hand_) {
    ensure(told[number] == (hand.outcome ? 1 : 0), "each outcome is told or waits to be told, once");
    running += hand.outcome ? 0 : 1;
  }
  ensure(told.size() == in_hand_.size(), "what is told is in hand");
  ensure(running <= concurrency_, "no more handlers run than there is room for");
  for (const auto number : untold_answers_) ensure(in_hand_.at(number).outcome->has_value(), "an answer is an answer");
  for (const auto number : untold_failures_) ensure(in_hand_.at(number).outcome->has_error(), "a failure is one");
}

}  // namespace amc::service
