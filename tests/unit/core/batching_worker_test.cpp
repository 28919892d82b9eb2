#include "core/batching_worker.hpp"

#include <gmock/gmock.h>

#include <boost/asio/executor_work_guard.hpp>
#include <thread>

#include "tests/support/manual_environment.hpp"

namespace amc {
namespace {

using testing::ElementsAre;
using worker = batching_worker<int, int>;

class BatchingWorker : public testing::Test {
 protected:
  std::unique_ptr<worker> make(std::size_t inbox_max, std::size_t batch_max) {
    return std::make_unique<worker>(world_.env().start_worker, worker::options{"worker", inbox_max, batch_max},
                                    std::vector<worker::run_batch>{squaring()});
  }

  worker::run_batch squaring() {
    return [this](std::vector<int>& jobs) {
      batches_.push_back(jobs);
      if (fails_) throw unavailable(unavailable::reason::away, "away");
      std::vector<int> squares;
      for (const int job : jobs) squares.push_back(job * job);
      return squares;
    };
  }

  void submit(worker& to, int job) {
    to.submit(job, world_.env().executor, [this](worker::reply reply) { replies_.push_back(std::move(reply)); });
  }

  std::vector<int> squares() const {
    std::vector<int> all;
    for (const auto& reply : replies_) all.push_back(std::get<int>(reply));
    return all;
  }

  tests::manual_environment world_;
  std::vector<std::vector<int>> batches_;
  std::vector<worker::reply> replies_;
  bool fails_ = false;
};

TEST_F(BatchingWorker, RunsWhatHasQueuedUpAsOneBatch) {
  const auto w = make(10, 10);
  for (const int job : {1, 2, 3}) submit(*w, job);
  world_.settle();
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2, 3)));
}

TEST_F(BatchingWorker, CompletesInTheOrderOfSubmission) {
  const auto w = make(10, 2);
  for (const int job : {3, 1, 2}) submit(*w, job);
  world_.advance(milliseconds(10));
  EXPECT_THAT(squares(), ElementsAre(9, 1, 4));
}

TEST_F(BatchingWorker, NoBatchIsLargerThanItsMaximum) {
  const auto w = make(10, 2);
  for (const int job : {1, 2, 3, 4, 5}) submit(*w, job);
  world_.advance(milliseconds(10));
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4), ElementsAre(5)));
}

/// A job holds as many bytes as its number says, and its answer ten times that.
class BoundedByBytes : public BatchingWorker {
 protected:
  std::unique_ptr<worker> make(std::size_t inbox_max_bytes, std::size_t batch_max_bytes) {
    worker::options how{"worker", 100, 100};
    how.inbox_max_bytes = inbox_max_bytes;
    how.batch_max_bytes = batch_max_bytes;
    how.bytes_of = [](const int& job) {
      const auto size = static_cast<std::size_t>(job);
      return job_bytes{size, 10 * size};
    };
    return std::make_unique<worker>(world_.env().start_worker, std::move(how),
                                    std::vector<worker::run_batch>{squaring()});
  }
};

TEST_F(BoundedByBytes, ABatchHoldsWhatItsJobsAndTheirAnswersMayTake) {
  const auto w = make(1'000, 66);
  for (const int job : {2, 4, 1, 7, 3}) submit(*w, job);
  world_.advance(milliseconds(10));
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(2, 4), ElementsAre(1), ElementsAre(7), ElementsAre(3)));
}

TEST_F(BoundedByBytes, WhatWaitsIsBoundedAndOneJobAlwaysFits) {
  const auto w = make(10, 1'000);
  submit(*w, 50);
  EXPECT_THROW(submit(*w, 1), unavailable);
  world_.settle();
  for (const int job : {4, 6}) submit(*w, job);
  EXPECT_THROW(submit(*w, 1), unavailable);
  world_.settle();
  submit(*w, 1);
  world_.settle();
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(50), ElementsAre(4, 6), ElementsAre(1)));
}

TEST_F(BatchingWorker, RefusesWhenItsInboxIsFull) {
  const auto w = make(2, 2);
  submit(*w, 1);
  submit(*w, 2);
  EXPECT_THROW(submit(*w, 3), unavailable);
  world_.settle();
  EXPECT_THAT(squares(), ElementsAre(1, 4));
}

TEST_F(BatchingWorker, TakesJobsAgainAfterItWasFull) {
  const auto w = make(1, 1);
  submit(*w, 1);
  EXPECT_THROW(submit(*w, 2), unavailable);
  world_.settle();
  submit(*w, 3);
  world_.settle();
  EXPECT_THAT(squares(), ElementsAre(1, 9));
}

TEST_F(BatchingWorker, AFailedBatchFailsEachOfItsJobs) {
  const auto w = make(10, 10);
  fails_ = true;
  submit(*w, 1);
  submit(*w, 2);
  world_.settle();
  ASSERT_EQ(replies_.size(), 2U);
  for (const auto& reply : replies_) EXPECT_EQ(std::get<unavailable>(reply).why(), unavailable::reason::away);
}

TEST_F(BatchingWorker, GoesOnAfterAFailedBatch) {
  const auto w = make(10, 10);
  fails_ = true;
  submit(*w, 1);
  world_.settle();
  fails_ = false;
  EXPECT_EQ(world_.run(w->run(world_.env(), 4)), 16);
}

TEST_F(BatchingWorker, RunThrowsWhatFailed) {
  const auto w = make(10, 10);
  fails_ = true;
  EXPECT_THROW(world_.run(w->run(world_.env(), 4)), unavailable);
}

TEST_F(BatchingWorker, ASecondDriverTakesWhatComesWhileTheFirstIsBusy) {
  std::unique_ptr<worker> w;
  std::vector<int> first, second;
  // What comes while the first runs its batch is there before the batch ends.
  const worker::run_batch busy = [&](std::vector<int>& jobs) {
    first.insert(first.end(), jobs.begin(), jobs.end());
    if (jobs.front() == 1) submit(*w, 2);
    return jobs;
  };
  const worker::run_batch free = [&](std::vector<int>& jobs) {
    second.insert(second.end(), jobs.begin(), jobs.end());
    return jobs;
  };
  w = std::make_unique<worker>(world_.env().start_worker, worker::options{"worker", 10, 10},
                               std::vector<worker::run_batch>{busy, free});
  submit(*w, 1);
  world_.settle();
  EXPECT_THAT(first, ElementsAre(1));
  EXPECT_THAT(second, ElementsAre(2));
}

TEST(BatchingWorkerOnThreads, CompletesEveryJobOnceOnTheCallersExecutor) {
  boost::asio::io_context context{1};
  const auto env = system_environment(context.get_executor());
  int completed = 0;
  {
    const worker::run_batch same = [](std::vector<int>& jobs) { return jobs; };
    worker w(env.start_worker, {"worker", 10'000, 64}, {same, same, same});
    auto guard = boost::asio::make_work_guard(context);
    constexpr int each = 500;
    const auto produce = [&] {
      for (int job = 0; job < each; ++job)
        w.submit(job, env.executor, [&](const worker::reply&) {
          if (++completed == 2 * each) guard.reset();
        });
    };
    std::thread other(produce);
    produce();
    other.join();
    context.run();
  }
  EXPECT_EQ(completed, 1'000);
}

}  // namespace
}  // namespace amc
