#include "tests/support/memory_store.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "core/kept_bytes.hpp"
#include "message_store/columns.hpp"

namespace amc::tests {

using message_store::due_row_of;

namespace {

row without_text(const row& whole) {
  if (!whole || whole->text.empty()) return whole;
  auto without = std::make_shared<message>(*whole);
  without->text.clear();
  return without;
}

/// As the change wants it told.
row told(row now, const change& what, bool applied) {
  return tells_text(what, applied) ? now : without_text(now);
}

}  // namespace

std::vector<outcome> memory_store::apply(std::span<const change> batch) {
  fail_writing_as_told();
  const bool inserts = std::any_of(batch.begin(), batch.end(), [](const change& what) { return what.insert; });
  if (inserts && failing_inserts) throw unavailable(*failing_inserts);
  std::vector<outcome> outcomes;
  for (const auto& what : batch) {
    if (auto why = unfit ? unfit(what) : std::nullopt) {
      outcomes.push_back({.unfit = std::move(why)});
      continue;
    }
    const auto found = rows_.find(what.id);
    auto current = found == rows_.end() ? nullptr : found->second;
    if (!current && what.insert && what.then.once) current = find_key(*what.then.once);
    if (current && unreadable.contains(current->id)) {
      outcomes.push_back({.at = now_(), .unreadable = true});
      continue;
    }
    if (what.insert ? current != nullptr : !current || !admits(what.when, *current, now_())) {
      outcomes.push_back({false, told(current, what, false), now_()});
      continue;
    }
    if (supersedes(what)) note_past(*current);
    if (what.then.erases) past_.erase(what.id);
    const auto after = std::make_shared<const message>(changed(what, current.get(), now_()));
    rows_[what.id] = after;
    outcomes.push_back({true, told(after, what, true), now_()});
  }
  if (const auto lost = std::exchange(failing_answer, {})) throw unavailable(*lost);
  return outcomes;
}

void memory_store::note_past(message before) {
  if (noting_past) noting_past(before);
  keep_past(past_[before.id], before, past_max_bytes);
}

std::vector<found_row> memory_store::find(std::span<const uuid> ids, bool with_text) {
  ++finds;
  fail_as_told();
  if (failing_finds) throw unavailable(*failing_finds);
  std::vector<found_row> found;
  for (const auto& id : ids) {
    const bool readable = rows_.contains(id) && !unreadable.contains(id);
    row now = readable ? rows_[id] : nullptr;
    found.push_back({.now = with_text ? now : without_text(now), .unreadable = unreadable.contains(id)});
  }
  return found;
}

std::vector<due_row> memory_store::due(std::size_t limit) {
  ++dues;
  fail_as_told();
  std::map<std::string, std::vector<due_row>> queues;
  for (const auto& [id, m] : rows_)
    if (m->status == status::pending && m->due <= now_() && !unreadable.contains(id))
      queues[m->queue].push_back(due_row_of(*m, false));
  std::vector<due_row> all, expired;
  for (const auto& [id, m] : rows_)
    if (m->status == status::pending && !unreadable.contains(id) && m->expires_at && *m->expires_at <= now_() &&
        expired.size() < limit)
      expired.push_back(due_row_of(*m, true));
  for (auto& [name, rows] : queues) {
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.due < b.due; });
    rows.resize(std::min(rows.size(), limit));
    all.insert(all.end(), rows.begin(), rows.end());
  }
  all.insert(all.end(), expired.begin(), expired.end());
  return all;
}

std::vector<due_row> memory_store::waiting(const waiting_request& which) {
  ++looks;
  fail_as_told();
  if (failing_looks) throw unavailable(*failing_looks);
  const auto now = now_();
  std::vector<due_row> rows;
  for (const auto& [id, m] : rows_) {
    if (m->status != status::pending || m->queue != which.queue || unreadable.contains(id)) continue;
    const bool open = !m->held || m->due <= now;
    const auto most = std::min(m->max_claims, which.unanswered_below.value_or(m->max_claims));
    const bool over = m->unanswered >= most || (m->expires_at && *m->expires_at <= now);
    if (open && !over && m->due <= now + which.ring_again) rows.push_back(due_row_of(*m, false));
  }
  const auto place = [&](const due_row& r) { return std::pair(r.due <= now, r.due); };
  std::stable_sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
  rows.resize(std::min(rows.size(), which.limit));
  return rows;
}

message_page memory_store::list(const list_filter& filter) {
  fail_as_told();
  if (unfit_filter) return {.unfit = unfit_filter};
  message_page page;
  std::size_t bytes = 0, looked_at = 0;
  for (auto it = rows_.upper_bound(filter.after); it != rows_.end() && !page.next; ++it) {
    if (looked_at++ == looked_at_max) {
      page.next = std::prev(it)->first;
      break;
    }
    const auto& m = it->second;
    if (unreadable.contains(it->first)) continue;
    if ((filter.status && m->status != *filter.status) || (!filter.queue.empty() && m->queue != filter.queue)) continue;
    if (filter.permitted && !filter.permitted->has(queue_of(*m))) continue;
    bytes += kept_bytes(*m);
    if (!page.rows.empty() && bytes > filter.text_bytes_max) {
      page.next = page.rows.back()->id;
      break;
    }
    page.rows.push_back(m);
    if (page.rows.size() == filter.limit) page.next = it->first;
  }
  return page;
}

std::vector<queue_counts> memory_store::counts() {
  fail_as_told();
  std::map<std::string, queue_counts> queues;
  for (const auto& [id, m] : rows_) {
    if (m->status != status::pending && m->status != status::dead) continue;
    auto& q = queues[m->queue];
    q.queue = m->queue;
    if (m->status == status::dead) {
      ++q.dead;
      continue;
    }
    ++q.pending;
    q.due += m->due <= now_();
    q.held += m->held && m->due > now_();
    const bool can_be_worked_on = !m->held || m->due <= now_();
    if (can_be_worked_on && (!q.oldest || m->created_at < *q.oldest)) q.oldest = m->created_at;
  }
  std::vector<queue_counts> all;
  for (const auto& [name, q] : queues) all.push_back(q);
  return all;
}

std::size_t memory_store::pending_of(const std::string& owner, std::size_t at_most) {
  fail_as_told();
  const auto is_one = [&](const auto& entry) {
    return entry.second->status == status::pending && !owner.empty() && entry.second->owner == owner;
  };
  return std::min(at_most, static_cast<std::size_t>(std::count_if(rows_.begin(), rows_.end(), is_one)));
}

place_told memory_store::place_of(const place_question& which) {
  fail_as_told();
  const auto now = now_();
  const auto place = [&](timestamp due, const uuid& id) { return std::tuple(due <= now, due, id); };
  place_told told;
  std::vector<row> held;
  for (const auto& [id, m] : rows_) {
    if (m->status != status::pending || m->queue != which.queue) continue;
    const bool waits = m->due <= now || (!m->held && m->due <= now + which.ring_again);
    if (waits && place(m->due, id) < place(which.due, which.id) && told.before < which.limit) ++told.before;
    if (m->held && m->due > now && m->unanswered > 0) held.push_back(m);
  }
  std::stable_sort(held.begin(), held.end(), [](const row& a, const row& b) { return a->due < b->due; });
  held.resize(std::min(held.size(), store_reader::holders_looked_at));
  std::set<std::string> names;
  for (const auto& m : held) names.insert(m->holder);
  told.holders.assign(names.begin(), names.end());
  return told;
}

told_past memory_store::past_of(const uuid& id) {
  fail_as_told();
  told_past told;
  const auto found = rows_.find(id);
  if (found == rows_.end()) return told;
  told.of.unreadable = unreadable.contains(id);
  if (!told.of.unreadable) told.of.now = found->second;
  if (const auto kept = past_.find(id); kept != past_.end()) told.contents = kept->second;
  return told;
}

purged memory_store::purge(const purge_request& what) {
  fail_writing_as_told();
  purged done;
  std::size_t looked_at = 0, bytes = 0;
  for (auto it = rows_.upper_bound(what.after); it != rows_.end() && !done.next;) {
    const auto id = it->first;
    const auto& m = *it->second;
    const auto kept = m.status == status::dead ? what.dead_kept : what.kept;
    const bool old = m.status != status::pending && m.updated_at <= now_() - kept;
    if (old) bytes += m.text.size();
    if (old) past_.erase(id);
    it = old ? rows_.erase(it) : std::next(it);
    done.count += old;
    if (++looked_at == what.limit || bytes >= what.text_bytes_max) done.next = id;
  }
  return done;
}

row memory_store::find_key(const idempotency& once) {
  for (auto& [id, m] : rows_) {
    if (m->idempotency_key != once.key) continue;
    if (m->created_at > now_() - once.kept) return m;
    auto without = *m;
    without.idempotency_key.clear();
    m = std::make_shared<const message>(std::move(without));
  }
  return nullptr;
}

void memory_store::try_writing() {
  ++tried_writes;
  fail_writing_as_told();
  if (failing_inserts) throw unavailable(*failing_inserts);
}

paused_queues memory_store::paused(const std::optional<pause_request>& request) {
  if (request)
    fail_writing_as_told();
  else
    fail_as_told();
  if (request && request->pauses) paused_.try_emplace(request->queue, paused_queue{now_(), request->by});
  if (request && !request->pauses) paused_.erase(request->queue);
  return paused_;
}

void memory_store::make_all_due(const std::string& queue) {
  fail_writing_as_told();
  for (auto& [id, m] : rows_)
    if (m->status == status::pending && !m->held && m->due > now_() && (queue.empty() || m->queue == queue)) {
      auto after = *m;
      after.due = queue.empty() ? now_() : std::min(now_(), after.created_at);
      m = std::make_shared<const message>(after);
    }
}

}  // namespace amc::tests
