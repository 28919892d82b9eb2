#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/environment.hpp"
#include "core/error.hpp"
#include "core/task.hpp"

namespace amc {

/// The bytes of one job: what it holds while it waits, and what its outcome may hold.
struct job_bytes {
  std::size_t held = 0;
  std::size_t answer = 0;
};

/// Makes a blocking, batched driver asynchronous: "take everything that has queued up while the last batch ran, run it
/// as one". That is group commit for a store and pipelined confirms for a queue engine.
///
/// The inbox is bounded, by count and by bytes: a submission to a full one throws `unavailable` (overloaded) and
/// changes nothing. So is a batch; both hold one job at least. Several drivers, each on a thread of its own, may empty
/// one inbox; with one alone, batches run in the order of submission. Completions are posted to the submitter's
/// executor; no caller's code runs on a worker's thread. A batch that throws fails every job in it with the same
/// reason. `submit` may be called from any thread.
template <class Job, class Outcome>
class batching_worker {
 public:
  using reply = std::variant<Outcome, unavailable>;
  using callback = std::function<void(reply)>;
  /// One outcome for each job, in order; or throws.
  using run_batch = std::function<std::vector<Outcome>(std::vector<Job>&)>;

  struct options {
    std::string name;           ///< of the thread, and in error texts
    std::size_t inbox_max = 0;  ///< jobs that may wait
    std::size_t batch_max = 0;  ///< jobs that run as one
    std::shared_ptr<amc::metrics> numbers = std::make_shared<amc::metrics>();
    std::size_t inbox_max_bytes = SIZE_MAX;
    std::size_t batch_max_bytes = SIZE_MAX;              ///< of jobs and outcomes
    std::function<job_bytes(const Job&)> bytes_of = {};  ///< none: jobs are small
  };

  /// `runs` has one function for each driver.
  batching_worker(const start_worker& start, options opts, std::vector<run_batch> runs)
      : options_(std::move(opts)),
        batch_sizes_(options_.numbers->histogram("amc_batch_size", "Requests that a worker ran as one")
                         .Add({{"worker", options_.name}}, metrics::sizes())),
        inbox_depth_(options_.numbers->gauge("amc_inbox_depth", "Requests that wait for a worker")
                         .Add({{"worker", options_.name}})) {
    for (auto& run : runs) lanes_.push_back({std::move(run)});
    for (auto& l : lanes_) l.host = start(options_.name, [this, &l] { return step(l); });
  }

  /// Waits for the batches under way; jobs still in the inbox never complete. Drain first.
  ~batching_worker() {
    for (auto& l : lanes_) l.host.reset();
  }

  void submit(Job job, boost::asio::any_io_executor executor, callback done) {
    worker_host* host = nullptr;
    const auto bytes = options_.bytes_of ? options_.bytes_of(job) : job_bytes{};
    {
      const std::lock_guard lock(mutex_);
      const bool too_heavy = inbox_bytes_ > 0 && inbox_bytes_ + bytes.held > options_.inbox_max_bytes;
      if (inbox_.size() >= options_.inbox_max || too_heavy)
        throw unavailable(unavailable::reason::overloaded, options_.name + ": " + std::to_string(inbox_.size()) +
                                                               " requests wait already, with " +
                                                               std::to_string(inbox_bytes_) + " bytes");
      inbox_.push_back({std::move(job), std::move(executor), std::move(done), bytes});
      inbox_bytes_ += bytes.held;
      const auto idle = std::find_if(lanes_.begin(), lanes_.end(), [](const lane& l) { return !l.busy; });
      host = (idle == lanes_.end() ? lanes_.front() : *idle).host.get();
    }
    host->wake();
  }

  /// Submits and waits. Throws `unavailable` where the batch failed or the inbox is full.
  task<Outcome> run(const environment& env, Job job) {
    auto done = std::make_shared<one_shot<reply>>(env.executor);
    submit(std::move(job), env.executor, [done](reply outcome) { done->set_and_resume(std::move(outcome)); });
    auto outcome = co_await done->wait();
    if (auto* failed = std::get_if<unavailable>(&outcome)) throw unavailable(*failed);
    co_return std::get<Outcome>(std::move(outcome));
  }

  std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return inbox_.size();
  }

 private:
  struct entry {
    Job job;
    boost::asio::any_io_executor executor;
    callback done;
    job_bytes bytes;
  };

  struct completion {
    callback done;
    reply outcome;
  };

  /// One driver.
  struct lane {
    run_batch run;
    bool busy = false;
    std::unique_ptr<worker_host> host{};
  };

  std::optional<milliseconds> step(lane& l) {
    auto batch = take(l);
    if (batch.empty()) return {};
    std::vector<Job> jobs;
    jobs.reserve(batch.size());
    for (auto& e : batch) jobs.push_back(std::move(e.job));
    batch_sizes_.Observe(static_cast<double>(jobs.size()));
    complete(batch, run_guarded(l, jobs));
    return milliseconds(0);  // what came meanwhile, as the next batch
  }

  std::vector<entry> take(lane& l) {
    const std::lock_guard lock(mutex_);
    l.busy = !inbox_.empty();
    const auto count = fitting();
    const auto end = inbox_.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<entry> batch(std::make_move_iterator(inbox_.begin()), std::make_move_iterator(end));
    inbox_.erase(inbox_.begin(), end);
    for (const auto& e : batch) inbox_bytes_ -= e.bytes.held;
    inbox_depth_.Set(static_cast<double>(inbox_.size()));
    return batch;
  }

  /// How many of the oldest make a batch.
  std::size_t fitting() const {
    std::size_t count = 0, bytes = 0;
    for (const auto& e : inbox_) {
      bytes += e.bytes.held + e.bytes.answer;
      if (count == options_.batch_max || (count > 0 && bytes > options_.batch_max_bytes)) break;
      ++count;
    }
    return count;
  }

  std::variant<std::vector<Outcome>, unavailable> run_guarded(const lane& l, std::vector<Job>& jobs) {
    try {
      auto outcomes = l.run(jobs);
      if (outcomes.size() != jobs.size()) throw std::logic_error("a driver lost an outcome");
      return outcomes;
    } catch (const unavailable& failed) {
      return failed;
    } catch (const std::exception& failed) {
      return unavailable(unavailable::reason::outcome_unknown, options_.name + ": " + failed.what());
    }
  }

  // One post for each executor and batch, not for each job: waking a thread costs more than completing a job.
  void complete(std::vector<entry>& batch, std::variant<std::vector<Outcome>, unavailable> outcomes) {
    std::vector<std::pair<boost::asio::any_io_executor, std::vector<completion>>> groups;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      auto group = std::find_if(groups.begin(), groups.end(), [&](auto& g) { return g.first == batch[i].executor; });
      if (group == groups.end()) group = groups.insert(groups.end(), {batch[i].executor, {}});
      auto* succeeded = std::get_if<std::vector<Outcome>>(&outcomes);
      group->second.push_back({std::move(batch[i].done),
                               succeeded ? reply(std::move((*succeeded)[i])) : reply(std::get<unavailable>(outcomes))});
    }
    for (auto& [executor, completions] : groups)
      boost::asio::post(executor, [completions = std::move(completions)]() mutable {
        for (auto& c : completions) c.done(std::move(c.outcome));
      });
  }

  options options_;
  prometheus::Histogram& batch_sizes_;
  prometheus::Gauge& inbox_depth_;
  mutable std::mutex mutex_;
  std::deque<entry> inbox_;
  std::size_t inbox_bytes_ = 0;
  std::list<lane> lanes_;
};

}  // namespace amc
