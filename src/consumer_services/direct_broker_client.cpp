#include "consumer_services/direct_broker_client.hpp"

#include "broker/in_parts.hpp"

namespace amc::consumer_services {
namespace {

class direct_broker_client : public service::broker_client {
 public:
  explicit direct_broker_client(std::shared_ptr<broker::messages> messages) : messages_(std::move(messages)) {}

  task<std::vector<result<claimed_revision>>> claim(std::vector<claim_request> requests) override {
    return messages_->claim(std::move(requests));
  }

  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims) override {
    return messages_->extend(std::move(claims));
  }

  task<void> release(std::vector<claimed> claims) override { co_await messages_->release(std::move(claims)); }

  task<std::vector<result<status>>> fail(std::vector<failed_claim> failures) override {
    const auto count = failures.size();
    const auto rows = co_await broker::in_parts(count, messages_->fail(std::move(failures)));
    std::vector<result<status>> results;
    for (const auto& became : rows)
      results.push_back(became ? result<status>((*became)->status) : result<status>(became.error()));
    co_return results;
  }

  task<std::vector<result<void>>> answer(std::vector<answer_request> answers) override {
    const auto count = answers.size();
    const auto rows = co_await broker::in_parts(count, messages_->answer(std::move(answers)));
    std::vector<result<void>> results;
    for (const auto& became : rows) results.push_back(became ? result<void>() : result<void>(became.error()));
    co_return results;
  }

 private:
  std::shared_ptr<broker::messages> messages_;
};

}  // namespace

std::shared_ptr<service::broker_client> make_direct_broker_client(std::shared_ptr<broker::messages> messages) {
  return std::make_shared<direct_broker_client>(std::move(messages));
}

}  // namespace amc::consumer_services
