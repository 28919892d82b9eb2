#include <map>
#include <set>

#include "queue_system/event_codec.hpp"
#include "tests/simulation/planted_seams.hpp"

namespace amc::simulation {
namespace {

using namespace planting;

/// Hears of no pause but when it pauses or resumes a queue itself.
class deaf_to_pauses : public store_through {
 public:
  using store_through::store_through;
  paused_queues paused(const std::optional<pause_request>& request) override {
    return request ? to().paused(request) : paused_queues();
  }
};

/// What was rung before a pause, and refused during it, waits until it is rung again.
class resumes_without_ringing : public store_through {
 public:
  using store_through::store_through;
  void make_all_due(const std::string& queue) override {
    if (queue.empty()) to().make_all_due(queue);
  }
};

class lists_any_status : public reader_through {
 public:
  using reader_through::reader_through;
  message_page list(const list_filter& filter) override {
    auto any = filter;
    any.status.reset();
    return reader_through::list(any);
  }
};

class counts_wrongly : public reader_through {
 public:
  using reader_through::reader_through;
  std::vector<queue_counts> counts() override {
    auto all = reader_through::counts();
    for (auto& q : all) std::swap(q.due, q.held);
    return all;
  }
};

// ---- run now, move, edit and retry, purge ----

/// What was posted with a date runs with whatever is to run now.
seams run_now_of_all() {
  return apply([with_a_date = std::make_shared<std::set<uuid>>()](store& to, auto batch, platform&) {
    std::vector<change> all(batch.begin(), batch.end());
    for (const auto& what : batch) {
      if (what.then.due_at) with_a_date->insert(what.id);
      if (!is_run_now(what)) continue;
      for (const auto& id : std::exchange(*with_a_date, {})) {
        all.push_back(what);
        all.back().id = id;
      }
    }
    auto outcomes = to.apply(all);
    outcomes.resize(batch.size());
    return outcomes;
  });
}

/// Takes from the row as it is what an edit should have changed.
seams edit_with(void (*spoil)(change& what, const message& now)) {
  return apply([spoil](store& to, auto batch, platform&) {
    std::vector<change> spoiled(batch.begin(), batch.end());
    for (auto& what : spoiled) {
      const auto found = is_edit(what) ? to.find(std::span(&what.id, 1), true).front().now : nullptr;
      if (found) spoil(what, *found);
    }
    return to.apply(spoiled);
  });
}

/// Each revision is rung where it was rung first.
class rings_where_it_was : public publisher_through {
 public:
  using known = std::map<std::pair<uuid, int>, std::string>;
  rings_where_it_was(std::unique_ptr<queue_publisher> to, std::shared_ptr<known> first)
      : publisher_through(std::move(to)), first_(std::move(first)) {}
  void publish(std::span<const outgoing> batch) override {
    std::vector<outgoing> spoiled(batch.begin(), batch.end());
    for (auto& out : spoiled)
      if (const auto told = queue_system::decode(out.bytes))
        out.queue = first_->emplace(std::pair(told->id, told->revision), out.queue).first->second;
    publisher_through::publish(spoiled);
  }

 private:
  std::shared_ptr<known> first_;
};

seams moved_and_rung_where_it_was() {
  return publishers([first = std::make_shared<rings_where_it_was::known>()](auto to, process&) {
    return std::make_unique<rings_where_it_was>(std::move(to), first);
  });
}

/// Spoils what a purge is shown of its queue.
class shows_a_purge : public reader_through {
 public:
  using reader_through::reader_through;
  message_page list(const list_filter& filter) override {
    auto page = reader_through::list(filter);
    if (filter.status == status::pending && !filter.queue.empty()) spoil(page);
    return page;
  }

 private:
  virtual void spoil(message_page& page) const = 0;
};

/// As if all had been there before it began, and again from the beginning until nothing is left.
class shows_all_as_old : public shows_a_purge {
  using shows_a_purge::shows_a_purge;
  void spoil(message_page& page) const override {
    for (auto& m : page.rows) {
      auto older = *m;
      older.created_at = {};
      m = std::make_shared<const message>(std::move(older));
    }
    if (!page.rows.empty() && !page.next) page.next = uuid{};
  }
};

class shows_none_that_is_held : public shows_a_purge {
  using shows_a_purge::shows_a_purge;
  void spoil(message_page& page) const override {
    std::erase_if(page.rows, [](const row& m) { return m->held; });
  }
};

class shows_one_page : public shows_a_purge {
  using shows_a_purge::shows_a_purge;
  void spoil(message_page& page) const override { page.next.reset(); }
};

seams told_only(bool (*is_told)(const change&)) {
  return apply([is_told](store& to, auto batch, platform&) { return only_told(to, batch, is_told); });
}

}  // namespace

std::vector<planted_bug> bugs_of_operating() {
  return {
      {"lists-any-status", "a list is not held to the status that was asked for",
       [] { return readers<lists_any_status>(); }},
      {"counts-wrongly", "what is due and what is held are counted for one another",
       [] { return readers<counts_wrongly>(); }},
      {"deaf-to-pauses", "who has not paused a queue itself goes on working on it",
       [] { return stores<deaf_to_pauses>(); }},
      {"resumes-without-ringing", "what was rung before a queue was paused is not rung when it is resumed",
       [] { return stores<resumes_without_ringing>(); }},
      {"run-now-not-guarded", "what somebody works on runs now as well",
       [] { return changes_that(is_run_now, [](change& what) { what.when.unclaimed = false; }); }},
      {"run-now-starts-afresh", "what runs now has no failures and claims any more",
       [] {
         return changes_that(is_run_now,
                             [](change& what) { what.then.unanswered = what.then.failures = effect::count::zero; });
       }},
      {"run-now-still-held", "what is to run now is due, and still held",
       [] { return changes_that(is_run_now, [](change& what) { what.then.held.reset(); }); }},
      {"run-now-of-all", "what was posted with a date runs with whatever is to run now", run_now_of_all},
      {"run-now-only-told", "what is told to run now is not touched", [] { return told_only(is_run_now); }},
      {"move-not-guarded", "what somebody works on is moved",
       [] { return changes_that(is_move, [](change& what) { what.when.unclaimed = false; }); }},
      {"move-of-any-queue", "a move is not held to the queue that it was asked in",
       [] { return changes_that(is_move, [](change& what) { what.when.queue.reset(); }); }},
      {"move-not-due", "what is moved is due when it would have been rung again where it was",
       [] {
         return changes_that(is_move, [](change& what) {
           what.then.held.reset();
           what.then.due_in.reset();
         });
       }},
      {"move-forgets-the-date", "what is moved is due at once",
       [] {
         return changes_that(is_move, [](change& what) {
           what.then.held = false;
           what.then.due_in = milliseconds(0);
         });
       }},
      {"move-goes-on-counting", "a moved message has the failures and claims that it had",
       [] {
         return changes_that(is_move,
                             [](change& what) { what.then.unanswered = what.then.failures = effect::count::keep; });
       }},
      {"moved-and-rung-where-it-was", "what is moved is rung in its old queue", moved_and_rung_where_it_was},
      {"move-only-told", "what is told to be moved stays", [] { return told_only(is_move); }},
      {"edit-keeps-the-content", "an edited message says what it said",
       [] { return edit_with([](change& what, const message& now) { what.then.text = now.text; }); }},
      {"edit-keeps-the-queue", "an edited message waits where it was, whatever was asked",
       [] { return edit_with([](change& what, const message& now) { what.then.queue = now.queue; }); }},
      {"edit-goes-on-counting", "an edited message has the failures that it had",
       [] { return changes_that(is_edit, [](change& what) { what.then.failures = effect::count::keep; }); }},
      {"edit-of-any-status", "an edit is not held to the status that it was asked in",
       [] { return changes_that(is_edit, [](change& what) { what.when.status.reset(); }); }},
      {"edit-only-told", "what is told to be edited is not", [] { return told_only(is_edit); }},
      {"purge-of-what-is-worked-on", "a purge cancels what a service has in hand",
       [] { return changes_that(is_purge, [](change& what) { what.when.unclaimed = false; }); }},
      {"purge-of-any-queue", "a purge cancels what has gone on to another queue",
       [] { return changes_that(is_purge, [](change& what) { what.when.queue.reset(); }); }},
      {"purge-of-what-comes-later", "a purge goes on until nothing is left, whatever comes meanwhile",
       [] { return readers<shows_all_as_old>(); }},
      {"purge-leaves-what-is-held", "a purge leaves what waits for its date or its back-off",
       [] { return readers<shows_none_that_is_held>(); }},
      {"purge-ends-after-a-page", "a purge ends after its first step", [] { return readers<shows_one_page>(); }},
      {"purge-only-told", "what is told to be purged is not", [] { return told_only(is_purge); }},
  };
}

}  // namespace amc::simulation
