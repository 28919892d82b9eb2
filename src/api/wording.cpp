#include "api/wording.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "api/contents.hpp"
#include "api/history.hpp"
#include "core/text.hpp"
#include "core/time_text.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

/// The one table from errors to HTTP.
int http_status(errc code) {
  switch (code) {
    case errc::invalid:
    case errc::unroutable:
    case errc::key_reused:
      return 422;
    case errc::not_found:
      return 404;
    case errc::terminal:
    case errc::held:
    case errc::needs_alone:
    case errc::needs_room:
      return 409;
    case errc::too_large:
      return 413;
    case errc::stale:
      return 412;
    case errc::unidentified:
      return 401;
    case errc::forbidden:
      return 403;
    case errc::precondition:
      return 428;
    case errc::over_quota:
      return 429;
    case errc::unreadable:
      return 503;
    case errc::unknown:  // of a newer broker, never of this one
      break;
  }
  return 500;
}

const char* title(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
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
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

json_object_text brief(const message& m) {
  json_object_text body;
  body.add("id", to_string(m.id));
  add_content(body, m);
  body.add("revision", m.revision);
  body.add("status", to_string(m.status));
  return body;
}

}  // namespace

http::response problem(int status, std::string detail, bool root) {
  // A detail may repeat what a client sent as an id or a path; the answer must be JSON all the same.
  detail = made_valid(detail);
  const json::object body{{"error", true}, {"detail", detail}, {"status", status}, {"title", title(status)}};
  http::response reply{
      status, {{"Content-Type", root ? "application/json" : "application/problem+json"}}, json::serialize(body)};
  return reply;
}

http::response refused(const error& why, bool root) {
  auto reply = problem(http_status(why.code), why.detail, root);
  if (why.code == errc::over_quota) reply.headers.add("Retry-After", std::to_string(why.come_again.count()));
  return reply;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t shown_max_bytes = 100;
  const auto shown = shortened(text, shown_max_bytes);
  return "\"" + escaped(shown) + (shown.size() < text.size() ? "…\"" : "\"");
}

std::string unknown_name(std::string_view kind, std::string_view name, std::span<const std::string_view> known) {
  const std::vector<std::string> names(known.begin(), known.end());
  auto what = "Unknown " + std::string(kind) + " " + in_quotes(name);
  if (names.empty()) return what + "; none is known here.";
  return what + "; the nearest known one is \"" + nearest(shortened(name, 100), names) + "\".";
}

namespace {

std::string for_its_owner(const message& m) {
  auto body = brief(m);
  body.add("created_at", to_rfc3339(m.created_at));
  body.add("updated_at", to_rfc3339(m.updated_at));
  if (m.expires_at) body.add("expires_at", to_rfc3339(*m.expires_at));
  if (m.erased_at) body.add("erased_at", to_rfc3339(*m.erased_at));
  if (!m.traceparent.empty()) body.add("traceparent", m.traceparent);
  if (!m.tracestate.empty()) body.add("tracestate", m.tracestate);
  return body.take();
}

}  // namespace

std::string shown_to(const principal_ptr& by, const message& m) {
  if (!by || by->may(right::read, queue_of(m))) return in_full(m, by);
  if (is_owner(*by, m)) return for_its_owner(m);
  return json::serialize(
      json::object{{"id", to_string(m.id)}, {"revision", m.revision}, {"status", to_string(m.status)}});
}

std::string in_full(const message& m, const principal_ptr& by) {
  const auto told_attempts = attempts_for(by, m);
  auto body = brief(m);
  if (!m.queue.empty()) body.add("queue", m.queue);
  if (!m.last_queue.empty()) body.add("last_queue", m.last_queue);
  if (m.status == status::pending) {
    body.add("due", to_rfc3339(m.due));
    body.add("held", m.held);
  }
  body.add("claim", m.claim);
  if (!m.holder.empty()) body.add("holder", m.holder);
  body.add("failures", m.failures);
  body.add("created_at", to_rfc3339(m.created_at));
  body.add("updated_at", to_rfc3339(m.updated_at));
  if (m.expires_at) body.add("expires_at", to_rfc3339(*m.expires_at));
  if (m.erased_at) body.add("erased_at", to_rfc3339(*m.erased_at));
  if (!m.traceparent.empty()) body.add("traceparent", m.traceparent);
  if (!m.tracestate.empty()) body.add("tracestate", m.tracestate);
  if (told_attempts.empty()) return body.take();
  json::array attempts;
  for (const auto& a : told_attempts) {
    json::object item{{"revision", a.revision}, {"claim", a.claim}, {"at", to_rfc3339(a.at)}, {"error", a.error}};
    attempts.push_back(std::move(item));
  }
  body.add_json("attempts", json::serialize(attempts));
  return body.take();
}

http::response json_reply(int status, std::string body) {
  http::response reply;
  reply.status = status;
  reply.headers.add("Content-Type", "application/json");
  reply.body = std::move(body);
  return reply;
}

http::response represent(const message& m, int status, bool root) {
  if (!root) return json_reply(status, brief(m).take());
  json_object_text body;
  body.add("id", to_string(m.id));
  body.add("message", m.text);
  body.add("revision", m.revision);
  body.add("status", to_string(m.status));
  return json_reply(status, body.take());
}

json::value paused_told(const paused_queue* how) {
  if (!how) return {};
  json::object told{{"since", to_rfc3339(how->since)}};
  if (!how->by.empty()) told["by"] = how->by;
  return told;
}

std::string entity_tag(const message& m) {
  auto tag = "\"" + std::to_string(m.revision);
  if (m.status != status::pending) tag += std::string("-") + to_string(m.status);
  if (m.erased_at) tag += "-erased";
  return tag + "\"";
}

}  // namespace amc::api
