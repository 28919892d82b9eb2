#include "api/outcomes.hpp"

#include "core/time_text.hpp"

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
told_outcomes each(const std::vector<event>& asked, const std::vector<Result>& results, const Fill& fill) {
  told_outcomes told;
  told.list.reserve(asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    json::object item{{"id", to_string(asked[i].id)}, {"revision", asked[i].revision}};
    if (results[i]) {
      fill(item, *results[i]);
    } else {
      told.any_refused = true;
      item["refused"] = to_string(results[i].error().code);
      item["detail"] = results[i].error().detail;
    }
    told.list.push_back(std::move(item));
  }
  return told;
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

task<told_outcomes> claim_all(context& api, std::vector<claim_request> requests) {
  const auto events = events_of(requests);
  const auto results = co_await in_parts(events.size(), api.messages->claim(std::move(requests)));
  co_return each(events, results, [](json::object& item, const granted& g) {
    item["claim"] = g.claim;
    item["message"] = g.text;
    item["lease_ms"] = g.lease.count();
  });
}

task<told_outcomes> extend_all(context& api, std::vector<claimed> claims) {
  const auto events = events_of(claims);
  const auto results = co_await in_parts(events.size(), api.messages->extend(std::move(claims)));
  for (std::size_t i = 0; i < events.size(); ++i)
    if (results[i]) api.receivers->extended(events[i].id, *results[i]);
  co_return each(events, results, [](json::object& item, milliseconds lease) { item["lease_ms"] = lease.count(); });
}

task<told_outcomes> release_all(context& api, std::vector<claimed> claims) {
  const auto events = events_of(claims);
  const auto results = co_await in_parts(events.size(), api.messages->release(claims));
  for (const auto& c : claims) api.receivers->settled(c);
  co_return each(events, results, [](json::object& item, const row& now) { item["status"] = to_string(now->status); });
}

task<told_outcomes> fail_all(context& api, std::vector<failed_claim> failures) {
  const auto events = events_of(failures);
  std::vector<claimed> claims;
  claims.reserve(failures.size());
  for (const auto& f : failures) claims.push_back(f.what);
  const auto results = co_await in_parts(events.size(), api.messages->fail(std::move(failures)));
  for (const auto& c : claims) api.receivers->settled(c);
  co_return each(events, results, [](json::object& item, const row& now) {
    item["status"] = to_string(now->status);
    item["failures"] = now->failures;
    if (now->status == status::pending) item["due"] = to_rfc3339(now->due);
  });
}

task<told_outcomes> answer_all(context& api, std::vector<answer_request> answers) {
  const auto events = events_of(answers);
  const auto results = co_await in_parts(events.size(), api.messages->answer(std::move(answers)));
  co_return each(events, results, [](json::object& item, const row& now) {
    item["revision"] = now->revision;
    item["status"] = to_string(now->status);
  });
}

}  // namespace amc::api
