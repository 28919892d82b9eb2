#include <boost/json.hpp>
#include <limits>
#include <span>

#include "core/json_text.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "core/time_text.hpp"
#include "service/broker_client.hpp"
#include "service/contents.hpp"

namespace amc::service {
namespace json = boost::json;
namespace {

/// What the API offers to services.
struct verb {
  const char* target;
  /// Its answer carries texts, so that an answer to fewer may be one that the client can take.
  bool brings_texts = false;
};
constexpr verb claims{"/claims", true}, leases{"/leases"}, releases{"/releases"}, failures{"/failures"},
    answers{"/answers"};

json::value parsed(const std::string& body) {
  boost::system::error_code failed;
  auto value = read_json(body, failed);
  if (failed) return {};
  return value;
}

/// What came instead of the answer: a proxy's page, the words of a broker that cannot now, another program's.
unavailable unexpected(const std::string& target, const http::response& reply) {
  constexpr std::size_t shown_max = 200;
  const auto detail = detail_of(parsed(reply.body));
  const auto type = reply.headers.find("Content-Type").value_or("no content type");
  std::string what = std::string("POST ") + target + " was answered " + std::to_string(reply.status);
  if (!detail.empty())
    what += ": " + detail;
  else
    what += " (" + type + "), \"" + made_valid(shortened(reply.body, shown_max)) + "\"";
  if (reply.status == 401 || reply.status == 403)
    what += "; check consumer_services.broker_client.token_file, and what its token may";
  else if (reply.status < 500 && reply.status != 429)
    what +=
        "; check that consumer_services.broker_client.url leads to a broker, and that nothing between answers for it";
  return {unavailable::reason::away, std::move(what)};
}

/// The broker does not take the request as it is; asked again, it would say the same.
bool is_refusal(int status) {
  return status == 400 || status == 413 || status == 422 || status == 431;
}

error refusal_in(json::object& item) {
  const std::string_view name = item.at("refused").as_string();
  for (const auto code : {errc::not_found, errc::terminal, errc::stale, errc::held, errc::needs_alone, errc::needs_room,
                          errc::unroutable, errc::invalid, errc::too_large, errc::unreadable})
    if (name == to_string(code)) return {code, detail_of(item)};
  return {errc::unknown, std::string(name) + ": " + detail_of(item)};
}

constexpr std::string_view value_mark = "is a value";

/// A message that is no text becomes the JSON that was sent, and is marked: read and written again it might have lost
/// digits. `written()`: the JSON of the items.
template <class Written>
void keep_values_as_texts(json::array& items, const Written& written) {
  std::vector<std::string_view> texts;
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto* fields = items[i].if_object();
    const auto* message = fields ? fields->if_contains("message") : nullptr;
    if (!message || message->is_string()) continue;
    if (texts.empty()) texts = item_texts(written());
    (*fields)["message"] = member_text(texts.at(i), "message");
    (*fields)[value_mark] = true;
  }
}

milliseconds lease_in(const json::object& item) {
  constexpr std::int64_t longest = 86'400'000 * 366LL;
  const auto lease = item.at("lease_ms").as_int64();
  if (lease < 1 || lease > longest) throw std::out_of_range("lease_ms");
  return milliseconds(lease);
}

/// As `keep_values_as_texts` leaves it.
void read_said(const json::object& item, claimed_revision& to) {
  const auto* value = item.if_contains(value_mark) ? item.if_contains("message") : nullptr;
  auto told = content_of(item, value ? std::string_view(value->as_string()) : std::string_view());
  to.text = std::move(told.text);
  to.form = told.form;
  to.content_type = std::move(told.content_type);
  to.headers = std::move(told.headers);
}

/// What brokers before 0.2.0 do not tell.
void read_circumstances(const json::object& item, claimed_revision& to) {
  if (const auto* state = item.if_contains("tracestate")) to.tracestate = state->as_string();
  if (const auto* queue = item.if_contains("queue")) to.queue = queue->as_string();
  if (const auto* attempt = item.if_contains("attempt")) to.attempt = attempt->to_number<int>();
  if (const auto* created = item.if_contains("created_at")) to.created_at = parse_rfc3339(created->as_string());
}

class http_broker_client : public receiving_client {
 public:
  http_broker_client(std::shared_ptr<http::caller> http, milliseconds timeout)
      : http_(std::move(http)), timeout_(timeout) {}

  task<std::vector<result<claimed_revision>>> claim(std::vector<claim_request> requests) override {
    std::vector<std::string> items;
    for (const auto& r : requests) {
      auto item = item_of(r.ready.id, r.ready.revision);
      if (r.alone) item.add("alone", true);
      items.push_back(item.take());
    }
    auto said = co_await ask(claims, items);
    co_return each<claimed_revision>(claims.target, said, granted_in);
  }

  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> held) override {
    const auto items = items_of(held);
    auto said = co_await ask(leases, items);
    co_return each<milliseconds>(leases.target, said, lease_in);
  }

  task<void> release(std::vector<claimed> held) override {
    const auto items = items_of(held);
    auto said = co_await ask(releases, items);
    const auto results = each<void>(releases.target, said, taken);
    for (std::size_t i = 0; i < results.size(); ++i)
      if (!results[i] && results[i].error().code == errc::invalid)
        log::warning("service", "the broker refuses a release, and its lease runs out: " + results[i].error().detail,
                     log::about{held[i].ready.id, held[i].ready.revision});
  }

  task<std::vector<result<status>>> fail(std::vector<failed_claim> failed) override {
    const auto items = items_of(failed);
    auto said = co_await ask(failures, items);
    co_return each<status>(failures.target, said, status_in);
  }

  task<std::vector<result<void>>> answer(std::vector<answer_request> told) override {
    const auto items = items_of(told);
    auto said = co_await ask(answers, items);
    co_return each<void>(answers.target, said, taken);
  }

  task<received_round> receive(receive_round asked) override {
    http::request request{"POST", "/queues/" + asked.queue + "/receive", {}, body_of(asked)};
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(asked.wait).count();
    if (seconds > 0) request.headers.add("Prefer", "wait=" + std::to_string(seconds));
    const auto target = request.target;
    const auto reply = co_await http_->send(std::move(request), timeout_ + asked.wait);
    const bool brings_any = !asked.answers.empty() || !asked.failures.empty();
    if (!is_refusal(reply.status) || !brings_any) co_return round_in(target, reply, asked);
    // One of what it brings along may be the cause: each verb finds out which.
    received_round settled;
    settled.answers = co_await answer(std::move(asked.answers));
    settled.failures = co_await fail(std::move(asked.failures));
    co_return settled;
  }

 private:
  template <class Entry>
  static std::vector<std::string> items_of(const std::vector<Entry>& entries) {
    std::vector<std::string> items;
    items.reserve(entries.size());
    for (const auto& entry : entries) items.push_back(text_of(entry));
    return items;
  }

  static json_object_text item_of(const uuid& id, int revision) {
    json_object_text item;
    item.add("id", to_string(id));
    item.add("revision", revision);
    return item;
  }

  static json_object_text item_of(const claimed& c) {
    auto item = item_of(c.ready.id, c.ready.revision);
    item.add("claim", c.claim);
    return item;
  }

  static std::string text_of(const claimed& c) { return item_of(c).take(); }
  static std::string text_of(const failed_claim& f) {
    auto item = item_of(f.what);
    item.add("error", f.reason);
    if (f.is_final) item.add("final", true);
    return item.take();
  }
  static std::string text_of(const answer_request& a) {
    auto item = item_of(a.id, a.revision.value());
    if (a.to && std::holds_alternative<to_done>(*a.to)) item.add("done", true);
    if (const auto* queue = a.to ? std::get_if<to_queue>(&*a.to) : nullptr) item.add("queue", queue->name);
    add_content(item, a.said);
    return item.take();
  }

  static result<status> status_in(const json::object& item) {
    const std::string_view became = item.at("status").as_string();
    if (const auto known = parse_status(became)) return *known;
    return error{errc::unknown, "it is " + std::string(became)};
  }

  static result<void> taken(const json::object&) { return {}; }

  /// Of a claim: which revision it is for is known.
  static claimed_revision granted_in(const json::object& item) {
    claimed_revision work;
    work.claim = item.at("claim").as_int64();
    work.lease = lease_in(item);
    read_said(item, work);
    read_circumstances(item, work);
    return work;
  }

  static claimed_revision delivery_in(const json::object& item) {
    auto work = granted_in(item);
    const auto id = parse_uuid(std::string_view(item.at("id").as_string()));
    if (!id) throw std::out_of_range("id");
    work.id = *id;
    work.revision = static_cast<int>(item.at("revision").as_int64());
    work.alone = item.contains("alone");
    if (const auto* parent = item.if_contains("traceparent")) work.traceparent = parent->as_string();
    return work;
  }

  static std::string body_of(const receive_round& asked) {
    json_object_text body;
    if (!asked.service.empty()) body.add("service", asked.service);
    body.add("worker", asked.worker);
    body.add("max", asked.max);
    body.add("in_hand", asked.in_hand);
    if (asked.max_bytes > 0) body.add("max_bytes", asked.max_bytes);
    if (!asked.answers.empty()) body.add_json("answers", list_of(items_of(asked.answers)));
    if (!asked.failures.empty()) body.add_json("failures", list_of(items_of(asked.failures)));
    return body.take();
  }

  static received_round round_in(const std::string& target, const http::response& reply, const receive_round& asked) {
    auto body = parsed(reply.body);
    auto* fields = body.if_object();
    if (reply.status != 200 || !fields) throw unexpected(target, reply);
    received_round round;
    auto given = list_in(*fields, "deliveries");
    keep_values_as_texts(given, [&] { return member_text(reply.body, "deliveries"); });
    for (auto& item : each<claimed_revision>(target, given, delivery_in))
      round.deliveries.push_back(std::move(item.value()));
    auto told = list_in(*fields, "answers"), failed = list_in(*fields, "failures");
    round.answers = each<void>(target, told, taken);
    round.failures = each<status>(target, failed, status_in);
    if (round.answers.size() != asked.answers.size() || round.failures.size() != asked.failures.size())
      throw unexpected(target, reply);
    return round;
  }

  static json::array list_in(json::object& fields, const char* name) {
    auto* list = fields.if_contains(name);
    return list && list->is_array() ? std::move(list->get_array()) : json::array();
  }

  /// What the broker says of each, for every verb. If it does not take them together, because of one of them, of their
  /// number or of their size, it is asked about each half; one that it does not take by itself is refused for good.
  task<json::array> ask(verb what, std::span<const std::string> items) {
    if (items.empty()) co_return json::array();
    std::string too_large;
    http::response reply;
    try {
      reply = co_await send(what, items);
    } catch (const http::answer_too_large& failed) {
      if (!what.brings_texts) throw;
      too_large = failed.what();
    }
    // They may have been carried out, so that what is asked about each by itself now may be for later.
    if (!too_large.empty()) co_return each_refused(errc::needs_room, too_large, items.size());
    if (!is_refusal(reply.status)) co_return answer_in(what, reply, items.size());
    if (items.size() == 1) {
      const auto detail = detail_of(parsed(reply.body));
      co_return each_refused(reply.status == 413 ? errc::too_large : errc::invalid,
                             detail.empty() ? "the broker answered " + std::to_string(reply.status) : detail, 1);
    }
    auto said = co_await ask(what, items.first(items.size() / 2));
    auto more = co_await ask(what, items.subspan(items.size() / 2));
    for (auto& item : more) said.push_back(std::move(item));
    co_return said;
  }

  task<http::response> send(verb what, std::span<const std::string> items) {
    http::request asked;
    asked.method = "POST";
    asked.target = what.target;
    asked.body = list_of(items);
    co_return co_await http_->send(std::move(asked), timeout_);
  }

  static std::string list_of(std::span<const std::string> items) {
    std::string list;
    std::size_t bytes = 2;
    for (const auto& item : items) bytes += item.size() + 1;
    list.reserve(bytes);
    for (const auto& item : items) list.append(list.empty() ? "[" : ",").append(item);
    return list += "]";
  }

  static json::array each_refused(errc code, const std::string& detail, std::size_t count) {
    const json::object item{{"refused", to_string(code)}, {"detail", detail}};
    return json::array(count, item);
  }

  static json::array answer_in(const verb& what, const http::response& reply, std::size_t count) {
    auto value = parsed(reply.body);
    if (reply.status != 200 || !value.is_array() || value.get_array().size() != count)
      throw unexpected(what.target, reply);
    if (what.brings_texts) keep_values_as_texts(value.get_array(), [&] { return std::string_view(reply.body); });
    return std::move(value.get_array());
  }

  template <class T, class Read>
  static std::vector<result<T>> each(const std::string& target, json::array& items, const Read& read) {
    std::vector<result<T>> results;
    results.reserve(items.size());
    try {
      for (auto& item : items) {
        auto& fields = item.as_object();
        if (fields.contains("refused"))
          results.emplace_back(refusal_in(fields));
        else
          results.emplace_back(read(fields));
      }
    } catch (const std::exception&) {
      const auto nth = std::to_string(results.size());
      throw unavailable(unavailable::reason::away, std::string("POST ") + target + " was answered with an entry, " +
                                                       nth + ", that is none of a broker's; check " +
                                                       "consumer_services.broker_client.url, and the broker's version");
    }
    return results;
  }

  std::shared_ptr<http::caller> http_;
  milliseconds timeout_;
};

}  // namespace

std::shared_ptr<receiving_client> make_http_broker_client(std::shared_ptr<http::caller> http, milliseconds timeout) {
  return std::make_shared<http_broker_client>(std::move(http), timeout);
}

}  // namespace amc::service
