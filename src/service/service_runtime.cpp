#include "service/service_runtime.hpp"

#include <algorithm>

namespace amc::service {
namespace {

/// A lease is extended when two thirds of it are left or less; looking at a sixth keeps that true.
constexpr int looks_per_lease = 6;

prometheus::Histogram& handler_durations(const environment& env, const std::string& queue, const char* error_type) {
  return env.metrics->histogram("messaging_process_duration_seconds", "Calls of the handler")
      .Add({{"messaging_destination_name", queue}, {"error_type", error_type}}, metrics::seconds());
}

}  // namespace

service_runtime::service_runtime(const environment& env, service_definition service,
                                 std::shared_ptr<broker_client> client, platform& engine,
                                 boost::asio::any_io_executor handlers, runtime_options options)
    : env_(env),
      service_(std::move(service)),
      client_(std::move(client)),
      engine_(engine),
      handlers_(std::move(handlers)),
      options_(options),
      durations_(handler_durations(env, service_.queue, "")),
      failed_durations_(handler_durations(env, service_.queue, "failed")),
      look_clock_(env),
      loops_(env.executor),
      works_(env.executor) {
  options_.company->join(*this, [this] { pump(); });
}

service_runtime::~service_runtime() {
  options_.company->leave(*this);
}

void service_runtime::run() {
  // As many events again as there are handlers: the next batch is here when the last one is done.
  const auto window = 2 * options_.concurrency;
  source_ = std::make_unique<queue_system::event_source>(
      env_, engine_, service_.queue, window, [this](std::vector<received> events) { hear(std::move(events)); });
  loops_.spawn(look_loop());
  log::info(service_.name, "takes messages from " + service_.queue);
}

task<bool> service_runtime::stop(milliseconds longest) {
  stopping_ = true;
  source_.reset();  // gives back what was heard and not claimed
  waiting_.clear();
  lonely_.clear();
  if (!alone_) options_.company->together(*this);  // it may have waited for its turn
  // Whichever is first: everything is answered, or the time is over.
  auto done = std::make_shared<one_shot<bool>>(env_.executor);
  const auto timer = env_.timers->start(longest, [done] { done->set(false); });
  loops_.spawn(finish(done));
  const bool finished = co_await done->wait();
  if (!finished) co_await release_in_hand();
  look_clock_.poke();
  if (finished) co_await loops_.drain();
  co_return finished&& overdue_ == 0;
}

/// Waits until nothing is in hand and nothing is asked of the broker.
task<void> service_runtime::finish(std::shared_ptr<one_shot<bool>> done) {
  while (!in_hand_.empty() || works_.running() > 0) {
    emptied_ = std::make_shared<one_shot<bool>>(env_.executor);
    if (!in_hand_.empty()) co_await emptied_->wait();
    co_await works_.drain();
  }
  done->set(true);
}

task<void> service_runtime::release_in_hand() {
  if (in_hand_.empty()) co_return;
  std::vector<claimed> claims;
  for (const auto& [number, hand] : in_hand_) claims.push_back({{hand.work.id, hand.work.revision}, hand.work.claim});
  log::warning(service_.name, "releases " + std::to_string(claims.size()) + " messages that it could not finish");
  try {
    co_await client_->release(std::move(claims));
  } catch (const unavailable& failed) {
    log::warning(service_.name, std::string("could not release them, their leases run out: ") + failed.what());
  }
  for (const auto& [number, hand] : in_hand_) overdue_ += hand.outcome ? 0 : 1;
  in_hand_.clear();
}

void service_runtime::hear(std::vector<received> events) {
  waiting_.insert(waiting_.end(), events.begin(), events.end());
  pump();
}

/// Claims as much as there are free handlers for; a lonely message only when nothing else is in hand, here or in
/// another service of this process.
void service_runtime::pump() {
  if (stopping_ || claiming_ || alone_ || !options_.company->may_claim(*this)) return;
  std::vector<received> batch;
  if (!lonely_.empty() && (!company_next_ || waiting_.empty())) {
    if (!options_.company->alone(*this) || !in_hand_.empty()) return;
    batch.push_back(lonely_.front());
    lonely_.pop_front();
    alone_ = company_next_ = true;
  } else {
    const auto busy = std::min(options_.concurrency, in_hand_.size() + overdue_);
    const auto count = std::min(options_.concurrency - busy, waiting_.size());
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
    batch.assign(waiting_.begin(), end);
    waiting_.erase(waiting_.begin(), end);
    if (!batch.empty()) company_next_ = false;
  }
  claiming_ = !batch.empty();
  note_busy();
  if (!alone_) options_.company->together(*this);  // its turn has passed
  if (batch.empty()) return;
  works_.spawn(claim(std::move(batch), alone_));
}

task<void> service_runtime::claim(std::vector<received> events, bool alone) {
  std::vector<claim_request> requests;
  for (const auto& e : events) requests.push_back({e.ready, alone});
  std::string failed;
  try {
    auto results = co_await client_->claim(std::move(requests));
    std::vector<std::uint64_t> settled;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (!results[i] && results[i].error().code == errc::needs_alone && !stopping_) {
        lonely_.push_back(events[i]);
        continue;
      }
      // Granted: the row knows that somebody works on it. Refused: it is in good hands, or comes round again.
      settled.push_back(events[i].tag);
      if (results[i]) take(events[i], std::move(*results[i]));
    }
    if (source_) source_->acknowledge(std::move(settled));
  } catch (const unavailable& why) {
    failed = why.what();
  }
  note_broker(failed.empty(), failed);
  if (!failed.empty()) {
    auto& list = alone ? lonely_ : waiting_;
    if (!stopping_) list.insert(list.begin(), events.begin(), events.end());
    co_await back_off();
  }
  claiming_ = false;
  end_of_lonely_run();
  pump();
}

/// Once nothing is in hand any more.
void service_runtime::end_of_lonely_run() {
  note_busy();
  if (!in_hand_.empty() || !std::exchange(alone_, false)) return;
  options_.company->together(*this);
}

void service_runtime::note_busy() {
  options_.company->is_busy(*this, claiming_ || !in_hand_.empty());
}

void service_runtime::take(const received& heard, granted granted) {
  const auto now = env_.timers->now();
  const auto number = ++last_number_;
  const in_hand hand{{heard.ready.id, heard.ready.revision, granted.claim, std::move(granted.text), granted.lease,
                      heard.ready.traceparent},
                     now + granted.lease,
                     now + options_.handler_timeout};
  in_hand_.emplace(number, hand);
  if (now + std::min(granted.lease / looks_per_lease, options_.handler_timeout) < next_look_) look_clock_.poke();
  start_handler(number, hand.work);
}

/// A copy of the work: a handler that takes too long still needs it when nobody waits for it any more.
void service_runtime::start_handler(std::uint64_t number, delivery work) {
  boost::asio::post(handlers_, [this, number, begun = env_.timers->now(), work = std::move(work)] {
    boost::asio::dispatch(env_.executor, [this, number, begun, outcome = handle(work)]() mutable {
      ended(number, begun, std::move(outcome));
    });
  });
}

result<std::string> service_runtime::handle(const delivery& work) const {
  try {
    return service_.handler(work);
  } catch (const std::exception& failed) {
    return error{errc::invalid, failed.what()};
  }
}

void service_runtime::ended(std::uint64_t number, timers::time_point begun, result<std::string> outcome) {
  const auto found = in_hand_.find(number);
  if (found == in_hand_.end() || found->second.outcome) {
    --overdue_;
    return pump();
  }
  (outcome ? durations_ : failed_durations_).Observe(std::chrono::duration<double>(env_.timers->now() - begun).count());
  conclude(number, std::move(outcome));
}

void service_runtime::conclude(std::uint64_t number, result<std::string> outcome) {
  in_hand_.at(number).outcome = std::move(outcome);
  untold_.push_back(number);
  if (!std::exchange(telling_, true)) works_.spawn(tell_outcomes());
}

/// Until the broker has said something about each of them. What is told names its revision and claim, so telling it
/// again is safe.
task<void> service_runtime::tell_outcomes() {
  co_await boost::asio::post(env_.executor, boost::asio::use_awaitable);  // with what ends in this turn of the loop
  while (!untold_.empty()) {
    const auto numbers = std::exchange(untold_, {});
    std::string failed;
    try {
      co_await tell(numbers);
    } catch (const unavailable& why) {
      failed = why.what();
    }
    note_broker(failed.empty(), failed);
    if (failed.empty()) continue;
    for (const auto number : numbers)
      if (in_hand_.contains(number)) untold_.push_back(number);
    if (!untold_.empty()) co_await back_off();
  }
  telling_ = false;
}

task<void> service_runtime::tell(const std::vector<std::uint64_t>& numbers) {
  co_await tell_answers(untold(numbers, true));
  co_await tell_failures(untold(numbers, false));
  pump();
}

/// Those that are still in hand, and have an answer or a failure.
std::vector<std::uint64_t> service_runtime::untold(const std::vector<std::uint64_t>& numbers, bool answered) const {
  std::vector<std::uint64_t> found;
  for (const auto number : numbers) {
    const auto hand = in_hand_.find(number);
    if (hand != in_hand_.end() && hand->second.outcome->has_value() == answered) found.push_back(number);
  }
  return found;
}

task<void> service_runtime::tell_answers(std::vector<std::uint64_t> numbers) {
  if (numbers.empty()) co_return;
  std::vector<answer_request> answers;
  for (const auto number : numbers) {
    const auto& hand = in_hand_.at(number);
    answers.push_back({hand.work.id, hand.work.revision, **hand.outcome});
  }
  const auto told = co_await client_->answer(std::move(answers));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto hand = in_hand_.find(numbers[i]);
    if (hand == in_hand_.end()) continue;  // released meanwhile
    if (told[i]) {
      forget(numbers[i]);
      continue;
    }
    const auto& why = told[i].error();
    log::warning(service_.name, "its answer was refused: " + why.detail, about(hand->second.work));
    // An answer that this message may not have is a failure of the handler; others have moved on without it.
    if (why.code == errc::unroutable || why.code == errc::invalid)
      conclude(numbers[i], error{errc::invalid, "answer refused: " + why.detail});
    else
      forget(numbers[i]);
  }
}

task<void> service_runtime::tell_failures(std::vector<std::uint64_t> numbers) {
  if (numbers.empty()) co_return;
  std::vector<failed_claim> failures;
  for (const auto number : numbers) {
    const auto& hand = in_hand_.at(number);
    failures.push_back({{{hand.work.id, hand.work.revision, {}}, hand.work.claim}, hand.outcome->error().detail});
  }
  const auto became = co_await client_->fail(std::move(failures));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto hand = in_hand_.find(numbers[i]);
    if (hand == in_hand_.end()) continue;  // released meanwhile
    const std::string then = !became[i]                   ? "and the broker says: " + became[i].error().detail
                             : *became[i] == status::dead ? "and is dead"
                                                          : "and comes round again";
    const auto& reason = hand->second.outcome->error().detail;
    log::warning(service_.name, "failed: " + reason + ", " + then, about(hand->second.work));
    forget(numbers[i]);
  }
}

void service_runtime::forget(std::uint64_t number) {
  in_hand_.erase(number);
  end_of_lonely_run();
  if (in_hand_.empty() && emptied_) emptied_->set(true);
}

task<void> service_runtime::back_off() {
  constexpr milliseconds first{100}, longest{5'000};
  pause_ = std::clamp(2 * pause_, first, longest);
  auto over = std::make_shared<one_shot<bool>>(env_.executor);
  const auto timer = env_.timers->start(pause_, [over] { over->set(true); });
  co_await over->wait();
}

void service_runtime::note_broker(bool reachable, const std::string& why) {
  if (reachable) pause_ = milliseconds(0);
  if (reachable == std::exchange(broker_reachable_, reachable)) return;
  const std::string peer = service_.on_the_store ? "store" : "broker";
  if (reachable)
    log::info(service_.name, "the " + peer + " is reachable again");
  else
    log::warning(service_.name, "waits for the " + peer + ": " + why);
}

/// Looks for handlers whose time is over, and for leases that need one more.
task<void> service_runtime::look_loop() {
  while (!(stopping_ && in_hand_.empty())) {
    const auto interval = until_next_look();
    next_look_ = env_.timers->now() + interval;
    co_await look_clock_.sleep(interval);
    end_overdue();
    co_await extend_due();
  }
}

milliseconds service_runtime::until_next_look() const {
  milliseconds interval{60'000};
  for (const auto& [number, hand] : in_hand_) {
    interval = std::min(interval, hand.work.lease / looks_per_lease);
    if (!hand.outcome)
      interval = std::min(interval, std::chrono::ceil<milliseconds>(hand.handler_ends - env_.timers->now()));
  }
  return std::max(interval, milliseconds(1));
}

void service_runtime::end_overdue() {
  const auto now = env_.timers->now();
  std::vector<std::uint64_t> overdue;  // told afterwards, since what is told may be forgotten at once
  for (const auto& [number, hand] : in_hand_)
    if (!hand.outcome && hand.handler_ends <= now) overdue.push_back(number);
  overdue_ += overdue.size();
  const auto longest = std::to_string(options_.handler_timeout.count());
  for (const auto number : overdue)
    conclude(number, error{errc::invalid, "the handler took longer than " + longest + " ms"});
}

task<void> service_runtime::extend_due() {
  const auto now = env_.timers->now();
  std::vector<claimed> claims;
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, hand] : in_hand_)
    if (hand.lease_ends - now <= hand.work.lease * 2 / 3) {
      claims.push_back({{hand.work.id, hand.work.revision}, hand.work.claim});
      numbers.push_back(number);
    }
  if (claims.empty()) co_return;
  try {
    const auto results = co_await client_->extend(std::move(claims));
    for (std::size_t i = 0; i < results.size(); ++i) {
      const auto hand = in_hand_.find(numbers[i]);
      if (hand == in_hand_.end()) continue;  // answered meanwhile
      if (results[i])
        hand->second.lease_ends = now + *results[i];
      else if (!hand->second.outcome)  // or its answer is under way
        log::warning(service_.name, "lost its claim: " + results[i].error().detail, about(hand->second.work));
    }
  } catch (const unavailable& failed) {
    log::warning(service_.name, std::string("could not extend leases: ") + failed.what());
  }
}

}  // namespace amc::service
