#include <boost/json/serialize.hpp>

#include "api/batches.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"
#include "core/time_text.hpp"

/// For services: batches of claims, and what became of them.
namespace amc::api {
namespace json = boost::json;
namespace {

std::vector<event> events_of(const std::vector<entry>& entries) {
  std::vector<event> events;
  events.reserve(entries.size());
  for (const auto& e : entries) events.push_back(e.ready);
  return events;
}

template <class Result, class Fill>
http::response each(const std::vector<event>& asked, const std::vector<Result>& results, const Fill& fill) {
  json::array list;
  list.reserve(asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    json::object item{{"id", to_string(asked[i].id)}, {"revision", asked[i].revision}};
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

std::vector<claimed> claims_of(const std::vector<entry>& entries) {
  std::vector<claimed> claims;
  for (const auto& e : entries) claims.push_back({e.ready, e.claim});
  return claims;
}

}  // namespace

task<http::response> post_claims(context& api, const http::request& asked) {
  const auto entries = parse_entries(asked, false, api.options.claims_max);
  if (!entries) co_return refused(entries.error());
  std::vector<claim_request> requests;
  for (const auto& e : *entries) requests.push_back({e.ready, e.alone});
  const auto results = co_await api.messages->claim(std::move(requests));
  co_return each(events_of(*entries), results, [](json::object& item, const granted& g) {
    item["claim"] = g.claim;
    item["message"] = g.text;
    item["lease_ms"] = g.lease.count();
  });
}

task<http::response> post_leases(context& api, const http::request& asked) {
  const auto entries = parse_entries(asked, true, api.options.claims_max);
  if (!entries) co_return refused(entries.error());
  const auto results = co_await api.messages->extend(claims_of(*entries));
  co_return each(events_of(*entries), results,
                 [](json::object& item, milliseconds lease) { item["lease_ms"] = lease.count(); });
}

task<http::response> post_releases(context& api, const http::request& asked) {
  const auto entries = parse_entries(asked, true, api.options.claims_max);
  if (!entries) co_return refused(entries.error());
  const auto results = co_await api.messages->release(claims_of(*entries));
  co_return each(events_of(*entries), results,
                 [](json::object& item, const row& now) { item["status"] = to_string(now->status); });
}

task<http::response> post_failures(context& api, const http::request& asked) {
  const auto entries = parse_entries(asked, true, api.options.claims_max);
  if (!entries) co_return refused(entries.error());
  std::vector<failed_claim> failures;
  for (const auto& e : *entries) {
    failed_claim failed{{e.ready, e.claim}, e.error};
    failures.push_back(std::move(failed));
  }
  const auto results = co_await api.messages->fail(std::move(failures));
  co_return each(events_of(*entries), results, [](json::object& item, const row& now) {
    item["status"] = to_string(now->status);
    item["failures"] = now->failures;
    if (now->status == status::pending) item["due"] = to_rfc3339(now->due);
  });
}

task<http::response> post_answers(context& api, const http::request& asked) {
  auto answers = parse_answers(asked, api.options.claims_max);
  if (!answers) co_return refused(answers.error());
  std::vector<event> events;
  for (const auto& a : *answers) events.push_back({a.id, *a.revision, {}});
  const auto results = co_await api.messages->answer(std::move(*answers));
  co_return each(events, results, [](json::object& item, const row& now) {
    item["revision"] = now->revision;
    item["status"] = to_string(now->status);
  });
}

}  // namespace amc::api
