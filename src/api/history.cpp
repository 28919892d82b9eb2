#include "api/history.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "api/contents.hpp"
#include "core/json_text.hpp"
#include "core/time_text.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

/// Who made a step: who wanted it, or, of what is a claim's outcome, who held that, which says more of the same.
std::string maker_of(const past& step) {
  if (!step.asked_by.empty() && !is_holder(step.asked_by, step.by)) return step.asked_by;
  const bool by_its_holder = step.what == "answered" || step.what == "failed" || step.what == "dead";
  return by_its_holder || !step.asked_by.empty() ? step.by : std::string();
}

/// What is known of a revision.
struct told_revision {
  std::string queue{};
  bool queue_is_known = false;
  std::optional<timestamp> stored_at{}, rung_at{}, claimed_at{}, answered_at{};
  std::int64_t claim = 0;
  std::string by{};
  const past_content* content = nullptr;

  void note_claim(std::int64_t number, const std::optional<timestamp>& at, std::string who) {
    claim = number;
    claimed_at = at;
    by = std::move(who);
  }
};

/// A process of an older version beside this one leaves the times of a former revision standing.
void drop_if_older(std::optional<timestamp>& at, const std::optional<timestamp>& than) {
  if (at && than && *at < *than) at.reset();
}

class teller {
 public:
  teller(const principal_ptr& by, const told_past& told)
      : by_(by), told_(told), m_(*told.of.now), attempts_(attempts_for(by, m_)), steps_(history_of(m_, unreadable_)) {
    collect();
  }

  std::string tell() const {
    json_object_text body;
    body.add("id", to_string(m_.id));
    body.add("revision", m_.revision);
    body.add("status", to_string(m_.status));
    body.add("created_at", to_rfc3339(m_.created_at));
    if (!m_.owner.empty()) body.add("owner", m_.owner);
    if (m_.erased_at) body.add("erased_at", to_rfc3339(*m_.erased_at));
    body.add_json("revisions", revisions());
    body.add_json("history", json::serialize(steps()));
    if (unreadable_ > 0 || told_.unreadable) body.add("unreadable", true);
    return body.take();
  }

 private:
  void collect() {
    revisions_[1].stored_at = m_.created_at;
    for (const auto& step : steps_) {
      auto& here = revisions_[step.revision];
      here.queue = step.queue;
      here.queue_is_known = true;
      if (step.rung_at) here.rung_at = step.rung_at;
      if (step.what != "answered" && step.what != "edited") continue;
      if (step.revision < m_.revision) revisions_[step.revision + 1].stored_at = step.at;
      if (step.what == "edited") continue;
      here.answered_at = step.at;
      here.note_claim(step.claim, step.claimed_at, maker_of(step));
    }
    for (const auto& content : told_.contents)
      if (content.revision < m_.revision) revisions_[content.revision].content = &content;
    auto& now = revisions_[m_.revision];
    now.queue = queue_of(m_);
    now.queue_is_known = true;
    if (m_.rung_at) now.rung_at = m_.rung_at;
    if (m_.claimed_at) now.note_claim(m_.claim, m_.claimed_at, m_.holder);
    for (auto& [number, one] : revisions_) {
      drop_if_older(one.rung_at, one.stored_at);
      drop_if_older(one.claimed_at, one.stored_at);
    }
    // Of the first nothing may be left but that it was.
    const auto& first = revisions_.begin()->second;
    if (revisions_.begin()->first != m_.revision && !first.queue_is_known && !first.content)
      revisions_.erase(revisions_.begin());
  }

  bool may_read(const told_revision& one) const {
    if (!by_) return true;
    return one.queue_is_known ? by_->may(right::read, one.queue) : by_->where(right::read).has_all();
  }

  void add_content_of(json_object_text& to, int number, const told_revision& one) const {
    const bool is_now = number == m_.revision;
    if (m_.erased_at || (!is_now && !one.content)) return to.add("content_gone", true);
    if (is_now) return add_content(to, m_);
    message said;
    said.text = one.content->text;
    said.form = one.content->form;
    said.content_type = one.content->content_type;
    add_content(to, said);
  }

  std::string revisions() const {
    std::string all = "[";
    for (const auto& [number, one] : revisions_) {
      if (number > m_.revision || !may_read(one)) continue;
      json_object_text item;
      item.add("revision", number);
      if (!one.queue.empty()) item.add("queue", one.queue);
      add_time(item, "stored_at", one.stored_at);
      add_time(item, "rung_at", one.rung_at);
      add_time(item, "claimed_at", one.claimed_at);
      add_time(item, "answered_at", one.answered_at);
      if (!one.by.empty()) item.add("by", one.by);
      if (one.claim != 0) item.add("claim", one.claim);
      add_span(item, "waited_ms", one.stored_at, one.claimed_at);
      add_span(item, "worked_ms", one.claimed_at, one.answered_at);
      add_content_of(item, number, one);
      all.append(all.size() > 1 ? "," : "").append(item.take());
    }
    return all + "]";
  }

  static void add_time(json_object_text& to, std::string_view name, const std::optional<timestamp>& at) {
    if (at) to.add(name, to_rfc3339(*at));
  }
  static void add_span(json_object_text& to, std::string_view name, const std::optional<timestamp>& from,
                       const std::optional<timestamp>& until) {
    if (from && until) to.add(name, std::max<std::int64_t>(0, (*until - *from).count()));
  }

  json::array steps() const {
    json::array all;
    std::optional<timestamp> open_since;  // when the revision came to wait for the claim that a step tells
    int revision = 0;
    // Where earlier steps had to go, nobody knows what came before the first.
    if (steps_.size() >= history_max) revision = steps_.front().revision;
    for (const auto& step : steps_) {
      const auto known = revisions_.find(step.revision);
      if (step.revision != revision && known != revisions_.end()) open_since = known->second.stored_at;
      if (!by_ || by_->may(right::read, step.queue)) all.push_back(told(step, open_since));
      revision = step.revision;
      open_since = step.at;
    }
    return all;
  }

  json::object told(const past& step, const std::optional<timestamp>& open_since) const {
    json::object item{
        {"revision", step.revision}, {"at", to_rfc3339(step.at)}, {"what", step.what}, {"queue", step.queue}};
    const auto maker = maker_of(step);
    if (!maker.empty()) item["by"] = maker;
    if (!step.by.empty() && step.by != maker) item["held_by"] = step.by;
    if (step.claim != 0) item["claim"] = step.claim;
    if (auto claimed = step.claimed_at) {
      const auto stored = revisions_.find(step.revision);
      if (stored != revisions_.end()) drop_if_older(claimed, stored->second.stored_at);
      if (claimed) {
        item["claimed_at"] = to_rfc3339(*claimed);
        if (open_since) item["waited_ms"] = std::max<std::int64_t>(0, (*claimed - *open_since).count());
        item["worked_ms"] = std::max<std::int64_t>(0, (step.at - *claimed).count());
      }
    }
    // A failure is kept in both at the same moment.
    const bool is_failure = step.what == "failed" || step.what == "dead";
    for (const auto& a : attempts_)
      if (is_failure && a.revision == step.revision && a.at == step.at) item["error"] = a.error;
    return item;
  }

  const principal_ptr& by_;
  const told_past& told_;
  const message& m_;
  std::vector<attempt> attempts_;
  std::size_t unreadable_ = 0;
  std::vector<past> steps_;
  std::map<int, told_revision> revisions_;
};

}  // namespace

std::vector<attempt> attempts_for(const principal_ptr& by, const message& m) {
  if (!by || by->where(right::read).has_all() || m.attempts.empty()) return m.attempts;
  const auto past = history_of(m);
  std::vector<attempt> readable;
  for (const auto& a : m.attempts) {
    const auto known = std::find_if(past.begin(), past.end(), [&](const auto& p) { return p.revision == a.revision; });
    const bool is_now = a.revision == m.revision && known == past.end();
    const std::string_view queue = is_now ? queue_of(m) : known == past.end() ? "" : std::string_view(known->queue);
    if (by->may(right::read, queue)) readable.push_back(a);
  }
  return readable;
}

std::string history_for(const principal_ptr& by, const told_past& told) {
  return teller(by, told).tell();
}

}  // namespace amc::api
