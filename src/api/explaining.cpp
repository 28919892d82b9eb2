#include <boost/json/serialize.hpp>
#include <cmath>

#include "api/conversation.hpp"
#include "api/reading.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"
#include "core/time_text.hpp"

/// Why a message is where it is.
namespace amc::api {
namespace json = boost::json;
namespace {

/// Adds what is known.
template <class T>
void add(json::object& to, std::string_view name, const std::optional<T>& value) {
  if (!value) return;
  if constexpr (std::is_same_v<T, milliseconds>)
    to[name] = std::max<std::int64_t>(0, value->count());
  else if constexpr (std::is_same_v<T, timestamp>)
    to[name] = to_rfc3339(*value);
  else
    to[name] = *value;
}

void add_queue(json::object& to, const broker::explanation& e) {
  to["older"] = *e.older;
  to["older_is_all"] = e.older_is_all;
  to["services"] = services_told(e.services);
  to["holders"] = json::array(e.holders.begin(), e.holders.end());
  to["parked"] = e.parked;
  if (e.rate_per_s) to["rate_per_s"] = std::round(*e.rate_per_s * 1'000) / 1'000;
  if (e.taken_in)
    to["taken_in_ms"] = {
        {"low", e.taken_in->low.count()}, {"likely", e.taken_in->likely.count()}, {"high", e.taken_in->high.count()}};
  if (e.engine_is_away) to["engine"] = "away";
}

json::object data_of(const broker::explanation& e) {
  json::object data;
  if (e.older) add_queue(data, e);
  if (e.paused) data["paused"] = paused_told(&*e.paused);
  add(data, "nearest_queue", e.nearest_queue);
  add(data, "watching_for_ms", e.watching_for);
  add(data, "due", e.due);
  if (!e.holder.empty()) data["holder"] = e.holder;
  add(data, "attempt", e.attempt);
  add(data, "held_for_ms", e.held_for);
  add(data, "lease_ends_in_ms", e.lease_ends_in);
  add(data, "failures", e.failures);
  add(data, "max_failures", e.failures_max);
  add(data, "error", e.error);
  add(data, "unanswered", e.unanswered);
  add(data, "claims_left", e.claims_left);
  add(data, "refused_answer", e.refused_answer);
  add(data, "ended_at", e.ended_at);
  add(data, "took_ms", e.took);
  if (!e.by.empty()) data["by"] = e.by;
  return data;
}

std::string explanation_text(const message& m, const broker::explanation& e) {
  json::object body{{"id", to_string(m.id)}, {"revision", m.revision}, {"status", to_string(m.status)}};
  if (const auto queue = queue_of(m); !queue.empty()) body["queue"] = queue;
  body["reason"] = to_string(e.reason);
  body["sentence"] = e.sentence;
  body["data"] = data_of(e);
  return json::serialize(body);
}

}  // namespace

json::array services_told(std::span<const broker::activity::service> services) {
  json::array told;
  for (const auto& s : services) told.push_back({{"name", s.name}, {"seen_ago_ms", s.seen_ago.count()}});
  return told;
}

task<http::response> get_explanation(context& api, http::request& asked, visitor& who) {
  const auto found = co_await found_to_read(api, who, segment_of(asked, 1));
  if (!found) co_return found.error();
  auto facts = co_await api.messages->facts_about(*found, who.by);
  facts.parked = api.receivers->parked_for((*found)->queue);
  co_return json_reply(200, explanation_text(**found, broker::explain(facts)));
}

}  // namespace amc::api
