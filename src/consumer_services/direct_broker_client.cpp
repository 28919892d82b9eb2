#include "consumer_services/broker_client.hpp"

namespace amc::consumer_services {
namespace {

class direct_broker_client : public broker_client {
 public:
  explicit direct_broker_client(std::shared_ptr<broker::messages> messages) : messages_(std::move(messages)) {}

  task<std::vector<result<broker::granted>>> claim(std::vector<broker::claim_request> requests) override {
    return messages_->claim(std::move(requests));
  }

  task<std::vector<result<milliseconds>>> extend(std::vector<broker::claimed> claims) override {
    return messages_->extend(std::move(claims));
  }

  task<void> release(std::vector<broker::claimed> claims) override { co_await messages_->release(std::move(claims)); }

  task<result<status>> fail(broker::failed_claim failed) override {
    std::vector<broker::failed_claim> one;
    one.push_back(std::move(failed));
    const auto results = co_await messages_->fail(std::move(one));
    if (!results.front()) co_return results.front().error();
    co_return (*results.front())->status;
  }

  task<result<void>> answer(event answered, std::string text) override {
    const auto became = co_await messages_->answer(answered.id, answered.revision, std::move(text));
    if (!became) co_return became.error();
    co_return result<void>();
  }

 private:
  std::shared_ptr<broker::messages> messages_;
};

}  // namespace

std::shared_ptr<broker_client> make_direct_broker_client(std::shared_ptr<broker::messages> messages) {
  return std::make_shared<direct_broker_client>(std::move(messages));
}

}  // namespace amc::consumer_services
