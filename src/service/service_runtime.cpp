#include "service/service_runtime.hpp"

#include <algorithm>

#include "core/invariant.hpp"
#include "core/text.hpp"

namespace amc::service {
namespace {

prometheus::Histogram& handler_durations(const environment& env, const std::string& queue, const char* error_type) {
  return env.metrics->histogram("messaging_process_duration_seconds", "Calls of the handler")
      .Add({{"messaging_destination_name", queue}, {"error_type", error_type}}, metrics::seconds());
}

/// Until somebody has a reason to go on.
constexpr milliseconds for_long{60'000};

}  // namespace

service_runtime::service_runtime(const environment& env, service_definition service,
                                 std::shared_ptr<broker_client> client, boost::asio::any_io_executor handlers,
                                 const runtime_options& options)
    : env_(env),
      service_(std::move(service)),
      client_(std::move(client)),
      handlers_(std::move(handlers)),
      // As many events again as there are handlers: the next batch is here when the last one is done.
      window_(2 * options.concurrency),
      peer_(options.peer),
      company_(options.company),
      traces_(options.traces),
      rules_(options, [this] { go_on(); }),
      receive_clock_(env),
      pause_clock_(env),
      pause_(env.random()),
      durations_(handler_durations(env, service_.queue, "")),
      failed_durations_(handler_durations(env, service_.queue, "failed")),
      look_clock_(env),
      loops_(env.executor),
      works_(env.executor) {}

service_runtime::service_runtime(const environment& env, service_definition service,
                                 std::shared_ptr<broker_client> client, platform& engine,
                                 boost::asio::any_io_executor handlers, const runtime_options& options)
    : service_runtime(env, std::move(service), std::move(client), std::move(handlers), options) {
  engine_ = &engine;
}

service_runtime::service_runtime(const environment& env, service_definition service,
                                 std::shared_ptr<receiving_client> client, receiving how,
                                 boost::asio::any_io_executor handlers, const runtime_options& options)
    : service_runtime(env, std::move(service), client, std::move(handlers), options) {
  receives_ = std::move(client);
  how_ = std::move(how);
}

void service_runtime::run() {
  loops_.spawn(look_loop());
  if (engine_)
    source_ = std::make_unique<queue_system::event_source>(
        env_, *engine_, service_.queue, window_, [this](std::vector<received> events) { hear(std::move(events)); });
  else
    works_.spawn(receives_->stands() ? stand_loop() : receive_loop());
  log::info(service_.name, "takes messages from " + service_.queue);
}

task<bool> service_runtime::stop(milliseconds longest) {
  source_.reset();  // gives back what was heard and not claimed
  rules_.stop();
  receive_clock_.poke();
  pause_clock_.poke();
  if (in_a_round_) works_.spawn(end_round());
  // Whichever is first: everything is answered, or the time is over.
  auto done = std::make_shared<one_shot<bool>>(env_.executor);
  const auto timer = env_.timers->start(longest, [done] { done->set(false); });
  loops_.spawn(finish(done));
  const bool finished = co_await done->wait();
  if (!finished) co_await release_in_hand();
  look_clock_.poke();
  if (finished) co_await loops_.drain();
  co_return finished&& rules_.overdue() == 0;
}

/// Waits until nothing is in hand and nothing is asked of the broker.
task<void> service_runtime::finish(std::shared_ptr<one_shot<bool>> done) {
  while (!rules_.empty_handed() || works_.running() > 0) {
    emptied_ = std::make_shared<one_shot<bool>>(env_.executor);
    if (!rules_.empty_handed()) co_await emptied_->wait();
    co_await works_.drain();
  }
  done->set(true);
}

task<void> service_runtime::release_in_hand() {
  auto claims = rules_.give_up();
  perhaps_told_.clear();
  if (claims.empty()) co_return;
  log::warning(service_.name, "releases " + std::to_string(claims.size()) + " messages that it could not finish");
  co_await release(std::move(claims));
}

task<void> service_runtime::release(std::vector<claimed> claims) {
  try {
    co_await client_->release(std::move(claims));
  } catch (const unavailable& failed) {
    log::warning(service_.name, std::string("could not release them, their leases run out: ") + failed.what());
  }
}

/// There may be room for more work.
void service_runtime::go_on() {
  if (engine_)
    claim_next();
  else
    receive_clock_.poke();
  if (standing_ && !rules_.stopping()) offer();
}

// ---- claiming ----

void service_runtime::hear(std::vector<received> events) {
  auto out_of_reach = rules_.hear(std::move(events));
  source_->acknowledge(std::move(out_of_reach));
  claim_next();
}

void service_runtime::claim_next() {
  if (auto requests = rules_.next_claim()) works_.spawn(claim(std::move(*requests)));
}

task<void> service_runtime::claim(std::vector<claim_request> requests) {
  std::string failed;
  try {
    auto results = co_await client_->claim(std::move(requests));
    carry_out(rules_.claim_decided(std::move(results), env_.timers->now()));
  } catch (const unavailable& why) {
    failed = why.what();
  }
  if (!failed.empty()) rules_.claim_undecided();
  co_await pause_if(std::move(failed));
  rules_.claim_over();
  claim_next();
}

void service_runtime::carry_out(work_rules::decision decided) {
  for (const auto& [what, out_of_reach, why] : decided.refused) {
    const auto* then = out_of_reach ? "; it is left to other services until this one starts again" : "";
    log::warning(service_.name, "its claim was refused: " + why + then, log::about{what.id, what.revision});
  }
  for (auto& one : decided.begin) start_handler(std::move(one));
  if (source_) source_->acknowledge(std::move(decided.settled));
  look_in_time();
}

void service_runtime::look_in_time() {
  if (env_.timers->now() + rules_.until_next_look(env_.timers->now()) < next_look_) look_clock_.poke();
}

// ---- receiving ----

/// One request after the other.
task<void> service_runtime::receive_loop() {
  for (;;) {
    co_await rest();
    if (rules_.stopping()) co_return;
    in_a_round_ = true;
    const bool asked = co_await receive();
    in_a_round_ = false;
    if (round_over_) round_over_->set(true);
    if (asked) tell_soon();
  }
}

/// Until there is room for more. Handlers that have just begun have a moment to end: then one request tells what became
/// of them and asks for more.
task<void> service_runtime::rest() {
  constexpr milliseconds moment{2};
  const auto over = env_.timers->now() + moment;
  while (!rules_.stopping()) {
    const auto left = std::chrono::ceil<milliseconds>(over - env_.timers->now());
    const bool rested = left <= milliseconds(0) || rules_.all_have_ended();
    if (rested && rules_.any_room_in_the_end()) co_return;
    co_await receive_clock_.sleep(left > milliseconds(0) ? left : for_long);
  }
}

/// False where there was no room after all: what keeps it is told by itself, or still runs.
task<bool> service_runtime::receive() {
  auto with = rules_.next_telling();
  const auto room = rules_.free_room(with);
  const auto numbers = with ? with->numbers : std::vector<std::uint64_t>();
  if (room.deliveries == 0) {
    rules_.telling_over(numbers);
    tell_by_itself();
    co_await receive_clock_.sleep(for_long);
    co_return false;
  }
  auto asked = request_for(room, std::move(with));
  std::string failed;
  try {
    auto came = co_await receives_->receive(std::move(asked));
    told(numbers, came.answers, came.failures);
    begin(std::move(came.deliveries));
  } catch (const unavailable& why) {
    failed = why.what();
    note_perhaps_told(numbers, why);
  }
  rules_.telling_over(numbers);
  co_await pause_if(std::move(failed));
  co_return true;
}

receive_round service_runtime::request_for(const work_rules::room& room,
                                           std::optional<work_rules::telling> with) const {
  // What is told with the request waits for the response: so that is not parked for long.
  constexpr milliseconds short_wait{1'000};
  receive_round asked;
  asked.queue = service_.queue;
  asked.service = service_.name;
  asked.worker = how_.worker;
  asked.max = room.deliveries;
  asked.max_bytes = std::min(how_.max_bytes, room.bytes);
  asked.in_hand = company_->in_hand();
  asked.wait = how_.wait;
  if (!with) return asked;
  asked.in_hand -= with->numbers.size();
  asked.wait = std::min(how_.wait, short_wait);
  asked.answers = std::move(with->answers);
  asked.failures = std::move(with->failures);
  return asked;
}

/// While this stops they are given back.
void service_runtime::begin(std::vector<claimed_revision> deliveries) {
  if (!rules_.stopping()) {
    for (auto& one : rules_.take_in(std::move(deliveries), env_.timers->now())) start_handler(std::move(one));
    look_in_time();
  } else if (!deliveries.empty()) {
    std::vector<claimed> claims;
    for (const auto& work : deliveries) claims.push_back({{work.id, work.revision, {}}, work.claim});
    works_.spawn(release(std::move(claims)));
  }
}

// ---- a request that stands ----

task<void> service_runtime::stand_loop() {
  while (!rules_.stopping()) {
    const auto room = rules_.free_room({});
    if (room.deliveries == 0) {
      co_await receive_clock_.sleep(for_long);
      continue;
    }
    in_a_round_ = true;
    co_await stand(room);
    in_a_round_ = false;
    if (round_over_) round_over_->set(true);
  }
}

task<void> service_runtime::stand(work_rules::room room) {
  auto asked = request_for(room, {});
  asked.take = [this](std::vector<claimed_revision> deliveries, std::size_t bytes) {
    take(std::move(deliveries), bytes);
  };
  standing_ = {asked.max, static_cast<std::int64_t>(asked.max_bytes)};
  std::string failed;
  try {
    co_await receives_->receive(std::move(asked));
  } catch (const unavailable& why) {
    failed = why.what();
  }
  standing_.reset();
  co_await pause_if(std::move(failed));
}

void service_runtime::take(std::vector<claimed_revision> deliveries, std::size_t bytes) {
  ensure(standing_ && deliveries.size() <= standing_->deliveries, "there is room for what is given");
  standing_->deliveries -= deliveries.size();
  standing_->bytes -= static_cast<std::int64_t>(bytes);
  begin(std::move(deliveries));
}

/// What there is room for beyond what is asked for already.
void service_runtime::offer() {
  const auto room = rules_.free_room({});
  const auto max_bytes = static_cast<std::int64_t>(std::min(how_.max_bytes, room.bytes));
  const auto deliveries = room.deliveries - std::min(room.deliveries, standing_->deliveries);
  const auto bytes = max_bytes - standing_->bytes;
  if (deliveries == 0 && bytes == 0) return;
  standing_->deliveries += deliveries;
  standing_->bytes += bytes;
  receives_->offer(service_.queue, {deliveries, bytes, company_->in_hand()});
}

/// Asks for nothing more, so that the request that is parked is answered.
task<void> service_runtime::end_round() {
  constexpr milliseconds soon{1'000};
  while (in_a_round_) {
    receive_round last;
    last.queue = service_.queue;
    last.service = service_.name;
    last.worker = how_.worker;
    last.max = 0;
    last.in_hand = std::max<std::size_t>(company_->in_hand(), 1);  // nothing is lost: it may be on its way
    round_over_ = std::make_shared<one_shot<bool>>(env_.executor);
    try {
      co_await receives_->receive(std::move(last));
    } catch (const unavailable&) {
      // Nor will the broker answer the one that is parked.
    }
    const auto timer = env_.timers->start(soon, [over = round_over_] { over->set(false); });
    if (in_a_round_) co_await round_over_->wait();
  }
}

// ---- working ----

void service_runtime::start_handler(work_rules::beginning beginning) {
  // Its end comes from any thread, and after the end of this where the process ends without it.
  const auto told = [this, there = std::weak_ptr(there_), on = env_.executor, number = beginning.number,
                     begun = env_.timers->now(), traced = span_of(*beginning.work)](handler_outcome outcome) {
    if (there.expired()) return;  // nor may its executor be there
    boost::asio::dispatch(on, [this, there, number, begun, traced, outcome = std::move(outcome)]() mutable {
      if (!there.expired()) ended(number, begun, traced, std::move(outcome));
    });
  };
  boost::asio::post(handlers_, [this, work = delivery(std::move(beginning.work)),
                                end = completion(std::make_shared<completion::state>(told))] {
    handle(service_.handler, work, end);
  });
}

/// What the handler sees as its trace, and what it hands on, is this span then. Null where there is none.
std::shared_ptr<telemetry::span> service_runtime::span_of(claimed_revision& work) const {
  auto begun = traces_ ? traces_->begin(work.traceparent, telemetry::operation::process) : std::nullopt;
  if (!begun) return nullptr;
  begun->tracestate = work.tracestate;
  begun->message = work.id;
  begun->revision = work.revision;
  begun->claim = work.claim;
  begun->attempt = work.attempt;
  begun->queue = service_.queue;
  work.traceparent = to_traceparent(begun->context);
  return std::make_shared<telemetry::span>(*std::move(begun));
}

void service_runtime::end_span(telemetry::span one, bool counts, const std::optional<handler_failure>& failed) const {
  if (!counts) {
    one.error_type = "late";
    one.error = "it took longer than consumer_services.handler_timeout_ms, or its message was released";
  } else if (failed) {
    one.error_type = failed->is_final ? "rejected" : "failed";
    one.error = kept_reason(failed->reason);
  }
  traces_->end(std::move(one));
}

void service_runtime::ended(std::uint64_t number, timers::time_point begun,
                            const std::shared_ptr<telemetry::span>& traced, handler_outcome outcome) {
  auto& durations = outcome ? durations_ : failed_durations_;
  const auto failed = traced && !outcome ? std::optional(outcome.error()) : std::nullopt;
  const bool counts = rules_.handler_ended(number, std::move(outcome));
  if (traced) end_span(std::move(*traced), counts, failed);
  if (!counts) return go_on();
  durations.Observe(std::chrono::duration<double>(env_.timers->now() - begun).count());
  tell_soon();
}

/// Looks for handlers whose time is over, and for leases that need one more.
task<void> service_runtime::look_loop() {
  while (!(rules_.stopping() && rules_.empty_handed())) {
    const auto interval = rules_.until_next_look(env_.timers->now());
    next_look_ = env_.timers->now() + interval;
    co_await look_clock_.sleep(interval);
    rules_.end_overdue(env_.timers->now());
    tell_soon();
    co_await extend_leases();
  }
}

task<void> service_runtime::extend_leases() {
  const auto now = env_.timers->now();
  const auto due = rules_.leases_to_extend(now);
  if (due.empty()) co_return;
  std::vector<claimed> claims;
  for (const auto& one : due) claims.push_back(one.what);
  try {
    const auto results = co_await client_->extend(std::move(claims));
    for (std::size_t i = 0; i < due.size(); ++i) {
      if (results[i])
        rules_.extended(due[i].number, now + *results[i]);
      else
        lost(due[i].number, results[i].error());
    }
  } catch (const unavailable& failed) {
    log::warning(service_.name, std::string("could not extend leases: ") + failed.what());
  }
}

void service_runtime::lost(std::uint64_t number, const error& why) {
  rules_.lost(number);
  const auto* hand = rules_.find(number);
  if (hand && !hand->outcome)  // or its answer is under way
    log::warning(service_.name, "lost its claim: " + why.detail, about(*hand->work));
  // It still runs, and the broker does not know that any more.
  if (standing_) receives_->offer(service_.queue, {0, 0, company_->in_hand()});
}

// ---- telling ----

/// With the next request for work, where that is soon.
void service_runtime::tell_soon() {
  if (receives_ && !receives_->stands() && !in_a_round_ && !rules_.stopping() && rules_.any_room_in_the_end())
    receive_clock_.poke();
  else
    tell_by_itself();
}

void service_runtime::tell_by_itself() {
  // Within a process the next ones go into the store's next batch while the last ones are in this.
  const int at_once = receives_ && receives_->stands() ? 2 : 1;
  if (!rules_.anything_untold() || telling_ == at_once) return;
  ++telling_;
  works_.spawn(tell_outcomes());
}

/// Until the broker has said something about each of them. What is told names its revision and claim, so telling it
/// again is safe.
task<void> service_runtime::tell_outcomes() {
  co_await boost::asio::post(env_.executor, boost::asio::use_awaitable);  // with what ends in this turn of the loop
  while (auto next = rules_.next_telling()) {
    const auto numbers = next->numbers;
    std::string failed;
    try {
      co_await tell(std::move(*next));
    } catch (const unavailable& why) {
      failed = why.what();
      note_perhaps_told(numbers, why);
    }
    rules_.telling_over(numbers);
    note_broker(failed.empty(), failed);
    go_on();
    if (!failed.empty() && rules_.anything_untold()) co_await sleep_for(env_, pause_.next());
  }
  --telling_;
}

task<void> service_runtime::tell(work_rules::telling next) {
  std::vector<result<void>> answers;
  std::vector<result<status>> failures;
  if (!next.answers.empty())
    answers = co_await client_->answer(std::move(next.answers));
  else
    failures = co_await client_->fail(std::move(next.failures));
  told(next.numbers, answers, failures);
}

void service_runtime::told(const std::vector<std::uint64_t>& numbers, const std::vector<result<void>>& answers,
                           const std::vector<result<status>>& failures) {
  for (std::size_t i = 0; i < answers.size(); ++i) answer_told(numbers.at(i), answers[i]);
  for (std::size_t i = 0; i < failures.size(); ++i) failure_told(numbers.at(i), failures[i]);
}

void service_runtime::answer_told(std::uint64_t number, const result<void>& said) {
  const auto* hand = rules_.find(number);
  if (!hand) return;  // released meanwhile
  if (said) return forget(number);
  const auto& why = said.error();
  if (perhaps_told_.contains(number))
    log::info(service_.name, "was told again, and perhaps taken the first time: " + why.detail, about(*hand->work));
  else
    log::warning(service_.name, "its answer was refused: " + why.detail, about(*hand->work));
  // An answer that this message may not have is a failure of the handler; others have moved on without it.
  const auto ours = {errc::unroutable, errc::invalid, errc::too_large, errc::unknown};
  if (std::find(ours.begin(), ours.end(), why.code) != ours.end())
    rules_.refused(number, "answer refused: " + why.detail);
  else
    forget(number);
}

void service_runtime::failure_told(std::uint64_t number, const result<status>& became) {
  const auto* hand = rules_.find(number);
  if (!hand) return;  // released meanwhile
  const std::string then = !became                   ? "and the broker says: " + became.error().detail
                           : *became == status::dead ? "and is dead"
                                                     : "and comes round again";
  log::warning(service_.name, "failed: " + hand->outcome->error().reason + ", " + then, about(*hand->work));
  forget(number);
}

/// The broker may have had it: then it refuses it the next time.
void service_runtime::note_perhaps_told(const std::vector<std::uint64_t>& numbers, const unavailable& why) {
  if (why.why() == unavailable::reason::outcome_unknown) perhaps_told_.insert(numbers.begin(), numbers.end());
}

void service_runtime::forget(std::uint64_t number) {
  perhaps_told_.erase(number);
  rules_.forget(number);
  if (rules_.empty_handed() && emptied_) emptied_->set(true);
}

/// Before work is asked for again.
task<void> service_runtime::pause_if(std::string failed) {
  note_broker(failed.empty(), failed);
  if (!failed.empty() && !rules_.stopping()) co_await pause_clock_.sleep(pause_.next());
}

void service_runtime::note_broker(bool reachable, const std::string& why) {
  if (reachable) pause_.reset();
  if (reachable == std::exchange(broker_reachable_, reachable)) return;
  if (reachable)
    log::info(service_.name, "the " + peer_ + " is reachable again");
  else
    log::warning(service_.name, "waits for the " + peer_ + ": " + why);
}

}  // namespace amc::service
