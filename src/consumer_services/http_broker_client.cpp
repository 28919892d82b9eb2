#include <boost/json.hpp>

#include "consumer_services/broker_client.hpp"

namespace amc::consumer_services {
namespace json = boost::json;
namespace {

unavailable unexpected(const http::response& reply) {
  return {unavailable::reason::away, "the broker answered " + std::to_string(reply.status)};
}

/// The code for a status that refuses an answer; nothing for one that does not speak about the message.
std::optional<errc> refusal_code(int status) {
  switch (status) {
    case 400:
    case 413:
      return errc::invalid;
    case 404:
      return errc::not_found;
    case 409:
      return errc::terminal;
    case 412:
      return errc::stale;
    case 422:
      return errc::unroutable;
    default:
      return {};
  }
}

errc code_of(std::string_view name) {
  for (const auto code : {errc::not_found, errc::terminal, errc::stale, errc::held, errc::needs_alone})
    if (name == to_string(code)) return code;
  return errc::invalid;
}

std::string detail_of(const json::value& body) {
  const auto* fields = body.if_object();
  const auto* detail = fields ? fields->if_contains("detail") : nullptr;
  return detail && detail->is_string() ? std::string(detail->get_string()) : std::string();
}

class http_broker_client : public broker_client {
 public:
  http_broker_client(std::shared_ptr<http::caller> http, milliseconds timeout)
      : http_(std::move(http)), timeout_(timeout) {}

  task<std::vector<result<broker::granted>>> claim(std::vector<broker::claim_request> requests) override {
    json::array body;
    for (const auto& r : requests) {
      json::object item{{"id", to_string(r.ready.id)}, {"revision", r.ready.revision}};
      if (r.alone) item["alone"] = true;
      body.push_back(std::move(item));
    }
    auto items = co_await post("/claims", std::move(body));
    co_return each<broker::granted>(items, [](json::object& item) {
      broker::granted g;
      g.claim = item.at("claim").as_int64();
      g.text = item.at("message").as_string();
      g.lease = milliseconds(item.at("lease_ms").as_int64());
      return g;
    });
  }

  task<std::vector<result<milliseconds>>> extend(std::vector<broker::claimed> claims) override {
    auto items = co_await post("/leases", body_of(claims));
    co_return each<milliseconds>(items,
                                 [](json::object& item) { return milliseconds(item.at("lease_ms").as_int64()); });
  }

  task<void> release(std::vector<broker::claimed> claims) override { co_await post("/releases", body_of(claims)); }

  task<result<status>> fail(broker::failed_claim failed) override {
    json::array body = body_of(std::vector<broker::claimed>(1, failed.what));
    body[0].get_object()["error"] = failed.reason;
    auto items = co_await post("/failures", std::move(body));
    auto results = each<status>(items, [](json::object& item) {
      return parse_status(std::string_view(item.at("status").as_string())).value();
    });
    co_return std::move(results.front());
  }

  task<result<void>> answer(event answered, std::string text) override {
    http::request asked;
    asked.method = "PUT";
    asked.target = "/messages/" + to_string(answered.id);
    asked.headers.add("If-Match", "\"" + std::to_string(answered.revision) + "\"");
    const json::object body{{"message", text}};
    asked.body = json::serialize(body);
    const auto reply = co_await http_->send(std::move(asked), timeout_);
    if (reply.status == 200) co_return result<void>();
    const auto code = refusal_code(reply.status);
    if (!code) throw unexpected(reply);
    boost::system::error_code ignored;
    co_return error{*code, detail_of(json::parse(reply.body, ignored))};
  }

 private:
  static json::array body_of(const std::vector<broker::claimed>& claims) {
    json::array body;
    for (const auto& c : claims) {
      json::object item{{"id", to_string(c.ready.id)}, {"revision", c.ready.revision}, {"claim", c.claim}};
      body.push_back(std::move(item));
    }
    return body;
  }

  task<json::array> post(std::string target, json::array body) {
    http::request asked;
    asked.method = "POST";
    asked.target = std::move(target);
    asked.body = json::serialize(body);
    const auto reply = co_await http_->send(std::move(asked), timeout_);
    boost::system::error_code failed;
    auto parsed = json::parse(reply.body, failed);
    if (reply.status != 200 || failed || !parsed.is_array() || parsed.get_array().size() != body.size())
      throw unexpected(reply);
    co_return std::move(parsed.get_array());
  }

  template <class T, class Read>
  static std::vector<result<T>> each(json::array& items, const Read& read) {
    std::vector<result<T>> results;
    results.reserve(items.size());
    try {
      for (auto& item : items) {
        auto& fields = item.as_object();
        if (const auto* why = fields.if_contains("refused"))
          results.push_back(error{code_of(why->as_string()), detail_of(item)});
        else
          results.push_back(read(fields));
      }
    } catch (const std::exception&) {
      throw unavailable(unavailable::reason::away, "the broker's answer is not one of a broker");
    }
    return results;
  }

  std::shared_ptr<http::caller> http_;
  milliseconds timeout_;
};

}  // namespace

std::shared_ptr<broker_client> make_http_broker_client(std::shared_ptr<http::caller> http, milliseconds timeout) {
  return std::make_shared<http_broker_client>(std::move(http), timeout);
}

}  // namespace amc::consumer_services
