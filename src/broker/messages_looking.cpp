// What is told of messages and queues; nothing here changes what the relay does.
#include <algorithm>
#include <map>

#include "broker/intake.hpp"
#include "broker/messages.hpp"

namespace amc::broker {
namespace {

/// Where a cursor may stand that names no message: before all ids of that millisecond.
uuid beginning_of_its_millisecond(uuid id) {
  constexpr int time_bytes = 6;
  std::fill(id.begin() + time_bytes, id.end(), std::uint8_t{0});
  return id;
}

}  // namespace

task<std::map<std::string, messages::queue_state>> messages::count_queues() {
  std::map<std::string, queue_state> all;
  for (const auto& queue : routes_->queues()) all[queue].counts.queue = queue;
  for (const auto& queue : seen_->received_from()) all[queue].counts.queue = queue;
  const auto counted = co_await store_.counts();
  const auto now = co_await store_.now();
  for (const auto& counts : counted) all[counts.queue].counts = counts;
  if (const auto& paused = paused_->known())
    for (const auto& [queue, how] : *paused) {
      all[queue].counts.queue = queue;
      all[queue].paused = how;
    }
  for (auto& [name, state] : all) {
    if (state.counts.oldest) state.oldest_age = now - *state.counts.oldest;
    seen_->counted(name, state.counts.pending, state.oldest_age);
    state.seen = seen_->of(name);
  }
  co_return all;
}

task<std::vector<messages::queue_state>> messages::queues(principal_ptr by) {
  auto all = co_await count_queues();
  if (by) std::erase_if(all, [&](const auto& queue) { return !by->may(right::read, queue.first); });
  std::vector<std::string> names;
  for (const auto& [name, state] : all) names.push_back(name);
  std::vector<std::size_t> depths;
  std::vector<std::vector<left_events>> left;
  try {
    depths = co_await publisher_->depths(env_, names);
    left = co_await publisher_->left(env_, names);
  } catch (const unavailable&) {
    // What cannot be told is left out. Reading changes nothing of what the relay does.
  }
  std::vector<queue_state> listed;
  for (auto& [name, state] : all) {
    if (listed.size() < depths.size()) state.depth = depths[listed.size()];
    if (listed.size() < left.size()) state.left = std::move(left[listed.size()]);
    listed.push_back(std::move(state));
  }
  co_return listed;
}

task<std::optional<std::string>> messages::store_trouble() {
  try {
    co_await store_.check();
    co_return std::nullopt;
  } catch (const unavailable& failed) {
    co_return failed.what();
  }
}

task<explanation_facts> messages::facts_about(row what, principal_ptr by) {
  explanation_facts facts;
  facts.now = co_await store_.now();
  const auto& queue = what->queue;
  const auto treated = routes_->of(queue);
  facts.rules = treated.rules;
  facts.engine_is_needed = rings_->heard();
  facts.queue_is_known = routes_->names(queue);
  facts.refused_answer = refused_answers_.latest_to(*what);
  facts.watching_for = seen_->watching_for();
  facts.claimed_for = seen_->claimed_for(*what);
  if (const auto* paused = paused_->of(queue)) facts.paused = *paused;
  if (what->status == status::pending) {
    facts.engine_trouble = rings_->engine_trouble();
    facts.store_trouble = co_await store_trouble();
    // Where servers are, and what they say, is for those who may read everything.
    if (by && !by->where(right::read).has_all())
      for (auto* told : {&facts.engine_trouble, &facts.store_trouble})
        if (*told) (*told)->clear();
    place_question which{what->id, queue, what->due, facts.rules.ring_again, options_.older_max + 1};
    auto told = co_await store_.place_of(std::move(which));
    facts.older = std::min(told.before, options_.older_max);
    facts.older_is_all = told.before <= options_.older_max;
    facts.holders = std::move(told.holders);
    facts.services = seen_->of(queue).services;
    facts.at = seen_->pace_before(*what, facts.now);
    facts.received_from = seen_->received_from();
    if (by) std::erase_if(facts.received_from, [&](const auto& other) { return !by->may(right::read, other); });
  }
  facts.what = std::move(what);
  co_return facts;
}

task<result<message_page>> messages::list(list_filter filter, principal_ptr by, right needed) {
  if (auto wrong = unfit(filter.queue, "The queue's name")) co_return *std::move(wrong);
  // Of everything: then what `next` names may be known, too.
  if (by && !by->where(needed).has_all()) filter.permitted = {by, &by->where(needed)};
  message_page page;
  if (filter.permitted)
    page = co_await visible_page(std::move(filter));
  else
    page = co_await store_.list(std::move(filter));
  if (page.unfit) co_return error{errc::invalid, "The store cannot take this filter: " + *page.unfit};
  co_return page;
}

/// Goes on while it finds nothing but what is hidden, for a while; and then `next` is a time and no message.
task<message_page> messages::visible_page(list_filter filter) {
  constexpr int looks_max = 10;
  for (int looks = 1;; ++looks) {
    auto page = co_await store_.list(filter);
    if (!page.next || page.unfit) co_return page;
    if (!page.rows.empty()) {
      page.next = page.rows.back()->id;
      co_return page;
    }
    const auto rounded = beginning_of_its_millisecond(*page.next);
    if (looks >= looks_max && rounded > filter.after) {
      page.next = rounded;
      co_return page;
    }
    filter.after = *page.next;
  }
}

}  // namespace amc::broker
