#pragma once

#include <boost/json.hpp>

#include "http/client.hpp"
#include "tests/support/broker_world.hpp"

namespace amc::tests {

/// HTTP without a network: straight into the API, with limits like those of a server, a client and a broker.
class api_caller : public http::caller {
 public:
  explicit api_caller(broker_world& world) : world_(world) {}

  task<http::response> send(http::request asked, milliseconds) override {
    ++sent;
    if (instead) co_return *instead;
    if (asked.body.size() > body_max_bytes) co_return http::response{413, {}, R"({"detail": "too large"})"};
    boost::system::error_code no_json;
    const auto body = boost::json::parse(asked.body, no_json);
    if (body.is_array() && body.get_array().size() > entries_max)
      co_return http::response{422, {}, R"({"detail": "too many"})"};
    auto reply = co_await world_.api->handle(asked);
    if (reply.body.size() > answer_max_bytes)
      throw http::answer_too_large("the answer is larger than " + std::to_string(answer_max_bytes) + " bytes");
    if (reply.receipt) reply.receipt->written();
    co_return reply;
  }

  std::optional<http::response> instead{};  ///< of somebody else, who answers everything
  std::size_t body_max_bytes = 1'048'576;
  std::size_t entries_max = 1'000;
  std::size_t answer_max_bytes = SIZE_MAX;
  int sent = 0;

 private:
  broker_world& world_;
};

}  // namespace amc::tests
