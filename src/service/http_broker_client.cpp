#include <boost/json.hpp>
#include <span>

#include "service/broker_client.hpp"

namespace amc::service {
namespace json = boost::json;
namespace {

unavailable unexpected(const http::response& reply) {
  return {unavailable::reason::away, "the broker answered " + std::to_string(reply.status)};
}

errc code_of(std::string_view name) {
  for (const auto code :
       {errc::not_found, errc::terminal, errc::stale, errc::held, errc::needs_alone, errc::unroutable, errc::unreadable})
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

  task<std::vector<result<granted>>> claim(std::vector<claim_request> requests) override {
    json::array body;
    for (const auto& r : requests) {
      auto item = item_of(r.ready.id, r.ready.revision);
      if (r.alone) item["alone"] = true;
      body.push_back(std::move(item));
    }
    auto items = co_await post("/claims", std::move(body));
    co_return each<granted>(items, [](json::object& item) {
      granted g;
      g.claim = item.at("claim").as_int64();
      g.text = item.at("message").as_string();
      g.lease = milliseconds(item.at("lease_ms").as_int64());
      return g;
    });
  }

  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims) override {
    auto items = co_await post("/leases", body_of(claims));
    co_return each<milliseconds>(items,
                                 [](json::object& item) { return milliseconds(item.at("lease_ms").as_int64()); });
  }

  task<void> release(std::vector<claimed> claims) override { co_await post("/releases", body_of(claims)); }

  task<std::vector<result<status>>> fail(std::vector<failed_claim> failures) override {
    json::array body;
    for (const auto& f : failures) {
      auto item = item_of(f.what);
      item["error"] = f.reason;
      body.push_back(std::move(item));
    }
    auto items = co_await post("/failures", std::move(body));
    co_return each<status>(items, [](json::object& item) {
      return parse_status(std::string_view(item.at("status").as_string())).value();
    });
  }

  task<std::vector<result<void>>> answer(std::vector<answer_request> answers) override {
    std::vector<result<void>> results;
    for (std::size_t begin = 0; begin < answers.size();) {
      const std::span all(answers);
      const auto part = all.subspan(begin, fitting(all.subspan(begin)));
      auto told = co_await answer_part(part);
      results.insert(results.end(), told.begin(), told.end());
      begin += part.size();
    }
    co_return results;
  }

 private:
  static json::array body_of(const std::vector<claimed>& claims) {
    json::array body;
    for (const auto& c : claims) body.push_back(item_of(c));
    return body;
  }

  static json::object item_of(const uuid& id, int revision) { return {{"id", to_string(id)}, {"revision", revision}}; }

  static json::object item_of(const claimed& c) {
    auto item = item_of(c.ready.id, c.ready.revision);
    item["claim"] = c.claim;
    return item;
  }

  /// How many of these fit well into one request; one at least.
  static std::size_t fitting(std::span<const answer_request> answers) {
    constexpr std::size_t comfortable_bytes = 262'144;
    std::size_t count = 0;
    for (std::size_t bytes = 0; count < answers.size(); ++count) {
      bytes += answers[count].text.size();
      if (count > 0 && bytes > comfortable_bytes) break;
    }
    return count;
  }

  /// A broker that does not take them together, because of one of them or of their size, is asked about each half.
  task<std::vector<result<void>>> answer_part(std::span<const answer_request> part) {
    json::array body;
    for (const auto& a : part) {
      auto item = item_of(a.id, a.revision.value());
      item["message"] = a.text;
      body.push_back(std::move(item));
    }
    const auto reply = co_await send("/answers", body);
    const bool refused = reply.status == 400 || reply.status == 413 || reply.status == 422;
    if (!refused) {
      auto items = items_of(reply, part.size());
      co_return each<void>(items, [](json::object&) { return result<void>(); });
    }
    if (part.size() == 1) {
      boost::system::error_code ignored;
      const error why{errc::invalid, detail_of(json::parse(reply.body, ignored))};
      co_return std::vector<result<void>>(1, why);
    }
    auto told = co_await answer_part(part.first(part.size() / 2));
    const auto more = co_await answer_part(part.subspan(part.size() / 2));
    told.insert(told.end(), more.begin(), more.end());
    co_return told;
  }

  task<json::array> post(std::string target, json::array body) {
    const auto reply = co_await send(std::move(target), body);
    co_return items_of(reply, body.size());
  }

  task<http::response> send(std::string target, const json::array& body) {
    http::request asked;
    asked.method = "POST";
    asked.target = std::move(target);
    asked.body = json::serialize(body);
    co_return co_await http_->send(std::move(asked), timeout_);
  }

  static json::array items_of(const http::response& reply, std::size_t count) {
    boost::system::error_code failed;
    auto parsed = json::parse(reply.body, failed, json::make_shared_resource<json::monotonic_resource>());
    if (reply.status != 200 || failed || !parsed.is_array() || parsed.get_array().size() != count)
      throw unexpected(reply);
    return std::move(parsed.get_array());
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

}  // namespace amc::service
