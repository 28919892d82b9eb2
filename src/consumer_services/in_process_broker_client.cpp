#include "consumer_services/in_process_broker_client.hpp"

#include <map>

#include "consumer_services/direct_broker_client.hpp"
#include "core/invariant.hpp"
#include "core/log.hpp"
#include "core/other_thread.hpp"

namespace amc::consumer_services {
namespace {

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

using taking = std::function<void(std::vector<claimed_revision>, std::size_t bytes)>;

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

  bool stands() const override { return true; }

  task<service::received_round> receive(service::receive_round asked) override {
    ensure(asked.answers.empty() && asked.failures.empty(), "outcomes are told by themselves within a process");
    ensure(asked.take || asked.max == 0, "within a process a request stands, or ends another");
    const auto here = co_await boost::asio::this_coro::executor;
    auto wanted = request_for(asked);
    if (asked.take) {
      wanted.stands = std::make_shared<broker::standing>();
      wanted.stands->max = asked.max;
      wanted.stands->max_bytes = static_cast<std::int64_t>(asked.max_bytes);
      wanted.stands->give = giving(here, std::move(asked.take));
      standing_[asked.queue] = wanted.stands;
    }
    auto outcome = co_await as_value(there(received(std::move(wanted))));
    co_await boost::asio::post(here, boost::asio::use_awaitable);  // after what was given last
    value_of(std::move(outcome));
    co_return service::received_round();
  }

  void offer(const std::string& queue, const service::more_room& room) override {
    const auto stands = standing_.find(queue);
    if (stands == standing_.end()) return;
    boost::asio::post(broker_, [to = stands->second, in = std::weak_ptr(receivers_), queue, room] {
      to->max += room.deliveries;
      to->max_bytes += room.bytes;
      if (const auto alive = in.lock()) alive->offered(queue, *to, room.in_hand);
    });
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

  task<bool> received(broker::receive_request wanted) {
    const auto closed = messages_->refuses_queue(wanted.queue);
    if (closed && wanted.stands) throw unavailable(unavailable::reason::away, closed->detail);
    co_await receivers_->receive(std::move(wanted), nullptr);
    co_return true;
  }

  broker::receive_request request_for(const service::receive_round& asked) const {
    broker::receive_request wanted;
    wanted.holder = asked.service + "/" + asked.worker;
    wanted.queue = asked.queue;
    wanted.worker = asked.worker;
    wanted.is_named = true;
    wanted.max = asked.max;
    wanted.in_hand = asked.in_hand;
    wanted.wait = asked.wait;
    wanted.has_place = true;
    return wanted;
  }

  /// What is given on the broker's thread is taken on the service's. Nothing can get lost on the way, so it counts as
  /// written at once.
  std::function<void(std::vector<broker::handed>)> giving(boost::asio::any_io_executor there, taking take) const {
    return [in = std::weak_ptr(receivers_), there = std::move(there),
            take = std::make_shared<const taking>(std::move(take))](std::vector<broker::handed> deliveries) {
      if (const auto alive = in.lock()) alive->receipt_for(deliveries)->written();
      boost::asio::post(there, [take, deliveries = std::move(deliveries)] {
        std::vector<claimed_revision> works;
        works.reserve(deliveries.size());
        std::size_t bytes = 0;  // as the store keeps them, and so as the broker counts them
        for (const auto& one : deliveries) {
          bytes += one.now->text.size();
          works.push_back(delivery_of(one));
        }
        (*take)(std::move(works), bytes);
      });
    };
  }

  boost::asio::any_io_executor broker_;
  std::shared_ptr<broker::messages> messages_;
  std::shared_ptr<service::broker_client> verbs_;
  std::shared_ptr<broker::receivers> receivers_;
  std::map<std::string, std::shared_ptr<broker::standing>> standing_;  ///< by queue; what it holds is the broker's
};

}  // namespace

std::shared_ptr<service::receiving_client> make_in_process_broker_client(boost::asio::any_io_executor broker,
                                                                         std::shared_ptr<broker::messages> messages,
                                                                         std::shared_ptr<broker::receivers> receivers) {
  return std::make_shared<in_process_broker_client>(std::move(broker), std::move(messages), std::move(receivers));
}

}  // namespace amc::consumer_services
