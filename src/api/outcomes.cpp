#include "api/outcomes.hpp"

#include <algorithm>

#include "api/contents.hpp"
#include "broker/in_parts.hpp"
#include "core/time_text.hpp"

namespace amc::api {
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

void add_refusal(json_object_text& item, const error& why) {
  item.add("refused", to_string(why.code));
  item.add("detail", why.detail);
}

/// `fill` adds the revision, the one that was asked about or another, and what became of it.
template <class Result, class Fill>
told_outcomes each(const visitor& who, const std::vector<event>& asked, const std::vector<Result>& results,
                   const Fill& fill) {
  told_outcomes told;
  refusal_notes notes(who);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (i > 0) told.list += ',';
    json_object_text item;
    item.add("id", to_string(asked[i].id));
    if (results[i]) {
      fill(item, asked[i].revision, *results[i]);
    } else {
      item.add("revision", asked[i].revision);
      notes.add(results[i].error(), to_string(asked[i].id));
      add_refusal(item, results[i].error());
      told.any_refused = true;
    }
    told.list += item.take();
  }
  told.list += ']';
  return told;
}

}  // namespace

task<told_outcomes> claim_all(context& api, const visitor& who, std::vector<claim_request> requests) {
  const auto events = events_of(requests);
  auto claims = api.messages->numbered(std::move(requests));
  auto taken = api.messages->take(std::move(claims), SIZE_MAX, {}, {}, who.by);
  const auto results = co_await broker::in_parts(events.size(), std::move(taken));
  co_return each(who, events, results, [](json_object_text& item, int revision, const row& now) {
    item.add("revision", revision);
    add_claim(item, *now);
  });
}

task<told_outcomes> extend_all(context& api, const visitor& who, std::vector<claimed> claims) {
  const auto events = events_of(claims);
  const auto results = co_await broker::in_parts(events.size(), api.messages->extend(std::move(claims), who.by));
  co_return each(who, events, results, [](json_object_text& item, int revision, milliseconds lease) {
    item.add("revision", revision);
    item.add("lease_ms", lease.count());
  });
}

task<told_outcomes> release_all(context& api, const visitor& who, std::vector<claimed> claims) {
  const auto events = events_of(claims);
  const auto results = co_await broker::in_parts(events.size(), api.messages->release(std::move(claims), who.by));
  co_return each(who, events, results, [](json_object_text& item, int revision, const row& now) {
    item.add("revision", revision);
    item.add("status", to_string(now->status));
  });
}

task<told_outcomes> fail_all(context& api, const visitor& who, std::vector<failed_claim> failures) {
  const auto events = events_of(failures);
  const auto results = co_await broker::in_parts(events.size(), api.messages->fail(std::move(failures), who.by));
  co_return each(who, events, results, [](json_object_text& item, int revision, const row& now) {
    item.add("revision", revision);
    item.add("status", to_string(now->status));
    item.add("failures", now->failures);
    if (now->status == status::pending) item.add("due", to_rfc3339(now->due));
  });
}

task<told_outcomes> answer_all(context& api, const visitor& who, std::vector<answer_request> answers) {
  const auto events = events_of(answers);
  const auto results = co_await broker::in_parts(events.size(), api.messages->answer(std::move(answers), who.by));
  co_return each(who, events, results, [](json_object_text& item, int, const row& now) {
    item.add("revision", now->revision);
    item.add("status", to_string(now->status));
  });
}

task<std::size_t> room_for(context& api, const visitor& who, std::size_t wanted) {
  const auto most = api.quotas.pending_max(who.by);
  if (most == 0 || wanted == 0) co_return wanted;
  co_return co_await api.pending.take(*api.messages, who.by, wanted, most);
}

namespace {

task<void> refuse_over_quota(context& api, const visitor& who, std::vector<result<broker::accept_request>>& entries) {
  const auto is_one = [](const auto& e) { return e.has_value(); };
  auto room =
      co_await room_for(api, who, static_cast<std::size_t>(std::count_if(entries.begin(), entries.end(), is_one)));
  std::optional<error> too_many;
  for (auto& e : entries) {
    if (!e) continue;
    if (room > 0) {
      --room;
      continue;
    }
    if (!too_many) too_many = api.quotas.over_pending(who.by);
    e = *too_many;
  }
}

}  // namespace

task<told_outcomes> accept_all(context& api, const visitor& who, std::vector<result<broker::accept_request>> entries) {
  co_await refuse_over_quota(api, who, entries);
  std::vector<broker::accept_request> readable;
  for (auto& e : entries) {
    if (!e) continue;
    e->id = api.messages->new_id();
    readable.push_back(std::move(*e));
  }
  const auto count = readable.size();
  const auto accepted = co_await broker::in_parts(count, api.messages->accept(std::move(readable), who.by));
  told_outcomes told;
  refusal_notes notes(who);
  auto next = accepted.begin();
  for (const auto& e : entries) {
    const auto became = e ? *next++ : result<row>(e.error());
    if (told.list.size() > 1) told.list += ',';
    json_object_text item;
    if (became) {
      item.add("id", to_string((*became)->id));
      item.add("revision", (*became)->revision);
      item.add("status", to_string((*became)->status));
    } else {
      notes.add(became.error(), {});
      add_refusal(item, became.error());
      told.any_refused = true;
    }
    told.list += item.take();
  }
  told.list += ']';
  co_return told;
}

}  // namespace amc::api
