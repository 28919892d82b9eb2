#include "consumer_services/service_runtime.hpp"

#include <algorithm>

namespace amc::consumer_services {

service_runtime::service_runtime(const environment& env, service_definition service,
                                 std::shared_ptr<broker_client> client, platform& engine,
                                 boost::asio::any_io_executor handlers, runtime_options options)
    : env_(env),
      service_(std::move(service)),
      client_(std::move(client)),
      engine_(engine),
      handlers_(std::move(handlers)),
      options_(options),
      durations_(env.metrics->histogram("messaging_process_duration_seconds", "Calls of the handler")),
      extend_clock_(env),
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
  loops_.spawn(extend_loop());
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
  const auto drained = [](task_group& works, std::shared_ptr<one_shot<bool>> finished) -> task<void> {
    co_await works.drain();
    finished->set(true);
  };
  loops_.spawn(drained(works_, done));
  const bool finished = co_await done->wait();
  if (!finished) co_await release_in_hand();
  extend_clock_.poke();
  if (finished) co_await loops_.drain();
  co_return finished&& overdue_ == 0;
}

task<void> service_runtime::release_in_hand() {
  if (in_hand_.empty()) co_return;
  std::vector<broker::claimed> claims;
  for (const auto& [number, hand] : in_hand_) claims.push_back({{hand.work.id, hand.work.revision}, hand.work.claim});
  log::warning(service_.name, "releases " + std::to_string(claims.size()) + " messages that it could not finish");
  try {
    co_await client_->release(std::move(claims));
  } catch (const unavailable& failed) {
    log::warning(service_.name, std::string("could not release them, their leases run out: ") + failed.what());
  }
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
  std::vector<broker::claim_request> requests;
  for (const auto& e : events) requests.push_back({e.ready, alone});
  std::string failed;
  try {
    auto results = co_await client_->claim(std::move(requests));
    std::vector<std::uint64_t> settled;
    const auto now = env_.timers->now();
    const bool idle = in_hand_.empty();  // only now: it may have changed while the claim was under way
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (!results[i] && results[i].error().code == errc::needs_alone && !stopping_) {
        lonely_.push_back(events[i]);
        continue;
      }
      // Granted: the row knows that somebody works on it. Refused: it is in good hands, or comes round again.
      settled.push_back(events[i].tag);
      if (!results[i]) continue;
      auto& g = *results[i];
      in_hand hand{{events[i].ready.id, events[i].ready.revision, g.claim, std::move(g.text), g.lease,
                    events[i].ready.traceparent},
                   now + g.lease};
      in_hand_.emplace(++last_number_, std::move(hand));
      works_.spawn(work(last_number_));
    }
    if (source_) source_->acknowledge(std::move(settled));
    if (idle && !in_hand_.empty()) extend_clock_.poke();
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

task<void> service_runtime::work(std::uint64_t number) {
  const delivery taken = in_hand_.at(number).work;
  const auto begun = env_.timers->now();
  auto text = co_await handle(taken);
  durations_
      .Add({{"messaging_destination_name", service_.queue}, {"error_type", text ? "" : "failed"}}, metrics::seconds())
      .Observe(std::chrono::duration<double>(env_.timers->now() - begun).count());
  if (text)
    co_await answer(taken, std::move(*text));
  else
    co_await fail(taken, text.error().detail);
  in_hand_.erase(number);
  end_of_lonely_run();
  pump();
}

task<result<std::string>> service_runtime::handle(const delivery& work) {
  auto done = std::make_shared<one_shot<result<std::string>>>(env_.executor);
  // A copy: a handler that takes too long still needs it when nobody waits for it any more.
  boost::asio::post(handlers_, [this, work = std::make_shared<const delivery>(work), done] {
    auto outcome = [&]() -> result<std::string> {
      try {
        return service_.handler(*work);
      } catch (const std::exception& failed) {
        return error{errc::invalid, failed.what()};
      }
    }();
    boost::asio::post(env_.executor, [this, done, outcome = std::move(outcome)]() mutable {
      if (!done->set(std::move(outcome))) note_late_end();
    });
  });
  const auto longest = options_.handler_timeout;
  const auto timer = env_.timers->start(longest, [this, done, longest] {
    const error late{errc::invalid, "the handler took longer than " + std::to_string(longest.count()) + " ms"};
    if (done->set(late)) ++overdue_;
  });
  co_return co_await done->wait();
}

void service_runtime::note_late_end() {
  --overdue_;
  pump();
}

task<void> service_runtime::answer(const delivery& work, std::string text) {
  std::function<task<void>()> tell = [this, work, text]() -> task<void> {
    const event answered{work.id, work.revision, {}};
    const auto told = co_await client_->answer(answered, text);
    if (told) co_return;
    log::warning(service_.name, "its answer was refused: " + told.error().detail, about(work));
    // An answer that this message may not have is a failure of the handler; others have moved on without it.
    const bool handlers_fault = told.error().code == errc::unroutable || told.error().code == errc::invalid;
    if (!handlers_fault) co_return;
    broker::failed_claim failed{{{work.id, work.revision, {}}, work.claim}, "answer refused: " + told.error().detail};
    co_await client_->fail(std::move(failed));
  };
  co_await until_told(std::move(tell));
}

task<void> service_runtime::fail(const delivery& work, std::string reason) {
  std::function<task<void>()> tell = [this, work, reason]() -> task<void> {
    broker::failed_claim failed{{{work.id, work.revision, {}}, work.claim}, reason};
    const auto became = co_await client_->fail(std::move(failed));
    const std::string then = !became                   ? "and the broker says: " + became.error().detail
                             : *became == status::dead ? "and is dead"
                                                       : "and comes round again";
    log::warning(service_.name, "failed: " + reason + ", " + then, about(work));
  };
  co_await until_told(std::move(tell));
}

/// Until the broker has said something about it. What is told names its revision and claim, so telling it again is
/// safe.
task<void> service_runtime::until_told(std::function<task<void>()> tell) {
  for (;;) {
    std::string failed;
    try {
      co_await tell();
    } catch (const unavailable& why) {
      failed = why.what();
    }
    note_broker(failed.empty(), failed);
    if (failed.empty()) co_return;
    if (stopping_ && in_hand_.empty()) co_return;  // released meanwhile
    co_await back_off();
  }
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
  if (reachable)
    log::info(service_.name, "the broker is reachable again");
  else
    log::warning(service_.name, "waits for the broker: " + why);
}

task<void> service_runtime::extend_loop() {
  while (!(stopping_ && in_hand_.empty())) {
    // A lease is extended when two thirds of it are left or less; looking at a sixth keeps that true.
    milliseconds interval{60'000};
    for (const auto& [number, hand] : in_hand_) interval = std::min(interval, hand.work.lease / 6);
    co_await extend_clock_.sleep(std::max(interval, milliseconds(1)));
    co_await extend_due();
  }
}

task<void> service_runtime::extend_due() {
  const auto now = env_.timers->now();
  std::vector<broker::claimed> claims;
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
      else
        log::warning(service_.name, "lost its claim: " + results[i].error().detail, about(hand->second.work));
    }
  } catch (const unavailable& failed) {
    log::warning(service_.name, std::string("could not extend leases: ") + failed.what());
  }
}

}  // namespace amc::consumer_services
