#include "broker/api.hpp"

#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "broker/json_body.hpp"

namespace amc::broker {
namespace json = boost::json;
namespace {

/// The one table from errors to HTTP.
int http_status(errc code) {
  switch (code) {
    case errc::invalid:
    case errc::unroutable:
      return 422;
    case errc::not_found:
      return 404;
    case errc::terminal:
    case errc::held:
    case errc::needs_alone:
      return 409;
    case errc::stale:
      return 412;
    case errc::precondition:
      return 428;
  }
  return 500;
}

const char* title(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 428:
      return "Precondition Required";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

/// RFC 9457 with the seed's two members; the seed's own path answers the same as plain JSON.
http::response problem(int status, std::string detail, bool root = false) {
  // A detail may repeat what a client sent as an id or a path; the answer must be JSON all the same.
  for (char& byte : detail)
    if (static_cast<unsigned char>(byte) >= 0x80) byte = '?';
  const json::object body{{"error", true}, {"detail", detail}, {"status", status}, {"title", title(status)}};
  http::response reply{
      status, {{"Content-Type", root ? "application/json" : "application/problem+json"}}, json::serialize(body)};
  return reply;
}

http::response refused(const error& why, bool root = false) {
  return problem(http_status(why.code), why.detail, root);
}

std::string json_text(const message& m) {
  json::object body{
      {"id", to_string(m.id)}, {"message", m.text}, {"revision", m.revision}, {"status", to_string(m.status)}};
  return json::serialize(body);
}

http::response represent(const message& m, int status) {
  http::response reply{status, {{"Content-Type", "application/json"}}, json_text(m)};
  return reply;
}

std::string entity_tag(const message& m) {
  auto tag = "\"" + std::to_string(m.revision);
  if (m.status != status::pending) tag += std::string("-") + to_string(m.status);
  return tag + "\"";
}

bool is_terminal(const message& m) {
  return m.status != status::pending;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// `Prefer: wait=N`, in seconds (RFC 7240). Other preferences, and one that cannot be read, are ignored, as it says.
std::optional<milliseconds> preferred_wait(const http::request& asked) {
  const auto field = asked.headers.find("Prefer");
  if (!field) return {};
  std::string_view rest = *field;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    auto preference = trimmed(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    const auto equals = preference.find('=');
    if (equals == std::string_view::npos || trimmed(preference.substr(0, equals)) != "wait") continue;
    const auto value = trimmed(preference.substr(equals + 1, preference.find(';') - equals - 1));
    std::int64_t seconds = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (failed != std::errc() || end != value.data() + value.size() || seconds < 0) return {};
    return std::chrono::seconds(std::min<std::int64_t>(seconds, 86'400));
  }
  return {};
}

/// `If-None-Match` against a tag; comparison is weak, as for every GET.
bool none_match_has(std::string_view field, std::string_view tag) {
  while (!field.empty()) {
    const auto comma = field.find(',');
    auto candidate = trimmed(field.substr(0, comma));
    field = comma == std::string_view::npos ? std::string_view{} : field.substr(comma + 1);
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == "*" || candidate == tag) return true;
  }
  return false;
}

/// What `If-Match` asks for: any revision, one, or one that no message has.
struct if_match {
  bool any = false;
  int revision = 0;
};

/// Nothing for a field that is not `*` or one entity tag.
std::optional<if_match> parse_if_match(std::string_view field) {
  field = trimmed(field);
  if (field == "*") return if_match{true, 0};
  const bool weak = field.starts_with("W/");
  if (weak) field.remove_prefix(2);
  if (field.size() < 2 || field.front() != '"' || field.back() != '"') return {};
  const auto inside = field.substr(1, field.size() - 2);
  if (inside.find('"') != std::string_view::npos) return {};
  int revision = 0;
  const auto [end, failed] = std::from_chars(inside.data(), inside.data() + inside.size(), revision);
  const bool is_revision = failed == std::errc() && end == inside.data() + inside.size() && revision > 0;
  return if_match{false, weak || !is_revision ? 0 : revision};
}

/// One entry of POST /claims, /leases or /releases.
struct entry {
  event ready{};
  std::int64_t claim = 0;
  bool alone = false;
};

std::optional<entry> parse_entry(const json::value& item, bool with_claim) {
  const auto* fields = item.if_object();
  if (!fields) return {};
  const auto* id = fields->if_contains("id");
  const auto* revision = fields->if_contains("revision");
  const auto* claim = fields->if_contains("claim");
  const auto* alone = fields->if_contains("alone");
  if (!id || !id->is_string() || !revision || !revision->is_int64()) return {};
  if (revision->get_int64() < 1 || revision->get_int64() > INT32_MAX) return {};
  if (with_claim && (!claim || !claim->is_int64())) return {};
  if (alone && !alone->is_bool()) return {};
  entry parsed;
  // An id that is no UUID belongs to no message: it is answered not_found like any other unknown one.
  parsed.ready = {parse_uuid(id->get_string()).value_or(uuid{}), static_cast<int>(revision->get_int64())};
  if (with_claim) parsed.claim = claim->get_int64();
  parsed.alone = alone && alone->get_bool();
  return parsed;
}

}  // namespace

class api::implementation {
 public:
  implementation(std::shared_ptr<broker::messages> messages, std::shared_ptr<broker::waiters> waiters,
                 api_options options)
      : messages_(std::move(messages)), waiters_(std::move(waiters)), options_(options) {}

  task<http::response> handle(const http::request& asked) {
    const auto path = asked.path();
    bool known = false;
    std::string allowed;
    for (const auto& [pattern, method, call] : routes) {
      if (!matches(pattern, path)) continue;
      known = true;
      if (method == asked.method || (method == "GET" && asked.method == "HEAD"))
        co_return co_await (this->*call)(asked);
      allowed += (allowed.empty() ? "" : ", ") + std::string(method) + (method == "GET" ? ", HEAD" : "");
    }
    if (!known) co_return problem(404, "There is nothing at " + std::string(path) + ".");
    auto reply = problem(405, asked.method + " is not allowed here; allowed: " + allowed + ".", path == "/");
    reply.headers.add("Allow", allowed);
    co_return reply;
  }

 private:
  using method_of_api = task<http::response> (implementation::*)(const http::request&);
  struct route {
    std::string_view path;  ///< "/messages/" stands for everything below it
    std::string_view method;
    method_of_api call;
  };
  static const std::array<route, 11> routes;

  static bool matches(std::string_view pattern, std::string_view path) {
    if (pattern == "/" || !pattern.ends_with('/')) return path == pattern;
    return path.starts_with(pattern) && path.size() > pattern.size() &&
           path.find('/', pattern.size()) == std::string_view::npos;
  }

  static std::string id_in(const http::request& asked) {
    return std::string(asked.path().substr(std::string_view("/messages/").size()));
  }

  // ---- the seed's contract: everything at "/" ----

  task<http::response> post_root(const http::request& asked) {
    auto text = message_of(asked.body);
    if (!text) co_return refused(text.error(), true);
    co_return co_await accept(asked, std::move(*text), 201, true);
  }

  task<http::response> put_root(const http::request& asked) {
    auto text = message_of(asked.body);
    if (!text) co_return refused(text.error(), true);
    const auto id = asked.parameter("id").value_or("");
    const auto parsed = parse_uuid(id);
    if (!parsed) co_return problem(404, "Message \"" + id + "\" not found.", true);
    const auto answered = co_await messages_->answer(*parsed, {}, std::move(*text));
    if (!answered) co_return refused(answered.error(), true);
    co_return represent(**answered, 200);
  }

  task<http::response> get_root(const http::request& asked) {
    const auto id = asked.parameter("id").value_or("");
    co_return co_await read(asked, id, true);
  }

  // ---- /messages ----

  task<http::response> post_message(const http::request& asked) {
    auto text = message_of(asked.body);
    if (!text) co_return refused(text.error());
    co_return co_await accept(asked, std::move(*text), 202, false);
  }

  task<http::response> get_message(const http::request& asked) {
    const auto id = id_in(asked);
    co_return co_await read(asked, id, false);
  }

  task<http::response> put_message(const http::request& asked) {
    const auto id = id_in(asked);
    const auto field = asked.headers.find("If-Match");
    if (!field) co_return refused({errc::precondition, "Send If-Match with the revision that you answer, or *."});
    const auto match = parse_if_match(*field);
    if (!match) co_return problem(400, "If-Match takes * or one entity tag, like \"3\".");
    auto text = message_of(asked.body);
    if (!text) co_return refused(text.error());
    const auto parsed = parse_uuid(id);
    if (!parsed) co_return problem(404, "Message \"" + id + "\" not found.");
    std::optional<int> revision;
    if (!match->any) revision = match->revision;
    const auto answered = co_await messages_->answer(*parsed, revision, std::move(*text));
    if (!answered) co_return refused(answered.error());
    co_return represent(**answered, 200);
  }

  // ---- both ----

  task<http::response> accept(const http::request& asked, std::string text, int accepted_status, bool root) {
    const auto wait = preferred_wait(asked);
    const auto id = messages_->new_id();
    // The watch begins before the message does: no change can slip in between.
    std::unique_ptr<waiters::watch> watch;
    if (wait) watch = waiters_->watch_for(id);
    const auto accepted = co_await messages_->accept(id, std::move(text));
    if (!accepted) co_return refused(accepted.error(), root);
    row now = *accepted;
    if (watch) {
      watch->saw(now);
      now = co_await watch->until(is_terminal, std::min(*wait, options_.wait_max));
    }
    const auto location = (root ? "/?id=" : "/messages/") + to_string(id);
    const bool finished = watch && is_terminal(*now);
    auto reply = represent(*now, finished ? 200 : accepted_status);
    reply.headers.add(finished ? "Content-Location" : "Location", location);
    if (!finished) reply.headers.add("Retry-After", "1");
    note_wait(reply, wait);
    co_return reply;
  }

  task<http::response> read(const http::request& asked, std::string id, bool root) {
    const auto parsed = parse_uuid(id);
    if (!parsed) co_return not_found(id, root);
    const auto wait = preferred_wait(asked);
    const auto known = asked.headers.find("If-None-Match");
    std::unique_ptr<waiters::watch> watch;
    if (wait) watch = waiters_->watch_for(*parsed);
    const auto found = co_await messages_->find(*parsed);
    if (!found) co_return not_found(id, root);
    row now = *found;
    if (watch) {
      watch->saw(now);
      std::function<bool(const message&)> enough = is_terminal;
      if (known) enough = [&](const message& m) { return !none_match_has(*known, entity_tag(m)); };
      now = co_await watch->until(std::move(enough), std::min(*wait, options_.wait_max));
    }
    auto reply = represent(*now, 200);
    if (known && none_match_has(*known, entity_tag(*now))) {
      reply.status = 304;
      reply.body.clear();
    }
    reply.headers.add("ETag", entity_tag(*now));
    reply.headers.add("Cache-Control", "no-cache");
    note_wait(reply, wait);
    co_return reply;
  }

  static http::response not_found(const std::string& id, bool root) {
    return problem(404, (root ? "Entity \"" : "Message \"") + id + "\" not found.", root);
  }

  void note_wait(http::response& reply, std::optional<milliseconds> wait) const {
    reply.headers.add("Vary", "Prefer");
    if (!wait) return;
    const auto applied = std::chrono::duration_cast<std::chrono::seconds>(std::min(*wait, options_.wait_max));
    reply.headers.add("Preference-Applied", "wait=" + std::to_string(applied.count()));
  }

  // ---- for services: batches of claims ----

  result<std::vector<entry>> parse_entries(const http::request& asked, bool with_claim) const {
    auto body = parse_body(asked.body);
    if (!body) return body.error();
    const auto* list = body->if_array();
    if (!list || list->size() > options_.claims_max)
      return error{errc::invalid, "Send an array of at most " + std::to_string(options_.claims_max) + " entries."};
    std::vector<entry> entries;
    for (const auto& item : *list) {
      const auto parsed = parse_entry(item, with_claim);
      if (!parsed)
        return error{errc::invalid, "Entry " + std::to_string(entries.size()) +
                                        " must be like {\"id\": \"…\", \"revision\": 1" +
                                        (with_claim ? ", \"claim\": 1}." : "}, with or without \"alone\": true.")};
      entries.push_back(*parsed);
    }
    return entries;
  }

  template <class Result, class Fill>
  static http::response each(const std::vector<entry>& entries, const std::vector<Result>& results, const Fill& fill) {
    json::array list;
    list.reserve(entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      json::object item{{"id", to_string(entries[i].ready.id)}, {"revision", entries[i].ready.revision}};
      if (results[i]) {
        fill(item, *results[i]);
      } else {
        item["refused"] = to_string(results[i].error().code);
        item["detail"] = results[i].error().detail;
      }
      list.push_back(std::move(item));
    }
    http::response reply{200, {{"Content-Type", "application/json"}}, json::serialize(list)};
    return reply;
  }

  static std::vector<claimed> claims_of(const std::vector<entry>& entries) {
    std::vector<claimed> claims;
    for (const auto& e : entries) claims.push_back({e.ready, e.claim});
    return claims;
  }

  task<http::response> post_claims(const http::request& asked) {
    const auto entries = parse_entries(asked, false);
    if (!entries) co_return refused(entries.error());
    std::vector<claim_request> requests;
    for (const auto& e : *entries) requests.push_back({e.ready, e.alone});
    const auto results = co_await messages_->claim(std::move(requests));
    co_return each(*entries, results, [](json::object& item, const granted& g) {
      item["claim"] = g.claim;
      item["message"] = g.text;
      item["lease_ms"] = g.lease.count();
    });
  }

  task<http::response> post_leases(const http::request& asked) {
    const auto entries = parse_entries(asked, true);
    if (!entries) co_return refused(entries.error());
    const auto results = co_await messages_->extend(claims_of(*entries));
    co_return each(*entries, results, [](json::object& item, milliseconds lease) { item["lease_ms"] = lease.count(); });
  }

  task<http::response> post_releases(const http::request& asked) {
    const auto entries = parse_entries(asked, true);
    if (!entries) co_return refused(entries.error());
    const auto results = co_await messages_->release(claims_of(*entries));
    co_return each(*entries, results,
                   [](json::object& item, const row& now) { item["status"] = to_string(now->status); });
  }

  // ---- health ----

  task<http::response> get_healthz(const http::request&) {
    http::response reply{200, {{"Content-Type", "application/json"}}, R"({"status":"ok"})"};
    co_return reply;
  }

  task<http::response> get_readyz(const http::request&) {
    http::response reply{200, {{"Content-Type", "application/json"}}, {}};
    json::object body{{"status", "ok"}, {"store", "ok"}, {"platform", "ok"}};
    if (!messages_->engine_reachable()) {
      body["status"] = "degraded";
      body["platform"] = "away";
    }
    try {
      co_await messages_->find(uuid{});  // no message has the nil UUID; the store is asked all the same
    } catch (const unavailable&) {
      reply.status = 503;
      body["status"] = "unavailable";
      body["store"] = "away";
    }
    reply.body = json::serialize(body);
    co_return reply;
  }

  std::shared_ptr<broker::messages> messages_;
  std::shared_ptr<broker::waiters> waiters_;
  api_options options_;
};

const std::array<api::implementation::route, 11> api::implementation::routes{{
    {"/", "POST", &implementation::post_root},
    {"/", "PUT", &implementation::put_root},
    {"/", "GET", &implementation::get_root},
    {"/messages", "POST", &implementation::post_message},
    {"/messages/", "GET", &implementation::get_message},
    {"/messages/", "PUT", &implementation::put_message},
    {"/claims", "POST", &implementation::post_claims},
    {"/leases", "POST", &implementation::post_leases},
    {"/releases", "POST", &implementation::post_releases},
    {"/healthz", "GET", &implementation::get_healthz},
    {"/readyz", "GET", &implementation::get_readyz},
}};

api::api(std::shared_ptr<broker::messages> messages, std::shared_ptr<broker::waiters> waiters, api_options options)
    : implementation_(std::make_unique<implementation>(std::move(messages), std::move(waiters), options)) {}

api::~api() = default;

task<http::response> api::handle(const http::request& asked) {
  return implementation_->handle(asked);
}

http::response api::fault(int status, std::string detail, std::string_view target) {
  return problem(status, std::move(detail), target.substr(0, target.find('?')) == "/");
}

}  // namespace amc::broker
