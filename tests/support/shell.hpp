#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/support/binary_test.hpp"
#include "tests/support/raw_http.hpp"

namespace amc::tests {

/// A real broker, and the commands of the real binary that ask it.
class shell_test : public binary_test {
 protected:
  /// On the port that it had before, where it had one.
  void start_broker(std::vector<std::string> sets = {}) {
    sets.push_back("broker.http.port=" + std::to_string(port_));
    broker_ = std::make_unique<process>(amc_command(folder_.path, {"broker"}, std::move(sets)));
    port_ = port_of(*broker_);
  }
  void kill_broker() {
    broker_->signal(SIGKILL);
    broker_->wait();
  }

  process::options command(const std::vector<std::string>& words, std::vector<std::string> sets = {}) const {
    sets.push_back("consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(port_));
    return amc_command(folder_.path, words, std::move(sets));
  }

  /// As `ended`, of a command.
  int run(const std::vector<std::string>& words) {
    process once(command(words));
    return ended(once);
  }
  answer ask(const std::string& method, const std::string& path, const std::string& body = "",
             const std::string& headers = "") const {
    return tests::ask(port_, method, path, body, headers);
  }
  boost::json::object show(const std::string& id) const { return ask("GET", "/messages/" + id).json().as_object(); }

  /// Waits for a delivery of the queue and answers it.
  void answer_one(const std::string& queue, const std::string& answer) const {
    const auto got = ask("POST", "/queues/" + queue + "/receive", "", "Prefer: wait=20\r\n").json();
    const auto& delivery = got.at("deliveries").at(0).as_object();
    const boost::json::object told{
        {"id", delivery.at("id")}, {"revision", delivery.at("revision")}, {"message", answer}, {"done", true}};
    ask("POST", "/answers", "[" + boost::json::serialize(told) + "]");
  }

  std::uint16_t port_ = 0;
  std::unique_ptr<process> broker_;
};

}  // namespace amc::tests
