#include <boost/json/serialize.hpp>

#include "api/batches.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"
#include "core/time_text.hpp"

/// For services: batches of claims, and what became of them.
namespace amc::api {
namespace json = boost::json;
namespace {

const event& event_of(const claim_request& r) {
  return r.ready;
}
const event& event_of(const claimed& c) {
  return c.ready;
}
const event& event_of(const failed_claim& f) {
  return f.what.ready;
}
event event_of(const answer_request& a) {
  return {a.id, *a.revision, {}};
}

template <class Entry>
std::vector<event> events_of(const std::vector<Entry>& entries) {
  std::vector<event> events;
  events.reserve(entries.size());
  for (const auto& e : entries) events.push_back(event_of(e));
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

/// A batch may take several calls to the store, or transactions: when it goes away, a part may have been carried out.
template <class Results>
task<Results> in_parts(std::size_t entries, task<Results> work) {
  try {
    co_return co_await std::move(work);
  } catch (const unavailable& failed) {
    if (entries <= 1) throw;
    throw unavailable(unavailable::reason::outcome_unknown, failed.what());
  }
}

}  // namespace

task<http::response> post_claims(context& api, http::request& asked) {
  auto requests = parse_claims(asked, api.options.claims_max);
  if (!requests) co_return refused(requests.error());
  const auto events = events_of(*requests);
  const auto results = co_await in_parts(events.size(), api.messages->claim(std::move(*requests)));
  co_return each(events, results, [](json::object& item, const granted& g) {
    item["claim"] = g.claim;
    item["message"] = g.text;
    item["lease_ms"] = g.lease.count();
  });
}

task<http::response> post_leases(context& api, http::request& asked) {
  auto claims = parse_claimed(asked, api.options.claims_max);
  if (!claims) co_return refused(claims.error());
  const auto events = events_of(*claims);
  const auto results = co_await in_parts(events.size(), api.messages->extend(std::move(*claims)));
  co_return each(events, results, [](json::object& item, milliseconds lease) { item["lease_ms"] = lease.count(); });
}

task<http::response> post_releases(context& api, http::request& asked) {
  auto claims = parse_claimed(asked, api.options.claims_max);
  if (!claims) co_return refused(claims.error());
  const auto events = events_of(*claims);
  const auto results = co_await in_parts(events.size(), api.messages->release(std::move(*claims)));
  co_return each(events, results, [](json::object& item, const row& now) { item["status"] = to_string(now->status); });
}

task<http::response> post_failures(context& api, http::request& asked) {
  auto failures = parse_failures(asked, api.options.claims_max);
  if (!failures) co_return refused(failures.error());
  const auto events = events_of(*failures);
  const auto results = co_await in_parts(events.size(), api.messages->fail(std::move(*failures)));
  co_return each(events, results, [](json::object& item, const row& now) {
    item["status"] = to_string(now->status);
    item["failures"] = now->failures;
    if (now->status == status::pending) item["due"] = to_rfc3339(now->due);
  });
}

task<http::response> post_answers(context& api, http::request& asked) {
  auto answers = parse_answers(asked, api.options.claims_max);
  if (!answers) co_return refused(answers.error());
  const auto events = events_of(*answers);
  const auto results = co_await in_parts(events.size(), api.messages->answer(std::move(*answers)));
  co_return each(events, results, [](json::object& item, const row& now) {
    item["revision"] = now->revision;
    item["status"] = to_string(now->status);
  });
}

}  // namespace amc::api
