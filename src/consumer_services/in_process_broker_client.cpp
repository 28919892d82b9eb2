#include "consumer_services/in_process_broker_client.hpp"

#include <algorithm>

#include "consumer_services/direct_broker_client.hpp"
#include "core/log.hpp"
#include "core/other_thread.hpp"

namespace amc::consumer_services {
namespace {

/// As it comes from the broker's thread: rows do not change any more, so each side may read them.
struct told_round {
  std::vector<result<void>> answers{};
  std::vector<result<status>> failures{};
  std::vector<broker::handed> deliveries{};
};

template <class Result>
bool any_refused(const std::vector<Result>& results) {
  return std::any_of(results.begin(), results.end(), [](const auto& one) { return !one; });
}

claimed_revision delivery_of(const broker::handed& one) {
  auto work = broker::delivery_of(*one.now);
  work.alone = one.alone;
  return work;
}

/// A defect met by one call ends that call, as it ends one request of an HTTP server.
template <class T>
task<T> contained(task<T> work) {
  std::string defect;
  try {
    co_return co_await std::move(work);
  } catch (const unavailable&) {
    throw;
  } catch (const std::exception& failed) {  // not covered: no such defect is known
    defect = failed.what();
  }
  log::error("broker", "a call of a service in this process has failed: " + defect);
  throw unavailable(unavailable::reason::outcome_unknown, defect);
}

class in_process_broker_client : public service::receiving_client {
 public:
  in_process_broker_client(boost::asio::any_io_executor broker, std::shared_ptr<broker::messages> messages,
                           std::shared_ptr<broker::receivers> receivers)
      : broker_(std::move(broker)),
        messages_(std::move(messages)),
        verbs_(make_direct_broker_client(messages_)),
        receivers_(std::move(receivers)) {}

  task<std::vector<result<claimed_revision>>> claim(std::vector<claim_request> requests) override {
    return there(verbs_->claim(std::move(requests)));
  }

  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims) override {
    return there(verbs_->extend(std::move(claims)));
  }

  task<void> release(std::vector<claimed> claims) override { co_await there(released(std::move(claims))); }

  task<std::vector<result<status>>> fail(std::vector<failed_claim> failures) override {
    return there(verbs_->fail(std::move(failures)));
  }

  task<std::vector<result<void>>> answer(std::vector<answer_request> answers) override {
    return there(verbs_->answer(std::move(answers)));
  }

  task<service::received_round> receive(service::receive_round asked) override {
    auto told = co_await there(round(std::move(asked)));
    service::received_round came;
    came.answers = std::move(told.answers);
    came.failures = std::move(told.failures);
    came.deliveries.reserve(told.deliveries.size());
    for (const auto& one : told.deliveries) came.deliveries.push_back(delivery_of(one));
    co_return came;
  }

 private:
  /// On the broker's thread.
  template <class T>
  task<T> there(task<T> work) {
    return run_at(broker_, contained(std::move(work)));
  }

  task<bool> released(std::vector<claimed> claims) {
    co_await verbs_->release(std::move(claims));
    co_return true;
  }

  /// Outcomes are settled first, and told whatever becomes of the rest.
  task<told_round> round(service::receive_round asked) {
    told_round told;
    if (!asked.answers.empty()) told.answers = co_await verbs_->answer(std::move(asked.answers));
    if (!asked.failures.empty()) told.failures = co_await verbs_->fail(std::move(asked.failures));
    if (any_refused(told.answers) || any_refused(told.failures)) co_return told;
    const bool has_settled = !told.answers.empty() || !told.failures.empty();
    const auto closed = messages_->refuses_queue(asked.queue);
    if (closed && has_settled) co_return told;
    if (closed) throw unavailable(unavailable::reason::away, closed->detail);
    auto wanted = request_for(std::move(asked));
    try {
      told.deliveries = co_await receivers_->receive(std::move(wanted), nullptr);
    } catch (const unavailable&) {
      if (!has_settled) throw;
    }
    if (!told.deliveries.empty()) receivers_->receipt_for(told.deliveries)->written();
    co_return told;
  }

  broker::receive_request request_for(service::receive_round asked) const {
    broker::receive_request wanted;
    wanted.holder = asked.service + "/" + asked.worker;
    wanted.queue = std::move(asked.queue);
    wanted.worker = std::move(asked.worker);
    wanted.is_named = true;
    wanted.max = asked.max;
    wanted.max_bytes = std::min(asked.max_bytes, messages_->claims_max_bytes());
    wanted.in_hand = asked.in_hand;
    wanted.wait = asked.wait;
    wanted.has_place = true;
    return wanted;
  }

  boost::asio::any_io_executor broker_;
  std::shared_ptr<broker::messages> messages_;
  std::shared_ptr<service::broker_client> verbs_;
  std::shared_ptr<broker::receivers> receivers_;
};

}  // namespace

std::shared_ptr<service::receiving_client> make_in_process_broker_client(boost::asio::any_io_executor broker,
                                                                         std::shared_ptr<broker::messages> messages,
                                                                         std::shared_ptr<broker::receivers> receivers) {
  return std::make_shared<in_process_broker_client>(std::move(broker), std::move(messages), std::move(receivers));
}

}  // namespace amc::consumer_services
