#include "tests/simulation/planted.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "queue_system/event_codec.hpp"
#include "tests/simulation/planted_through.hpp"
#include "tests/simulation/process.hpp"
#include "tests/simulation/wording.hpp"

namespace amc::simulation {
namespace {

// ---- which change is which: told by what it guards and does, as the life cycle makes it ----

bool is_claim(const change& what) {
  return what.then.new_claim.has_value();
}
bool is_hand_off(const change& what) {
  return what.then.new_claim && what.then.text;
}
bool is_extension(const change& what) {
  return what.then.due_after_lease && !what.then.new_claim;
}
bool is_answer(const change& what) {
  return what.then.text && !what.insert;
}
bool is_failure(const change& what) {
  return what.then.failures == effect::count::one_more;
}
bool is_release(const change& what) {
  return what.then.unanswered == effect::count::one_less;
}
bool is_reopening(const change& what) {
  return !what.durable && what.when.claim && what.then.held == false && !is_release(what);
}
bool is_ringing(const change& what) {
  return !what.durable && !what.when.claim && what.then.held == false;
}
bool is_retry(const change& what) {
  return what.then.status == status::pending && !what.then.text;
}
bool is_expiry(const change& what) {
  return what.then.status == status::expired;
}

// ---- stores that render a change wrongly ----

using spoil_change = std::function<void(change&)>;

class spoiled_changes : public store_through {
 public:
  spoiled_changes(std::unique_ptr<store> to, spoil_change spoil)
      : store_through(std::move(to)), spoil_(std::move(spoil)) {}
  std::vector<outcome> apply(std::span<const change> batch) override {
    std::vector<change> spoiled(batch.begin(), batch.end());
    for (auto& what : spoiled) spoil_(what);
    return to().apply(spoiled);
  }

 private:
  spoil_change spoil_;
};

seams changes(spoil_change spoil) {
  seams planted;
  planted.wrap_store = [spoil = std::move(spoil)](std::unique_ptr<store> to, process&, platform&) {
    return std::make_unique<spoiled_changes>(std::move(to), spoil);
  };
  return planted;
}

using spoil_due = std::function<void(std::vector<due_row>&)>;

class spoiled_due : public store_through {
 public:
  spoiled_due(std::unique_ptr<store> to, spoil_due spoil) : store_through(std::move(to)), spoil_(std::move(spoil)) {}
  std::vector<due_row> due(std::size_t limit) override {
    auto rows = to().due(limit);
    spoil_(rows);
    return rows;
  }

 private:
  spoil_due spoil_;
};

seams due(spoil_due spoil, spoil_change spoil_too = nullptr) {
  seams planted;
  planted.wrap_store = [spoil = std::move(spoil), spoil_too = std::move(spoil_too)](
                           std::unique_ptr<store> to, process&, platform&) -> std::unique_ptr<store> {
    if (spoil_too) to = std::make_unique<spoiled_changes>(std::move(to), spoil_too);
    return std::make_unique<spoiled_due>(std::move(to), spoil);
  };
  return planted;
}

// ---- stores that tell wrongly what became of it ----

using spoil_apply = std::function<std::vector<outcome>(store&, std::span<const change>, platform&)>;

class spoiled_apply : public store_through {
 public:
  spoiled_apply(std::unique_ptr<store> to, platform& engine, spoil_apply spoil)
      : store_through(std::move(to)), engine_(engine), spoil_(std::move(spoil)) {}
  std::vector<outcome> apply(std::span<const change> batch) override { return spoil_(to(), batch, engine_); }

 private:
  platform& engine_;
  spoil_apply spoil_;
};

seams apply(spoil_apply spoil) {
  seams planted;
  planted.wrap_store = [spoil = std::move(spoil)](std::unique_ptr<store> to, process&, platform& engine) {
    return std::make_unique<spoiled_apply>(std::move(to), engine, spoil);
  };
  return planted;
}

/// As if it had been done.
std::vector<outcome> pretended(store& to, std::span<const change> batch) {
  std::vector<uuid> ids;
  for (const auto& what : batch) ids.push_back(what.id);
  const auto rows = to.find(ids, true);
  const auto now = to.now();
  std::vector<outcome> outcomes;
  for (std::size_t i = 0; i < batch.size(); ++i)
    outcomes.push_back({true, std::make_shared<const message>(changed(batch[i], rows[i].now.get(), now)), now});
  return outcomes;
}

std::vector<outcome> publish_first(store& to, std::span<const change> batch, platform& engine) {
  std::vector<outgoing> early;
  for (const auto& what : batch)
    if (what.then.text && what.then.queue && what.then.status == status::pending) {
      const event ready{what.id, what.when.revision.value_or(0) + 1, {}};
      early.push_back({*what.then.queue, queue_system::encode(ready, what.id, {})});
    }
  if (!early.empty()) engine.make_publisher()->publish(early);
  return to.apply(batch);
}

/// Does something about a batch that has failed for one of these reasons.
spoil_apply when_it_fails(std::vector<unavailable::reason> reasons,
                          std::function<std::vector<outcome>(store&, std::span<const change>)> then) {
  return [=](store& to, std::span<const change> batch, platform&) {
    try {
      return to.apply(batch);
    } catch (const unavailable& failed) {
      if (std::find(reasons.begin(), reasons.end(), failed.why()) == reasons.end()) throw;
    }
    return then(to, batch);
  };
}

/// A request that reuses another's key is told what became of that one.
std::vector<outcome> any_request_of_a_key(store& to, std::span<const change> batch, platform&) {
  auto outcomes = to.apply(batch);
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (const auto& once = batch[i].then.once; once && !outcomes[i].applied && outcomes[i].now) {
      auto same = *outcomes[i].now;
      same.fingerprint = once->fingerprint;
      outcomes[i].now = std::make_shared<const message>(std::move(same));
    }
  return outcomes;
}

/// The number after that of the row's latest claim.
std::vector<outcome> counted_claims(store& to, std::span<const change> batch, platform&) {
  std::vector<change> counted(batch.begin(), batch.end());
  std::map<uuid, std::int64_t> given;
  for (auto& what : counted) {
    if (!is_claim(what)) continue;
    const auto found = to.find(std::span(&what.id, 1), false).front().now;
    if (found) what.then.new_claim = given.emplace(what.id, found->claim).first->second += 1;
  }
  return to.apply(counted);
}

std::vector<outcome> told_crosswise(store& to, std::span<const change> batch, platform&) {
  auto outcomes = to.apply(batch);
  for (std::size_t i = 1; i < batch.size(); ++i)
    if (batch[i].then.text && batch[i - 1].then.text) std::swap(outcomes[i], outcomes[i - 1]);
  return outcomes;
}

std::vector<outcome> leases_only_told(store& to, std::span<const change> batch, platform&) {
  std::vector<change> others;
  std::copy_if(batch.begin(), batch.end(), std::back_inserter(others), [](const auto& c) { return !is_extension(c); });
  auto done = to.apply(others);
  std::vector<outcome> outcomes;
  auto next = done.begin();
  for (const auto& what : batch)
    outcomes.push_back(is_extension(what) ? pretended(to, std::span(&what, 1)).front() : *next++);
  return outcomes;
}

/// Whatever is stored un-rung is rung all the same.
std::vector<outcome> never_behind_a_backlog(store& to, std::span<const change> batch, platform& engine) {
  std::vector<change> rung(batch.begin(), batch.end());
  std::vector<bool> was_to_wait;
  for (auto& what : rung) {
    const bool waits = what.then.text && what.then.status == status::pending && what.then.held == false &&
                       what.then.due_in == milliseconds(0);
    was_to_wait.push_back(waits);
    constexpr milliseconds later{2'000};
    if (waits) what.then.due_in = later;
  }
  auto outcomes = to.apply(rung);
  std::vector<outgoing> out;
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (was_to_wait[i] && outcomes[i].applied) {
      const event ready{outcomes[i].now->id, outcomes[i].now->revision, {}};
      out.push_back({outcomes[i].now->queue, queue_system::encode(ready, ready.id, {})});
    }
  try {
    if (!out.empty()) engine.make_publisher()->publish(out);
  } catch (const unavailable&) {
    // It comes round again.
  }
  return outcomes;
}

bool is_of_an_unfit_row(const change& what) {
  return what.then.text && is_unfit(*what.then.text);
}

/// One row that the store cannot take fails all that came with it.
std::vector<outcome> fault_taken_for_an_absence(store& to, std::span<const change> batch, platform&) {
  if (std::any_of(batch.begin(), batch.end(), is_of_an_unfit_row))
    throw unavailable(unavailable::reason::away, "the store refused a row");
  return to.apply(batch);
}

/// After a row that could not be taken, the next look finds nothing.
class never_reset : public store_through {
 public:
  using store_through::store_through;
  std::vector<outcome> apply(std::span<const change> batch) override {
    spoiled_ = spoiled_ || std::any_of(batch.begin(), batch.end(), is_of_an_unfit_row);
    return to().apply(batch);
  }
  std::vector<found_row> find(std::span<const uuid> ids, bool with_text) override {
    if (std::exchange(spoiled_, false)) return std::vector<found_row>(ids.size());
    return to().find(ids, with_text);
  }

 private:
  bool spoiled_ = false;
};

template <class Store>
seams stores() {
  seams planted;
  planted.wrap_store = [](std::unique_ptr<store> to, process&, platform&) {
    return std::make_unique<Store>(std::move(to));
  };
  return planted;
}

class purges_all_alike : public store_through {
 public:
  using store_through::store_through;
  purged purge(const purge_request& what) override {
    auto alike = what;
    alike.dead_kept = alike.kept;
    return to().purge(alike);
  }
};

class purges_nothing : public store_through {
 public:
  using store_through::store_through;
  purged purge(const purge_request&) override { return {}; }
};

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

/// Four looks of five find nothing.
class looks_seldom : public store_through {
 public:
  using store_through::store_through;
  std::vector<due_row> due(std::size_t limit) override {
    constexpr int one_in = 5;
    auto rows = to().due(limit);
    if (++looks_ % one_in != 0) rows.clear();
    return rows;
  }

 private:
  int looks_ = 0;
};

/// Nobody who receives is shown anything.
class nothing_waits : public store_through {
 public:
  using store_through::store_through;
  std::vector<due_row> waiting(const waiting_request&) override { return {}; }
};

/// Who receives is shown nothing four times of five.
class shows_seldom : public store_through {
 public:
  using store_through::store_through;
  std::vector<due_row> waiting(const waiting_request& which) override {
    constexpr int one_in = 5;
    auto rows = to().waiting(which);
    if (++looks_ % one_in != 0) rows.clear();
    return rows;
  }

 private:
  int looks_ = 0;
};

/// Who receives at one of the brokers is shown nothing.
seams looked_by_others_only() {
  seams planted;
  planted.wrap_store = [](std::unique_ptr<store> to, process& by, platform&) -> std::unique_ptr<store> {
    if (by.name() != "broker1") return to;
    return std::make_unique<nothing_waits>(std::move(to));
  };
  return planted;
}

/// As if it had been done, and is not.
std::vector<outcome> releases_only_told(store& to, std::span<const change> batch, platform&) {
  std::vector<change> others;
  std::copy_if(batch.begin(), batch.end(), std::back_inserter(others), [](const auto& c) { return !is_release(c); });
  auto done = to.apply(others);
  std::vector<outcome> outcomes;
  auto next = done.begin();
  for (const auto& what : batch)
    outcomes.push_back(is_release(what) ? pretended(to, std::span(&what, 1)).front() : *next++);
  return outcomes;
}

// ---- readers ----

template <class Reader>
seams readers() {
  seams planted;
  planted.wrap_reader = [](std::unique_ptr<store_reader> to) { return std::make_unique<Reader>(std::move(to)); };
  return planted;
}

class pages_of_any_size : public reader_through {
 public:
  using reader_through::reader_through;
  message_page list(const list_filter& filter) override {
    auto more = filter;
    more.text_bytes_max = static_cast<std::size_t>(-1);
    return reader_through::list(more);
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

// ---- engines ----

using wrap_publisher = std::function<std::unique_ptr<queue_publisher>(std::unique_ptr<queue_publisher>, process&)>;

seams publishers(wrap_publisher wrap) {
  seams planted;
  planted.wrap_engine = [wrap = std::move(wrap)](std::unique_ptr<platform> to, process& by) {
    auto through = std::make_unique<platform_through>(std::move(to));
    through->publish = [wrap, &by](std::unique_ptr<queue_publisher> made) { return wrap(std::move(made), by); };
    return through;
  };
  return planted;
}

/// Some events come back as unroutable, and the driver does not look.
class returns_ignored : public publisher_through {
 public:
  returns_ignored(std::unique_ptr<queue_publisher> to, process& by) : publisher_through(std::move(to)), by_(by) {}
  void publish(std::span<const outgoing> batch) override {
    for (const auto& out : batch)
      if (by_.env().random() % 20 != 0) publisher_through::publish(std::span(&out, 1));
  }

 private:
  process& by_;
};

class wrong_depth : public publisher_through {
 public:
  wrong_depth(std::unique_ptr<queue_publisher> to, std::size_t told) : publisher_through(std::move(to)), told_(told) {}
  std::size_t depth(const std::string& queue) override {
    publisher_through::depth(queue);
    return told_;
  }

 private:
  std::size_t told_;
};

/// Its first lost connection is its last.
class never_connects_again : public publisher_through {
 public:
  using publisher_through::publisher_through;
  void publish(std::span<const outgoing> batch) override {
    try {
      if (!lost_) return publisher_through::publish(batch);
    } catch (const unavailable&) {
      lost_ = true;
    }
    throw unavailable(unavailable::reason::away, "the connection was lost");
  }

 private:
  bool lost_ = false;
};

class never_acknowledges : public subscriber_through {
 public:
  using subscriber_through::subscriber_through;
  void acknowledge(std::span<const std::uint64_t>) override {}
};

seams never_acknowledging() {
  seams planted;
  planted.wrap_engine = [](std::unique_ptr<platform> to, process&) {
    auto through = std::make_unique<platform_through>(std::move(to));
    through->subscribe = [](std::unique_ptr<queue_subscriber> made) {
      return std::make_unique<never_acknowledges>(std::move(made));
    };
    return through;
  };
  return planted;
}

/// As an engine is used that keeps one offset, by a driver that stores it as soon as an event is handled.
class acknowledges_up_to : public subscriber_through {
 public:
  using subscriber_through::subscriber_through;
  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    auto received = subscriber_through::receive(max, longest);
    for (const auto& in : received) unsettled_.insert(in.tag);
    return received;
  }
  void acknowledge(std::span<const std::uint64_t> tags) override {
    if (tags.empty()) return;
    const auto end = unsettled_.upper_bound(*std::max_element(tags.begin(), tags.end()));
    const std::vector<std::uint64_t> all(unsettled_.begin(), end);
    unsettled_.erase(unsettled_.begin(), end);
    subscriber_through::acknowledge(all);
  }

 private:
  std::set<std::uint64_t> unsettled_;
};

seams acknowledging_up_to() {
  seams planted;
  planted.wrap_engine = [](std::unique_ptr<platform> to, process&) {
    auto through = std::make_unique<platform_through>(std::move(to));
    through->subscribe = [](std::unique_ptr<queue_subscriber> made) {
      return std::make_unique<acknowledges_up_to>(std::move(made));
    };
    return through;
  };
  return planted;
}

seams emptiness_unnoticed() {
  seams planted;
  planted.wrap_engine = [](std::unique_ptr<platform> to, process&) {
    auto through = std::make_unique<platform_through>(std::move(to));
    through->tell = [](amc::capabilities told) {
      told.empty_at_start = false;
      return told;
    };
    return through;
  };
  return planted;
}

// ---- what tells of changes by other processes ----

/// It connects again, and asks no more what it has missed, nor for anything else.
class deaf_after_reconnect : public change_feed {
 public:
  explicit deaf_after_reconnect(std::unique_ptr<change_feed> to) : to_(std::move(to)) {}
  news wait(milliseconds longest) override {
    try {
      auto told = to_->wait(longest);
      return deaf_ ? news{} : told;
    } catch (const unavailable&) {
      deaf_ = true;
      throw;
    }
  }

 private:
  std::unique_ptr<change_feed> to_;
  bool deaf_ = false;
};

/// Only hears, now and then, that something may have changed.
class hears_no_names : public change_feed {
 public:
  explicit hears_no_names(std::unique_ptr<change_feed> to) : to_(std::move(to)) {}
  news wait(milliseconds longest) override {
    auto told = to_->wait(longest);
    told.ids.clear();
    return told;
  }

 private:
  std::unique_ptr<change_feed> to_;
};

seams nameless_feed() {
  seams planted;
  planted.wrap_feed = [](std::unique_ptr<change_feed> to) { return std::make_unique<hears_no_names>(std::move(to)); };
  return planted;
}

seams never_expires() {
  return due([](std::vector<due_row>& rows) { std::erase_if(rows, [](const due_row& r) { return r.expired; }); });
}

seams deaf_feed() {
  seams planted;
  planted.wrap_feed = [](std::unique_ptr<change_feed> to) {
    return std::make_unique<deaf_after_reconnect>(std::move(to));
  };
  return planted;
}

// ---- clients ----

using send_wrongly = std::function<task<http::response>(http::caller&, http::request, milliseconds)>;

class spoiled_caller : public http::caller {
 public:
  spoiled_caller(std::shared_ptr<http::caller> to, send_wrongly spoil) : to_(std::move(to)), spoil_(std::move(spoil)) {}
  task<http::response> send(http::request asked, milliseconds timeout) override {
    return spoil_(*to_, std::move(asked), timeout);
  }

 private:
  std::shared_ptr<http::caller> to_;
  send_wrongly spoil_;
};

seams callers(std::function<send_wrongly()> make) {
  seams planted;
  planted.wrap_caller = [make = std::move(make)](std::shared_ptr<http::caller> to, process&) {
    return std::make_shared<spoiled_caller>(std::move(to), make());
  };
  return planted;
}

task<http::response> post_again(http::caller& to, http::request asked, milliseconds timeout) {
  std::optional<unavailable> failed;
  try {
    auto same = asked;
    co_return co_await to.send(std::move(same), timeout);
  } catch (const unavailable& why) {
    failed = why;
  }
  const bool sends = asked.method == "POST" && !asked.body.empty();
  if (!sends || failed->why() != unavailable::reason::outcome_unknown) throw unavailable(*failed);
  co_return co_await to.send(std::move(asked), timeout);
}

/// Answers from what it was told before.
send_wrongly with_a_cache() {
  auto kept = std::make_shared<std::map<std::string, http::response>>();
  return [kept](http::caller& to, http::request asked, milliseconds timeout) -> task<http::response> {
    const auto key = asked.method == "GET" && asked.target.starts_with("/messages/") ? asked.target : "";
    if (const auto known = kept->find(key); !key.empty() && known != kept->end()) {
      auto reply = known->second;
      kept->erase(known);
      co_return reply;
    }
    auto reply = co_await to.send(std::move(asked), timeout);
    if (!key.empty() && reply.status == 200) kept->emplace(key, reply);
    co_return reply;
  };
}

// ---- the table ----

seams sweep_by_cursor() {
  seams planted;
  planted.wrap_store = [](std::unique_ptr<store> to, process&, platform&) {
    auto seen = std::make_shared<uuid>();
    return std::make_unique<spoiled_due>(std::move(to), [seen](std::vector<due_row>& rows) {
      std::erase_if(rows, [&](const due_row& r) { return !(*seen < r.id); });
      for (const auto& r : rows) *seen = std::max(*seen, r.id);
    });
  };
  return planted;
}

seams expired_too_soon() {
  return due(
      [](std::vector<due_row>& rows) {
        for (auto& r : rows) r.expired = r.expired || r.unanswered > 0;
      },
      [](change& what) {
        if (is_expiry(what)) what.when.expired.reset();
      });
}

seams never_used_up() {
  return due(
      [](std::vector<due_row>& rows) {
        for (auto& r : rows) r.used_up = false;
      },
      [](change& what) { what.when.claims_left = false; });
}

/// As a statement would that reads it from a snapshot, and not from the row that it has locked.
seams past_of_another_revision() {
  seams planted;
  planted.note_past = [last = std::make_shared<std::map<uuid, std::string>>()](message& noted) {
    const auto said = noted.text;
    if (const auto known = last->find(noted.id); known != last->end()) noted.text = known->second;
    (*last)[noted.id] = said;
  };
  return planted;
}

std::vector<planted_bug> all_bugs() {
  using reason = unavailable::reason;
  return {
      {"told-before-durable", "the store tells what it has not synced",
       [] { return changes([](change& what) { what.durable = false; }); }},
      {"answers-not-durable", "only new messages are synced",
       [] { return changes([](change& what) { what.durable = what.insert; }); }},
      {"publish-before-commit", "the queue is rung before the row is committed", [] { return apply(publish_first); }},
      {"unknown-told-as-done", "a commit whose outcome is unknown counts as done",
       [] { return apply(when_it_fails({reason::outcome_unknown}, pretended)); }},
      {"unknown-retried-blindly", "a commit whose outcome is unknown is made again, and the second outcome told",
       [] {
         return apply(when_it_fails({reason::outcome_unknown},
                                    [](store& to, std::span<const change> batch) { return to.apply(batch); }));
       }},
      {"busy-told-as-done", "a commit that failed (busy, full) counts as done",
       [] {
         return apply(when_it_fails({reason::away, reason::full}, pretended));
       }},
      {"told-crosswise", "two answers of one batch go to each other's client", [] { return apply(told_crosswise); }},
      {"stale-answer-accepted", "an answer is not held to its revision",
       [] {
         return changes([](change& what) {
           if (is_answer(what)) what.when.revision.reset();
         });
       }},
      {"answer-after-the-end", "an answer is accepted in any status",
       [] {
         return changes([](change& what) {
           if (is_answer(what)) what.when.status.reset();
         });
       }},
      {"claim-not-guarded", "a revision that somebody works on is claimed",
       [] {
         return changes([](change& what) {
           if (is_claim(what)) what.when.open = false;
         });
       }},
      {"claims-counted", "a claim's number is the next one of its row, and is given again after a power loss",
       [] { return apply(counted_claims); }},
      {"claim-of-any-revision", "a claim is not held to its revision",
       [] {
         return changes([](change& what) {
           if (is_claim(what)) what.when.revision.reset();
         });
       }},
      {"claim-after-the-end", "a finished message is claimed",
       [] {
         return changes([](change& what) {
           if (is_claim(what)) what.when.status.reset();
         });
       }},
      {"ring-not-guarded", "the sweeper rings rows that have changed since it read them",
       [] {
         return changes([](change& what) {
           if (is_ringing(what)) what.when = {.status = status::pending};
         });
       }},
      {"final-failure-tried-again", "what has failed for good is due again after a pause",
       [] {
         return changes([](change& what) {
           if (is_failure(what) && is_for_good(what.then.error.value_or(""))) what.then.status.reset();
         });
       }},
      {"values-become-texts", "a JSON value is kept as the text of its JSON",
       [] { return changes([](change& what) { what.then.form = content_form::text; }); }},
      {"release-not-guarded", "a claim that is not the latest is given back",
       [] {
         return changes([](change& what) {
           if (is_release(what)) what.when = {.status = status::pending};
         });
       }},
      {"release-not-due", "what is given back is due when its lease would have ended",
       [] {
         return changes([](change& what) {
           if (is_release(what)) what.then.due_in.reset();
         });
       }},
      {"reopen-not-guarded", "a worker that has lost its claim opens whatever claim there is",
       [] {
         return changes([](change& what) {
           if (is_reopening(what)) what.when = {.status = status::pending};
         });
       }},
      {"reopen-not-due", "what a worker has lost is due when its lease would have ended",
       [] {
         return changes([](change& what) {
           if (is_reopening(what)) what.then.due_in.reset();
         });
       }},
      {"release-counted-twice", "a release that is told twice counts twice",
       [] {
         return changes([](change& what) {
           if (!is_release(what)) return;
           what.when.held.reset();
           what.when.unanswered_above.reset();
         });
       }},
      {"undelivered-is-kept", "what could not be delivered, since the client has hung up, is not released",
       [] { return apply(releases_only_told); }},
      {"handed-to-two", "what is handed off holds nobody off",
       [] {
         return changes([](change& what) {
           if (is_hand_off(what)) what.then.held = false;
         });
       }},
      {"hand-off-not-durable", "a revision that is handed off is not synced",
       [] {
         return changes([](change& what) {
           if (is_hand_off(what)) what.durable = false;
         });
       }},
      {"hand-off-not-counted", "a claim by hand-off does not count",
       [] {
         return changes([](change& what) {
           if (is_hand_off(what)) what.then.unanswered = effect::count::zero;
         });
       }},
      {"handed-over-a-backlog", "looks find nothing though something waits, so that what is new is handed off over it",
       [] { return stores<shows_seldom>(); }},
      {"looked-by-others-only", "who receives at one of the brokers is shown nothing", looked_by_others_only},
      {"nothing-waits", "who receives is shown nothing", [] { return stores<nothing_waits>(); }},
      {"lease-not-extended", "a lease is told to be extended, and is not", [] { return apply(leases_only_told); }},
      {"lease-not-held", "a claim holds nobody off",
       [] {
         return changes([](change& what) {
           if (is_claim(what)) what.then.held = false;
         });
       }},
      {"lonely-rule-dropped", "what has killed services is claimed in company",
       [] {
         return changes([](change& what) {
           if (is_claim(what)) what.when.unanswered_below.reset();
         });
       }},
      {"claims-never-used-up", "what kills every service is claimed for ever", never_used_up},
      {"buried-too-soon", "a message is dead after one claim without an answer",
       [] {
         return due([](std::vector<due_row>& rows) {
           for (auto& r : rows) r.used_up = r.unanswered > 0;
         });
       }},
      {"failures-never-end", "a message that fails always is never dead",
       [] {
         return changes([](change& what) {
           if (is_failure(what)) what.then.status.reset();
         });
       }},
      {"back-off-not-held", "a message that has failed is claimed at once",
       [] {
         return changes([](change& what) {
           if (is_failure(what)) what.then.held = false;
         });
       }},
      {"back-off-ignored", "a message that has failed is due after a millisecond",
       [] {
         return changes([](change& what) {
           if (is_failure(what)) what.then.due_in = milliseconds(1);
         });
       }},
      {"failure-counted-twice", "a failure that is told twice counts twice",
       [] {
         return changes([](change& what) {
           if (is_failure(what)) what.when.unanswered_above.reset();
         });
       }},
      {"held-after-its-failure", "a lease is extended when its claim has had its outcome",
       [] {
         return changes([](change& what) {
           if (is_extension(what)) what.when.unanswered_above.reset();
         });
       }},
      {"reason-forgotten", "why a message has failed is not kept",
       [] {
         return changes([](change& what) {
           if (is_failure(what)) what.then.error.reset();
         });
       }},
      {"retry-of-expired", "what has expired is retried",
       [] {
         return changes([](change& what) {
           if (is_retry(what)) what.when.expired.reset();
         });
       }},
      {"retry-goes-on-counting", "a retried message has the failures that it had",
       [] {
         return changes([](change& what) {
           if (is_retry(what)) what.then.failures = effect::count::keep;
         });
       }},
      {"expired-is-claimed", "what has expired is claimed",
       [] {
         return changes([](change& what) {
           if (is_claim(what)) what.when.expired.reset();
         });
       }},
      {"never-expires", "the sweeper leaves out what has expired", never_expires},
      {"delivered-too-soon", "`deliver_at` holds nobody off",
       [] {
         return changes([](change& what) {
           if (!what.then.due_at) return;
           what.then.due_at.reset();
           what.then.held = false;
           what.then.due_in = milliseconds(0);
         });
       }},
      {"expired-too-soon", "the sweeper's guess that a message has expired is not guarded", expired_too_soon},
      {"key-not-looked-at", "an idempotency key is kept and not looked at",
       [] { return changes([](change& what) { what.then.once.reset(); }); }},
      {"key-without-fingerprint", "a key that was used for another request answers with that one",
       [] { return apply(any_request_of_a_key); }},
      {"rings-behind-a-backlog", "new messages are rung while older ones wait for room",
       [] { return apply(never_behind_a_backlog); }},
      {"claims-bounded-by-count", "a batch of claims is granted whatever it weighs",
       [] {
         return changes([](change& what) {
           if (is_claim(what)) what.when.text_bytes_max.reset();
         });
       }},
      {"pages-bounded-by-count", "a page of a list holds what its texts weigh",
       [] { return readers<pages_of_any_size>(); }},
      {"fault-taken-for-absence", "a row that the store cannot take fails all that came with it",
       [] { return apply(fault_taken_for_an_absence); }},
      {"statement-not-reset", "after a row that could not be taken, the next look finds nothing",
       [] { return stores<never_reset>(); }},
      {"purges-all-alike", "dead messages are deleted when finished ones are",
       [] { return stores<purges_all_alike>(); }},
      {"purges-nothing", "nothing is ever deleted", [] { return stores<purges_nothing>(); }},
      {"past-of-another-revision", "what is kept of a revision is what the one before it said",
       past_of_another_revision},
      {"lists-any-status", "a list is not held to the status that was asked for",
       [] { return readers<lists_any_status>(); }},
      {"counts-wrongly", "what is due and what is held are counted for one another",
       [] { return readers<counts_wrongly>(); }},
      {"deaf-to-pauses", "who has not paused a queue itself goes on working on it",
       [] { return stores<deaf_to_pauses>(); }},
      {"resumes-without-ringing", "what was rung before a queue was paused is not rung when it is resumed",
       [] { return stores<resumes_without_ringing>(); }},
      {"looks-seldom", "four of five looks of the sweeper find nothing", [] { return stores<looks_seldom>(); }},
      {"sweep-by-id-cursor", "the sweeper goes on behind the last id that it has seen", sweep_by_cursor},
      {"sweep-newest-first", "the sweeper feeds the newest first",
       [] { return due([](std::vector<due_row>& rows) { std::reverse(rows.begin(), rows.end()); }); }},
      {"sweep-skips-held", "the sweeper leaves out what a dead service holds",
       [] {
         return due([](std::vector<due_row>& rows) { std::erase_if(rows, [](const due_row& r) { return r.held; }); });
       }},
      {"returned-message-ignored", "one event in twenty comes back as unroutable, and nobody looks",
       [] {
         return publishers([](auto to, process& by) { return std::make_unique<returns_ignored>(std::move(to), by); });
       }},
      {"depth-always-zero", "the engine's depth is told as zero",
       [] { return publishers([](auto to, process&) { return std::make_unique<wrong_depth>(std::move(to), 0); }); }},
      {"depth-always-full", "the engine's depth is told as full",
       [] {
         return publishers([](auto to, process&) { return std::make_unique<wrong_depth>(std::move(to), 1'000); });
       }},
      {"never-connects-again", "a publisher that has lost its connection stays without one",
       [] {
         return publishers([](auto to, process&) { return std::make_unique<never_connects_again>(std::move(to)); });
       }},
      {"emptiness-unnoticed", "a start with an empty engine rings nothing", emptiness_unnoticed},
      {"never-acknowledged", "events are not acknowledged", never_acknowledging},
      {"offset-above-unhandled", "an offset is stored above an event that is not handled", acknowledging_up_to},
      {"engine-before-unheard", "who has moved to another engine does not hear what is left in the one before",
       [] {
         seams planted;
         planted.hears_what_is_left = false;
         return planted;
       }},
      {"waiter-lost-on-reconnect", "a broker that had lost its change feed hears nothing any more", deaf_feed},
      {"waiters-hear-no-names", "who waits is told of others' changes once a second", nameless_feed},
      {"post-sent-again", "a client posts again without a key when it does not know what became of it",
       [] { return callers([] { return send_wrongly(post_again); }); }},
      {"answered-from-a-cache", "a client is shown what it was shown before", [] { return callers(with_a_cache); }},
  };
}

}  // namespace

const std::vector<planted_bug>& planted_bugs() {
  static const auto all = all_bugs();
  return all;
}

const planted_bug& planted_bug_named(std::string_view name) {
  for (const auto& bug : planted_bugs())
    if (bug.name == name) return bug;
  throw std::invalid_argument("no bug is named " + std::string(name));
}

}  // namespace amc::simulation
