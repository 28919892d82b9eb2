#include "message_store/shared_store.hpp"

#include <algorithm>
#include <array>

#include "core/back_off.hpp"
#include "core/log.hpp"

namespace amc::message_store {

shared_store::shared_store(const environment& env, opened_store opened, limits bounds)
    : opened_(std::move(opened)), bounds_(bounds) {
  using worker = batching_worker<job, answer>;
  std::vector<worker::run_batch> runs;
  for (auto& driver : opened_.drivers)
    runs.emplace_back([this, &driver = *driver](std::vector<job>& batch) { return run(driver, batch); });
  worker::options how{"store", bounds.inbox_max, bounds.batch_max};
  how.inbox_max_bytes = bounds.inbox_max_bytes;
  how.batch_max_bytes = bounds.batch_max_bytes;
  how.bytes_of = [this](const job& asked) { return bytes_of(asked); };
  how.numbers = env.metrics;
  worker_ = std::make_unique<worker>(env.start_worker, std::move(how), std::move(runs));
  using reader = batching_worker<question, look>;
  reader::options looks{"reader", bounds.inbox_max, bounds.batch_max};
  looks.batch_max_bytes = bounds.batch_max_bytes;
  looks.bytes_of = [bounds](const question& asked) {  // not covered: gcov counts its body alone
    const auto* filter = std::get_if<list_filter>(&asked);
    const auto one = std::holds_alternative<past_question>(asked) ? bounds.text_max_bytes + bounds.past_max_bytes : 0;
    return job_bytes{0, filter ? filter->text_bytes_max : one};
  };
  looks.numbers = env.metrics;
  reader_ = std::make_unique<reader>(
      env.start_worker, std::move(looks),
      std::vector<reader::run_batch>(1, [this](std::vector<question>& batch) { return look_up(batch); }));
}

/// What a job holds, and what its answer may.
job_bytes shared_store::bytes_of(const job& asked) const {
  job_bytes bytes;
  if (const auto* ids = std::get_if<find_all>(&asked); ids && ids->with_text)
    bytes.answer = ids->ids.size() * bounds_.text_max_bytes;
  const auto* changes = std::get_if<std::vector<change>>(&asked);
  if (!changes) return bytes;
  for (const auto& what : *changes) {
    if (what.then.text) bytes.held += what.then.text->size();
    if (what.then.error) bytes.held += what.then.error->size();
    if (what.then.headers)
      for (const auto& h : *what.then.headers) bytes.held += h.name.size() + h.value.size();
    if (!what.then.text && what.text_back != text_back::never)
      bytes.answer += std::min(bounds_.text_max_bytes, what.when.text_bytes_max.value_or(bounds_.text_max_bytes));
  }
  return bytes;
}

task<std::vector<outcome>> shared_store::apply(const environment& env, std::vector<change> changes) {
  if (changes.empty()) co_return std::vector<outcome>();
  auto done = co_await worker_->run(env, job(std::move(changes)));
  co_return std::get<std::vector<outcome>>(std::move(done));
}

task<outcome> shared_store::apply(const environment& env, change what) {
  std::vector<change> one;
  one.push_back(std::move(what));
  auto outcomes = co_await apply(env, std::move(one));
  co_return std::move(outcomes.front());
}

task<found_row> shared_store::find(const environment& env, uuid id) {
  job asked = find_all{std::vector<uuid>(1, id), true};
  auto done = co_await worker_->run(env, std::move(asked));
  co_return std::move(std::get<std::vector<found_row>>(done).front());
}

task<std::vector<row>> shared_store::find(const environment& env, std::vector<uuid> ids, bool with_text) {
  job asked = find_all{std::move(ids), with_text};
  auto done = co_await worker_->run(env, std::move(asked));
  std::vector<row> rows;
  for (auto& found : std::get<std::vector<found_row>>(done)) rows.push_back(std::move(found.now));
  co_return rows;
}

task<std::vector<due_row>> shared_store::due(const environment& env, std::size_t limit) {
  job asked = find_due{limit};
  auto done = co_await worker_->run(env, std::move(asked));
  co_return std::get<std::vector<due_row>>(std::move(done));
}

task<std::vector<due_row>> shared_store::waiting(const environment& env, waiting_request which) {
  job asked = std::move(which);
  auto done = co_await worker_->run(env, std::move(asked));
  co_return std::get<std::vector<due_row>>(std::move(done));
}

task<void> shared_store::make_all_due(const environment& env, std::string queue) {
  job asked = ring_all{std::move(queue)};
  co_await worker_->run(env, std::move(asked));
}

task<paused_queues> shared_store::paused(const environment& env, std::optional<pause_request> request) {
  job asked = pausing{std::move(request)};
  auto done = co_await worker_->run(env, std::move(asked));
  co_return std::get<paused_queues>(std::move(done));
}

task<void> shared_store::tell_receiving(const environment& env, std::vector<receiving> who) {
  if (!opened_.changes_elsewhere) co_return;
  job asked = telling{std::move(who)};
  co_await worker_->run(env, std::move(asked));
}

task<message_page> shared_store::list(const environment& env, list_filter filter) {
  question asked = std::move(filter);
  auto seen = co_await reader_->run(env, std::move(asked));
  co_return std::get<message_page>(std::move(seen));
}

task<std::vector<queue_counts>> shared_store::counts(const environment& env) {
  question asked = count_all{};
  auto seen = co_await reader_->run(env, std::move(asked));
  co_return std::get<std::vector<queue_counts>>(std::move(seen));
}

task<std::size_t> shared_store::pending_of(const environment& env, std::string owner, std::size_t at_most) {
  question asked = count_owned{std::move(owner), at_most};
  const auto seen = co_await reader_->run(env, std::move(asked));
  co_return std::get<std::size_t>(seen);
}

task<place_told> shared_store::place_of(const environment& env, place_question which) {
  question asked = std::move(which);
  auto seen = co_await reader_->run(env, std::move(asked));
  co_return std::get<place_told>(std::move(seen));
}

task<told_past> shared_store::past_of(const environment& env, uuid id) {
  question asked = past_question{id};
  auto seen = co_await reader_->run(env, std::move(asked));
  co_return std::get<told_past>(std::move(seen));
}

task<purged> shared_store::purge(const environment& env, purge_request what) {
  job asked = what;
  auto done = co_await worker_->run(env, std::move(asked));
  co_return std::get<purged>(std::move(done));
}

task<timestamp> shared_store::now(const environment& env) {
  job asked = tell_time{};
  auto done = co_await worker_->run(env, std::move(asked));
  co_return std::get<timestamp>(done);
}

task<void> shared_store::check(const environment& env) {
  job asked = be_checked{};
  const auto done = co_await worker_->run(env, std::move(asked));
  if (const auto* failed = std::get_if<unavailable>(&done)) throw unavailable(*failed);
}

std::shared_ptr<void> shared_store::observe(boost::asio::any_io_executor executor,
                                            std::function<void(const news&)> observe) {
  auto call = std::make_shared<std::function<void(const news&)>>(std::move(observe));
  const std::lock_guard lock(mutex_);
  observers_.push_back({std::move(executor), call});
  return call;
}

/// The worker that listens to a change feed, for all who hear it.
class shared_store::listener {
 public:
  using hearer = std::function<void(const change_feed::news&)>;

  listener(const environment& env, change_feed& feed) : feed_(feed), pause_(env.random()) {
    host_ = env.start_worker("changes", [this] { return step(); });
  }

  std::shared_ptr<hearer> add(boost::asio::any_io_executor executor, hearer hear) {
    auto call = std::make_shared<hearer>(std::move(hear));
    {
      const std::lock_guard lock(mutex_);
      hearers_.push_back({std::move(executor), call});
    }
    host_->wake();
    return call;
  }

 private:
  std::optional<milliseconds> step() {
    // Short, because a stop waits for it.
    constexpr milliseconds longest{100};
    try {
      auto news = feed_.wait(longest);
      if (std::exchange(away_, false)) log::info("store", "hears of changes by other processes again");
      pause_.reset();
      if (!news.ids.empty() || news.everything || !news.queues.empty() || !news.received.empty()) tell(std::move(news));
      return milliseconds(0);
    } catch (const unavailable& failed) {
      if (!std::exchange(away_, true))
        log::warning("store", std::string("does not hear of changes by other processes: ") + failed.what());
      return pause_.next();
    }
  }

  void tell(change_feed::news news) {
    const auto told = std::make_shared<const change_feed::news>(std::move(news));
    const std::lock_guard lock(mutex_);
    for (const auto& [executor, hear] : hearers_)
      boost::asio::post(executor, [hear = hear, told] {
        if (const auto alive = hear.lock()) (*alive)(*told);
      });
  }

  change_feed& feed_;
  std::mutex mutex_;
  std::list<std::pair<boost::asio::any_io_executor, std::weak_ptr<hearer>>> hearers_;
  bool away_ = false;
  back_off pause_;
  std::unique_ptr<worker_host> host_;
};

std::shared_ptr<void> shared_store::observe_elsewhere(const environment& env,
                                                      std::function<void(const change_feed::news&)> hear) {
  if (!opened_.changes_elsewhere) return nullptr;
  /// Whoever hears last ends the worker.
  struct hearing {
    std::shared_ptr<listener> of;
    std::shared_ptr<listener::hearer> call;
  };
  auto of = listener_.lock();
  if (!of) listener_ = of = std::make_shared<listener>(env, *opened_.changes_elsewhere);
  auto call = of->add(env.executor, std::move(hear));
  auto handle = std::make_shared<hearing>();
  handle->of = std::move(of);
  handle->call = std::move(call);
  return handle;
}

void shared_store::when_broken(boost::asio::any_io_executor executor, std::function<void(const std::string&)> stop) {
  const std::lock_guard lock(mutex_);
  broken_executor_ = std::move(executor);
  broken_ = std::move(stop);
}

std::vector<shared_store::answer> shared_store::run(store& driver, std::vector<job>& batch) {
  auto on_failure = availability::failed::writing;
  try {
    std::vector<answer> answers(batch.size());
    // What is new since a start is rung as it comes, and not once more.
    for (const auto& asked : batch)
      if (const auto* which = std::get_if<ring_all>(&asked)) driver.make_all_due(which->queue);
    const bool wrote = apply_all(driver, batch, answers);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (std::holds_alternative<std::vector<change>>(batch[i]) || std::holds_alternative<ring_all>(batch[i])) continue;
      on_failure = writes(batch[i]) ? availability::failed::writing : availability::failed::reading;
      answers[i] = read(driver, batch[i]);
    }
    const bool asked = std::any_of(batch.begin(), batch.end(), asks_for_a_check);
    if ((wrote || asked) && writes_are_in_doubt())
      try_writing(driver, batch, answers);
    else
      note_readable();
    return answers;
  } catch (const unavailable& failed) {
    tell_broken(failed);
    note_failure(on_failure, failed.what());
    throw;
  }
}

shared_store::answer shared_store::read(store& driver, const job& asked) {
  if (const auto* ids = std::get_if<find_all>(&asked)) return driver.find(ids->ids, ids->with_text);
  if (const auto* due = std::get_if<find_due>(&asked)) return driver.due(due->limit);
  if (const auto* which = std::get_if<waiting_request>(&asked)) return driver.waiting(*which);
  if (const auto* what = std::get_if<purge_request>(&asked)) return driver.purge(*what);
  if (std::holds_alternative<tell_time>(asked)) return driver.now();
  if (const auto* told = std::get_if<pausing>(&asked)) return driver.paused(told->request);
  if (const auto* told = std::get_if<telling>(&asked)) {
    driver.tell_receiving(told->who);
    return {};
  }
  return driver.find(std::array{uuid{}}, false);  // to be checked: no message has the nil UUID
}

std::vector<shared_store::look> shared_store::look_up(const std::vector<question>& batch) {
  try {
    std::vector<look> looks;
    std::optional<std::vector<queue_counts>> counted;  // once for all who ask
    for (const auto& asked : batch) {
      if (const auto* filter = std::get_if<list_filter>(&asked)) {
        looks.emplace_back(opened_.reader->list(*filter));
      } else if (const auto* of = std::get_if<count_owned>(&asked)) {
        looks.emplace_back(opened_.reader->pending_of(of->owner, of->at_most));
      } else if (const auto* which = std::get_if<place_question>(&asked)) {
        looks.emplace_back(opened_.reader->place_of(*which));
      } else if (const auto* past = std::get_if<past_question>(&asked)) {
        looks.emplace_back(opened_.reader->past_of(past->id));
      } else {
        if (!counted) counted = opened_.reader->counts();
        looks.emplace_back(*counted);
      }
    }
    if (std::exchange(reader_away_, false)) log::info("store", "lists and counts again");
    return looks;
  } catch (const unavailable& failed) {
    tell_broken(failed);
    if (!std::exchange(reader_away_, true))
      log::warning("store", std::string("cannot list or count: ") + failed.what());
    throw;
  }
}

/// What else is in the batch has been done, so only who asked is told of a failure.
void shared_store::try_writing(store& driver, const std::vector<job>& batch, std::vector<answer>& answers) {
  try {
    driver.try_writing();
    note_writable();
  } catch (const unavailable& failed) {
    tell_broken(failed);
    note_failure(availability::failed::writing, failed.what());
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (asks_for_a_check(batch[i])) answers[i] = failed;
  }
}

bool shared_store::writes_are_in_doubt() {
  const std::lock_guard lock(mutex_);
  return known_.writes_are_in_doubt();
}

namespace {

void report(const std::optional<availability::news>& news) {
  if (news) log::write(news->bad ? log::level::warning : log::level::info, "store", news->text);
}

}  // namespace

void shared_store::note_readable() {
  const std::lock_guard lock(mutex_);
  report(known_.can_be_read());
}

void shared_store::note_writable() {
  const std::lock_guard lock(mutex_);
  report(known_.can_be_written());
}

void shared_store::note_failure(availability::failed how, const std::string& why) {
  const std::lock_guard lock(mutex_);
  report(known_.has_failed(how, why));
}

bool shared_store::apply_all(store& driver, std::vector<job>& batch, std::vector<answer>& answers) {
  std::size_t count = 0;
  for (const auto& work : batch)
    if (const auto* part = std::get_if<std::vector<change>>(&work)) count += part->size();
  if (count == 0) return false;
  std::vector<change> changes;
  changes.reserve(count);
  for (auto& work : batch)
    if (auto* part = std::get_if<std::vector<change>>(&work))
      changes.insert(changes.end(), std::make_move_iterator(part->begin()), std::make_move_iterator(part->end()));
  auto outcomes = driver.apply(changes);
  // Where the guards refused all, nothing may have been written.
  const bool wrote = std::any_of(outcomes.begin(), outcomes.end(), [](const outcome& o) { return o.applied; });
  tell(changes, outcomes);
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (!outcomes[i].applied) outcomes[i].refused = std::make_shared<const change>(std::move(changes[i]));
  auto next = outcomes.begin();
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (const auto* part = std::get_if<std::vector<change>>(&batch[i])) {
      const auto end = next + static_cast<std::ptrdiff_t>(part->size());
      answers[i] = std::vector<outcome>(std::make_move_iterator(next), std::make_move_iterator(end));
      next = end;
    }
  return wrote;
}

void shared_store::tell(const std::vector<change>& changes, const std::vector<outcome>& outcomes) {
  auto told = std::make_shared<news>();
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (!outcomes[i].applied || !(changes[i].then.text || changes[i].then.status)) continue;
    if (changes[i].text_back == text_back::never)
      told->ids.push_back(changes[i].id);
    else
      told->rows.push_back(outcomes[i].now);
  }
  if (told->rows.empty() && told->ids.empty()) return;
  const std::lock_guard lock(mutex_);
  std::erase_if(observers_, [](const observer& o) { return o.call.expired(); });
  for (const auto& o : observers_)
    boost::asio::post(o.executor, [call = o.call, told] {
      if (const auto alive = call.lock()) (*alive)(*told);
    });
}

/// Where it is.
void shared_store::tell_broken(const unavailable& failed) {
  if (failed.why() != unavailable::reason::broken) return;
  const std::lock_guard lock(mutex_);
  if (!broken_) return;
  boost::asio::post(broken_executor_,
                    [stop = std::exchange(broken_, nullptr), why = std::string(failed.what())] { stop(why); });
}

}  // namespace amc::message_store
