#include "tests/simulation/recording.hpp"

#include <boost/json.hpp>
#include <charconv>

#include "core/time_text.hpp"

namespace amc::simulation {
namespace json = boost::json;
namespace {

std::string text_in(const json::value& body, const char* name) {
  const auto* fields = body.if_object();
  const auto* value = fields ? fields->if_contains(name) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

json::value parsed(const std::string& body) {
  boost::system::error_code ignored;
  return json::parse(body, ignored);
}

/// The id in "/messages/ID", "/messages/ID/retry" or "/?id=ID".
std::optional<uuid> id_in(const http::request& asked) {
  constexpr std::size_t length = 36;
  const std::string_view target(asked.target);
  for (const std::string_view before : {"/messages/", "/?id="})
    if (target.starts_with(before)) return parse_uuid(target.substr(before.size(), length));
  return {};
}

std::optional<int> revision_in(const http::request& asked) {
  auto field = asked.headers.find("If-Match");
  if (!field) field = asked.headers.find("If-None-Match");
  if (!field || field->size() < 3) return {};
  int revision = 0;
  std::from_chars(field->data() + 1, field->data() + field->size() - 1, revision);
  return revision;
}

told what_is_asked(const http::request& asked, const process& by) {
  told entry{by.name(), asked.method, by.in().now()};
  if (asked.target.ends_with("/retry")) entry.method = "retry";
  entry.id = id_in(asked);
  entry.revision = revision_in(asked);
  entry.waits = asked.headers.find("Prefer").has_value();
  entry.key = asked.headers.find("Idempotency-Key").value_or("");
  if (asked.body.empty()) return entry;
  const auto body = parsed(asked.body);
  entry.sent = text_in(body, "message");
  entry.expires = !text_in(body, "expires_at").empty();
  entry.deliver_at = parse_rfc3339(text_in(body, "deliver_at"));
  return entry;
}

told::verdict verdict_of(int status) {
  if (status < 400) return told::verdict::ok;
  return status < 500 ? told::verdict::refused : told::verdict::unknown;
}

class recording_caller : public http::caller {
 public:
  recording_caller(std::shared_ptr<http::caller> calls, process& by, journal& into)
      : calls_(std::move(calls)), by_(by), into_(into) {}

  task<http::response> send(http::request asked, milliseconds timeout) override {
    const auto at = into_.requests.size();
    into_.requests.push_back(what_is_asked(asked, by_));
    http::response reply;
    std::optional<unavailable> failed;
    try {
      reply = co_await calls_->send(std::move(asked), timeout);
    } catch (const unavailable& why) {
      failed = why;
    }
    if (by_.alive()) conclude(into_.requests[at], failed ? nullptr : &reply, failed);
    if (failed) throw unavailable(*failed);
    co_return reply;
  }

 private:
  void conclude(told& entry, const http::response* reply, const std::optional<unavailable>& failed) {
    entry.ended = by_.in().now();
    if (failed) {
      by_.in().note(by_.name(), failed->what());
      if (failed->why() == unavailable::reason::away) entry.outcome = told::verdict::refused;  // nothing was sent
      return;
    }
    entry.status = reply->status;
    entry.outcome = verdict_of(reply->status);
    if (reply->status < 300) entry.now = shown_in(parsed(reply->body));
    if (entry.now)
      by_.in().note(by_.name(), entry.method, entry.now->id, entry.now->revision);
    else
      by_.in().note(by_.name(), entry.method, static_cast<std::uint64_t>(reply->status));
  }

  std::shared_ptr<http::caller> calls_;
  process& by_;
  journal& into_;
};

class recording_client : public service::broker_client {
 public:
  recording_client(std::shared_ptr<broker_client> asks, process& by, journal& into)
      : asks_(std::move(asks)), by_(by), into_(into) {}

  task<std::vector<result<granted>>> claim(std::vector<claim_request> requests) override {
    return asks_->claim(std::move(requests));
  }
  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims) override {
    return asks_->extend(std::move(claims));
  }
  task<void> release(std::vector<claimed> claims) override { return asks_->release(std::move(claims)); }
  task<std::vector<result<status>>> fail(std::vector<failed_claim> failures) override {
    if (!by_.alive()) return gone<status>(failures.size());
    return asks_->fail(std::move(failures));
  }

  task<std::vector<result<void>>> answer(std::vector<answer_request> answers) override {
    if (!by_.alive()) co_return co_await gone<void>(answers.size());
    const auto first = into_.requests.size();
    for (const auto& a : answers) {
      told entry{by_.name(), "answer", by_.in().now()};
      entry.id = a.id;
      entry.revision = a.revision;
      entry.sent = a.text;
      into_.requests.push_back(std::move(entry));
    }
    const auto became = co_await asks_->answer(std::move(answers));
    for (std::size_t i = 0; i < became.size() && by_.alive(); ++i) conclude(into_.requests[first + i], became[i]);
    co_return became;
  }

 private:
  void conclude(told& entry, const result<void>& became) {
    entry.ended = by_.in().now();
    entry.outcome = became ? told::verdict::ok : told::verdict::refused;
    by_.in().note(by_.name(), became ? "answered" : "was refused", *entry.id, *entry.revision);
  }

  /// Or it would try for ever.
  template <class T>
  static task<std::vector<result<T>>> gone(std::size_t count) {
    const error why{errc::stale, "this process is gone"};
    co_return std::vector<result<T>>(count, why);
  }

  std::shared_ptr<broker_client> asks_;
  process& by_;
  journal& into_;
};

}  // namespace

std::optional<shown> shown_in(const json::value& body) {
  const auto id = parse_uuid(text_in(body, "id"));
  const auto state = parse_status(text_in(body, "status"));
  if (!id || !state) return {};
  return shown{*id, text_in(body, "message"), static_cast<int>(body.as_object().at("revision").as_int64()), *state};
}

std::shared_ptr<http::caller> record(std::shared_ptr<http::caller> calls, process& by, journal& into) {
  return std::make_shared<recording_caller>(std::move(calls), by, into);
}

std::shared_ptr<service::broker_client> record(std::shared_ptr<service::broker_client> asks, process& by,
                                               journal& into) {
  return std::make_shared<recording_client>(std::move(asks), by, into);
}

}  // namespace amc::simulation
