#include <algorithm>
#include <set>

#include "tests/simulation/planted_seams.hpp"

namespace amc::simulation {
namespace {

using namespace planting;

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

/// Goes on behind the last id that it has seen.
class looks_by_id : public store_through {
 public:
  using store_through::store_through;
  std::vector<due_row> due(std::size_t limit) override {
    auto rows = to().due(limit);
    std::erase_if(rows, [&](const due_row& r) { return !(last_ < r.id); });
    for (const auto& r : rows) last_ = std::max(last_, r.id);
    return rows;
  }

 private:
  uuid last_{};
};

// ---- engines ----

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

/// Offers to the broker in its own process so many times what it has room for.
class offers_wrongly : public service::receiving_client {
 public:
  offers_wrongly(std::shared_ptr<service::receiving_client> to, std::size_t times)
      : to_(std::move(to)), times_(times) {}
  task<std::vector<result<claimed_revision>>> claim(std::vector<claim_request> requests) override {
    return to_->claim(std::move(requests));
  }
  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims) override {
    return to_->extend(std::move(claims));
  }
  task<void> release(std::vector<claimed> claims) override { return to_->release(std::move(claims)); }
  task<std::vector<result<status>>> fail(std::vector<failed_claim> failures) override {
    return to_->fail(std::move(failures));
  }
  task<std::vector<result<void>>> answer(std::vector<answer_request> answers) override {
    return to_->answer(std::move(answers));
  }
  task<service::received_round> receive(service::receive_round asked) override {
    return to_->receive(std::move(asked));
  }
  bool stands() const override { return to_->stands(); }
  void offer(const std::string& queue, const service::more_room& room) override {
    to_->offer(queue, {times_ * room.deliveries, static_cast<std::int64_t>(times_) * room.bytes, room.in_hand});
  }

 private:
  std::shared_ptr<service::receiving_client> to_;
  std::size_t times_;
};

seams offering(std::size_t times) {
  seams planted;
  planted.wrap_receiving = [times](std::shared_ptr<service::receiving_client> to) {
    return std::make_shared<offers_wrongly>(std::move(to), times);
  };
  return planted;
}

}  // namespace

std::vector<planted_bug> bugs_of_surroundings() {
  return {
      {"purges-all-alike", "dead messages are deleted when finished ones are",
       [] { return stores<purges_all_alike>(); }},
      {"purges-nothing", "nothing is ever deleted", [] { return stores<purges_nothing>(); }},
      {"looks-seldom", "four of five looks of the sweeper find nothing", [] { return stores<looks_seldom>(); }},
      {"sweep-by-id-cursor", "the sweeper goes on behind the last id that it has seen",
       [] { return stores<looks_by_id>(); }},
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
      {"room-is-offered-twice", "a request that stands gets twice the room that there is", [] { return offering(2); }},
      {"room-is-not-offered", "a request that stands gets no more room once it is used up", [] { return offering(0); }},
      {"answered-from-a-cache", "a client is shown what it was shown before", [] { return callers(with_a_cache); }},
  };
}

}  // namespace amc::simulation
