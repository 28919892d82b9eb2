#include <algorithm>
#include <boost/json/parse.hpp>
#include <stdexcept>
#include <utility>

#include "core/json_text.hpp"
#include "core/kept_bytes.hpp"
#include "message_store/store.hpp"

namespace amc {

bool admits(const guard& when, const message& current, timestamp now) {
  return admits_but_for_text(when, current, now) &&  //
         !says_the_same(when, current) &&            //
         (!when.text_bytes_max || kept_bytes(current) <= *when.text_bytes_max);
}

bool permits(const access_condition& asked, const message& current) {
  const bool may = asked.by->may(asked.needed, queue_of(current)) || (asked.or_owner && is_owner(*asked.by, current));
  return may && (!asked.as_holder || current.holder.empty() || is_holder(asked.by->name, current.holder));
}

bool is_claimed(const message& current, timestamp now) {
  return current.held && current.unanswered > 0 && current.due > now;
}

bool admits_but_for_text(const guard& when, const message& current, timestamp now) {
  const bool expired = current.expires_at && *current.expires_at <= now;
  return (!when.status || current.status == *when.status) &&                         //
         (!when.revision || current.revision == *when.revision) &&                   //
         (!when.revision_below || current.revision < *when.revision_below) &&        //
         (!when.queue || current.queue == *when.queue) &&                            //
         (!when.claim || current.claim == *when.claim) &&                            //
         (!when.claimed || current.claim != 0) &&                                    //
         (!when.held || current.held == *when.held) &&                               //
         (!when.due || current.due == *when.due) &&                                  //
         (!when.open || !current.held || current.due <= now) &&                      //
         (!when.claims_left || current.unanswered < current.max_claims) &&           //
         (!when.unanswered_below || current.unanswered < *when.unanswered_below) &&  //
         (!when.unanswered_above || current.unanswered > *when.unanswered_above) &&  //
         (!when.expired || expired == *when.expired) &&                              //
         (!when.erased || current.erased_at.has_value() == *when.erased) &&          //
         (!when.unclaimed || !is_claimed(current, now)) &&                           //
         (!when.not_in || !when.not_in->contains(current.queue)) &&                  //
         (!when.access || permits(*when.access, current));
}

namespace {

int counted(effect::count how, int value) {
  switch (how) {
    case effect::count::keep:
      return value;
    case effect::count::zero:
      return 0;
    case effect::count::one:
      return 1;
    case effect::count::one_more:
      return value + 1;
    case effect::count::one_less:
      return std::max(0, value - 1);
  }
  return value;  // not covered: all are named above
}

timestamp next_due(const effect& then, const message& current, timestamp now) {
  if (then.due_after_lease) return now + std::min(current.lease, then.lease_max.value_or(current.lease));
  if (then.due_at) return *then.due_at;
  if (then.due_in) return now + *then.due_in;
  return current.due;
}

/// How long ago that was, in milliseconds; null where it is not known.
void append_ago(std::string& line, const std::optional<timestamp>& then, timestamp now) {
  line += ',';
  line += then ? std::to_string((now - *then).count()) : "null";
}

/// One line for each: [revision, milliseconds since 1970, "what", "queue", "by", claim, claimed so many milliseconds
/// before, rung first so many milliseconds before, "asked by"]. Schema 3 knew the first five, and reads no further.
void remember(std::string& history, const message& before, const char* what, timestamp now,
              const std::string& asked_by) {
  if (static_cast<std::size_t>(std::count(history.begin(), history.end(), '\n')) >= history_max)
    history.erase(0, history.find('\n') + 1);
  history.append("[").append(std::to_string(before.revision)).append(",");
  history.append(std::to_string(now.time_since_epoch().count())).append(",\"").append(what).append("\",");
  append_json_string(history, before.queue);
  history += ',';
  append_json_string(history, before.holder);
  history.append(",").append(std::to_string(before.claimed_at ? before.claim : 0));
  append_ago(history, before.claimed_at, now);
  append_ago(history, before.rung_at, now);
  history += ',';
  append_json_string(history, asked_by);
  history += "]\n";
}

/// What the content was, and why it failed, in all places that the row has.
void erase(message& of, timestamp now) {
  of.text.clear();
  of.form = content_form::text;
  of.content_type.clear();
  of.headers.clear();
  of.attempts.clear();
  of.erased_at = now;
}

}  // namespace

const char* what_becomes(const change& what) {
  const auto& then = what.then;
  if (what.insert) return nullptr;
  const bool had_ended = what.when.status && *what.when.status != status::pending;
  if (then.text) return had_ended ? "edited" : "answered";
  if (then.erases) return "erased";
  if (then.status) return *then.status == status::pending ? "retried" : to_string(*then.status);
  if (then.queue) return "moved";
  if (then.error) return "failed";
  return what.when.unclaimed ? "run_now" : nullptr;  // nobody but operators cares for that
}

message fresh_row(const uuid& id, timestamp now) {
  return {.id = id, .revision = 0, .created_at = now};
}

message changed(const change& what, const message* current, timestamp now) {
  auto after = current ? *current : fresh_row(what.id, now);
  change_row(what, after, now);
  return after;
}

void change_row(const change& what, message& after, timestamp now) {
  const auto& then = what.then;
  if (const auto* became = what_becomes(what)) remember(after.history, after, became, now, asked_by(what));
  if (then.erases) erase(after, now);
  if (then.text || then.status == status::pending) after.rung_at.reset();
  if (then.rings && !after.rung_at) after.rung_at = now;
  if (then.text) {
    after.text = *then.text;
    after.form = then.form;
    after.content_type = then.content_type;
    if (then.headers) after.headers = *then.headers;
    ++after.revision;
  }
  if (then.status) after.status = *then.status;
  if (then.queue) {
    after.last_queue = then.queue->empty() ? std::exchange(after.queue, {}) : std::string();
    after.queue = *then.queue;
  }
  if (then.held) after.held = *then.held;
  if (then.lease) after.lease = *then.lease;
  if (then.max_claims) after.max_claims = *then.max_claims;
  after.due = next_due(then, after, now);
  if (then.new_claim) {
    after.claim = *then.new_claim;
    after.holder = then.holder;
    after.claimed_at = now;
  } else if (!then.due_after_lease) {
    after.holder.clear();
    after.claimed_at.reset();
  }
  after.unanswered = counted(then.unanswered, after.unanswered);
  after.failures = counted(then.failures, after.failures);
  if (then.error) {
    if (after.attempts.size() >= attempts_max) after.attempts.erase(after.attempts.begin());
    after.attempts.push_back({after.revision, after.claim, now, *then.error});
  }
  if (!then.erases) after.updated_at = now;  // it is kept no longer for that
  if (what.insert) {
    after.expires_at = then.expires_at;
    after.traceparent = then.traceparent;
    after.tracestate = then.tracestate;
    after.owner = then.owner;
    if (then.once) {
      after.idempotency_key = then.once->key;
      after.fingerprint = then.once->fingerprint;
    }
  }
}

const std::string& asked_by(const change& what) {
  static const std::string nobody;
  return what.when.access ? what.when.access->by->name : nobody;
}

bool supersedes(const change& what) {
  return what.then.text && !what.insert;
}

void keep_past(std::vector<past_content>& kept, const message& before, std::size_t max_bytes) {
  const auto counted = [](const std::string& text) { return text.size() + past_content_overhead_bytes; };
  if (counted(before.text) > max_bytes) return;
  kept.push_back({before.revision, before.text, before.form, before.content_type});
  std::size_t bytes = 0;
  auto oldest = kept.end();
  while (oldest != kept.begin() && (bytes += counted(std::prev(oldest)->text)) <= max_bytes) --oldest;
  kept.erase(kept.begin(), oldest);
}

namespace {

std::optional<timestamp> so_long_before(timestamp at, const boost::json::value& ago) {
  if (ago.is_null()) return {};
  return at - milliseconds(ago.to_number<std::int64_t>());
}

/// Nothing where it is not what `remember` writes.
std::optional<past> past_in(std::string_view line) try {
  const auto item = boost::json::parse(line);
  past read{item.at(0).to_number<int>(), timestamp(milliseconds(item.at(1).to_number<std::int64_t>())),
            std::string(item.at(2).as_string()), std::string(item.at(3).as_string()),
            std::string(item.at(4).as_string())};
  if (item.as_array().size() == 5) return read;
  read.claim = item.at(5).to_number<std::int64_t>();
  read.claimed_at = so_long_before(read.at, item.at(6));
  read.rung_at = so_long_before(read.at, item.at(7));
  read.asked_by = item.at(8).as_string();
  return read;
} catch (const boost::system::system_error&) {
  return {};
} catch (const std::logic_error&) {  // of another shape
  return {};
}

}  // namespace

std::vector<past> history_of(const message& m, std::size_t& unreadable) {
  std::vector<past> all;
  unreadable = 0;
  for (std::size_t at = 0; at < m.history.size();) {
    const auto end = std::min(m.history.find('\n', at), m.history.size());
    if (auto read = past_in(std::string_view(m.history).substr(at, end - at)))
      all.push_back(*std::move(read));
    else
      ++unreadable;
    at = end + 1;
  }
  return all;
}

std::vector<past> history_of(const message& m) {
  std::size_t unreadable = 0;
  return history_of(m, unreadable);
}

std::optional<past> latest_of(const message& m) {
  if (m.history.empty()) return {};
  const auto before = m.history.size() < 2 ? std::string::npos : m.history.rfind('\n', m.history.size() - 2);
  return past_in(std::string_view(m.history).substr(before == std::string::npos ? 0 : before + 1));
}

}  // namespace amc
