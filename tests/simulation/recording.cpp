#include "tests/simulation/recording.hpp"

#include <boost/json.hpp>
#include <charconv>

#include "core/time_text.hpp"
#include "tests/simulation/wording.hpp"

namespace amc::simulation {
namespace json = boost::json;
namespace {

std::string text_in(const json::value& body, const char* name) {
  const auto* fields = body.if_object();
  const auto* value = fields ? fields->if_contains(name) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string said_in(const json::value& body) {
  const auto* fields = body.if_object();
  const auto* said = fields ? fields->if_contains("message") : nullptr;
  return said ? text_of(*said) : std::string();
}

json::value parsed(const std::string& body) {
  boost::system::error_code ignored;
  return json::parse(body, ignored);
}

/// The id in "/messages/ID", "/messages/ID/retry" or "/?id=ID".
std::optional<uuid> id_in(const http::request& asked) {
  constexpr std::size_t length = 36;
  const std::string_view target(asked.target);
  for (const std::string_view before : {"/messages/", "/?id="})
    if (target.starts_with(before)) return parse_uuid(target.substr(before.size(), length));
  return {};
}

std::optional<int> revision_in(const http::request& asked) {
  auto field = asked.headers.find("If-Match");
  if (!field) field = asked.headers.find("If-None-Match");
  if (!field || field->size() < 3) return {};
  int revision = 0;
  std::from_chars(field->data() + 1, field->data() + field->size() - 1, revision);
  return revision;
}

milliseconds wait_in(const http::request& asked) {
  constexpr std::string_view name = "wait=";
  const auto field = asked.headers.find("Prefer").value_or("");
  int seconds = 0;
  if (field.starts_with(name)) std::from_chars(field.data() + name.size(), field.data() + field.size(), seconds);
  return std::chrono::seconds(seconds);
}

mass_retry retries_in(const json::value& body) {
  return {parse_status(text_in(body, "status")).value_or(status::dead), text_in(body, "queue"), text_in(body, "error")};
}

/// What an operator wants is told by the end of the path.
std::string method_of(const http::request& asked) {
  if (asked.method == "POST")
    for (const std::string verb : {"retry", "run-now", "move", "purge"})
      if (asked.target.ends_with("/" + verb)) return verb;
  return asked.method;
}

/// The queue in "/queues/QUEUE/purge".
std::string queue_in(const http::request& asked) {
  constexpr std::string_view before = "/queues/";
  const std::string_view target(asked.target);
  if (!target.starts_with(before)) return {};
  const auto name = target.substr(before.size());
  return std::string(name.substr(0, name.find('/')));
}

told what_is_asked(const http::request& asked, const process& by) {
  told entry{by.name(), method_of(asked), by.in().now()};
  entry.id = id_in(asked);
  entry.revision = revision_in(asked);
  entry.longest = wait_in(asked);
  entry.waits = entry.longest > milliseconds(0);
  entry.key = asked.headers.find("Idempotency-Key").value_or("");
  entry.queue = queue_in(asked);
  if (asked.body.empty()) return entry;
  const auto body = parsed(asked.body);
  if (asked.target == "/retries") entry.retries = retries_in(body);
  entry.sent = said_in(body);
  if (entry.method == "retry" && !entry.sent.empty()) entry.method = "edit";
  if (entry.queue.empty()) entry.queue = text_in(body, "queue");
  entry.expires_at = parse_rfc3339(text_in(body, "expires_at"));
  entry.deliver_at = parse_rfc3339(text_in(body, "deliver_at"));
  return entry;
}

told::verdict verdict_of(int status) {
  if (status < 400) return told::verdict::ok;
  return status < 500 ? told::verdict::refused : told::verdict::unknown;
}

class recording_caller : public http::caller {
 public:
  recording_caller(std::shared_ptr<http::caller> calls, process& by, journal& into)
      : calls_(std::move(calls)), by_(by), into_(into) {}

  task<http::response> send(http::request asked, milliseconds timeout) override {
    const auto at = into_.requests.size();
    into_.requests.push_back(what_is_asked(asked, by_));
    http::response reply;
    std::optional<unavailable> failed;
    try {
      reply = co_await calls_->send(std::move(asked), timeout);
    } catch (const unavailable& why) {
      failed = why;
    }
    if (by_.alive()) conclude(into_.requests[at], failed ? nullptr : &reply, failed);
    if (failed) throw unavailable(*failed);
    co_return reply;
  }

 private:
  void conclude(told& entry, const http::response* reply, const std::optional<unavailable>& failed) {
    entry.ended = by_.in().now();
    if (failed) {
      by_.in().note(by_.name(), failed->what());
      if (by_.in().calm())
        by_.in().fail(by_.name() + "'s " + entry.method +
                      " came to nothing, though nothing is wrong: " + failed->what());
      if (failed->why() == unavailable::reason::away) entry.outcome = told::verdict::refused;  // nothing was sent
      return;
    }
    entry.status = reply->status;
    entry.outcome = verdict_of(reply->status);
    entry.decided = true;
    check_status(entry);
    if (reply->status < 300) entry.now = shown_in(parsed(reply->body));
    if (entry.now)
      by_.in().note(by_.name(), entry.method, entry.now->id, entry.now->revision);
    else
      by_.in().note(by_.name(), entry.method, static_cast<std::uint64_t>(reply->status));
  }

  /// P7: nobody's input costs anybody else's request, nor does its size.
  void check_status(const told& entry) const {
    constexpr int unprocessable = 422, unavailable_now = 503;
    const bool may_be_refused = !entry.key.empty() || is_unfit(entry.sent);
    const bool odd = entry.status == 400 || entry.status == 405 || entry.status == 413 || entry.status == 500 ||
                     (entry.status == unprocessable && !may_be_refused);
    if (odd || (entry.status == unavailable_now && by_.in().calm()))
      by_.in().fail(by_.name() + "'s " + entry.method + " was answered " + std::to_string(entry.status));
    if (is_unfit(entry.sent) && entry.outcome == told::verdict::ok)
      by_.in().fail(by_.name() + " was told that a text is stored that no store takes");
  }

  std::shared_ptr<http::caller> calls_;
  process& by_;
  journal& into_;
};

class recording_client : public service::receiving_client {
 public:
  /// `receives`: the same as `asks`, where it receives.
  recording_client(std::shared_ptr<broker_client> asks, std::shared_ptr<receiving_client> receives, process& by,
                   std::string queue, journal& into)
      : asks_(std::move(asks)),
        receives_(std::move(receives)),
        by_(by),
        into_(into),
        hands_(std::make_shared<hands>()) {
    hands_->of = &by;
    hands_->queue = std::move(queue);
    hands_->idle_since = by.in().now();
    if (!receives_)
      into_.services.push_back(hands_);
    else if (by.in().plan().together)
      into_.receivers.push_back(hands_);
  }

  task<std::vector<result<claimed_revision>>> claim(std::vector<claim_request> requests) override {
    const auto asked = requests;
    if (by_.alive()) check_company(asked);
    ++hands_->asking;
    std::vector<result<claimed_revision>> became;
    std::optional<unavailable> failed;
    try {
      became = co_await asks_->claim(std::move(requests));
    } catch (const unavailable& why) {
      failed = why;
    }
    --hands_->asking;
    for (std::size_t i = 0; i < became.size(); ++i)
      if (became[i]) hands_->in_hand[{asked[i].ready.id, asked[i].ready.revision}] = by_.in().now();
    note_idle();
    if (failed && by_.alive() && by_.in().calm())
      by_.in().fail(by_.name() + " cannot claim, though nothing is wrong: " + failed->what());
    if (failed) throw unavailable(*failed);
    co_return became;
  }

  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims) override {
    for (const auto& c : claims) note("extend", c);
    return asks_->extend(std::move(claims));
  }

  task<void> release(std::vector<claimed> claims) override {
    for (const auto& c : claims) {
      note("release", c);
      drop(c.ready.id, c.ready.revision);
    }
    return asks_->release(std::move(claims));
  }

  task<std::vector<result<status>>> fail(std::vector<failed_claim> failures) override {
    if (!by_.alive()) co_return co_await gone<status>(failures.size());
    const auto asked = failures;
    for (const auto& f : asked) note("fail", f.what);
    auto became = co_await asks_->fail(std::move(failures));
    for (const auto& f : asked) drop(f.what.ready.id, f.what.ready.revision);
    co_return became;
  }

  task<std::vector<result<void>>> answer(std::vector<answer_request> answers) override {
    if (!by_.alive()) co_return co_await gone<void>(answers.size());
    const auto first = into_.requests.size();
    note(answers);
    const auto became = co_await asks_->answer(std::move(answers));
    conclude(first, became);
    co_return became;
  }

  task<service::received_round> receive(service::receive_round asked) override {
    if (!by_.alive()) throw unavailable(unavailable::reason::away, "this process is gone");
    const auto first = into_.requests.size();
    note(asked.answers);
    const auto failures = asked.failures;
    for (const auto& f : failures) note("fail", f.what);
    const auto max = asked.max;
    if (asked.take)
      asked.take = [this, take = std::move(asked.take)](std::vector<claimed_revision> deliveries, std::size_t bytes) {
        note(deliveries);
        take(std::move(deliveries), bytes);
      };
    service::received_round came;
    std::optional<unavailable> failed;
    try {
      came = co_await receives_->receive(std::move(asked));
    } catch (const unavailable& why) {
      failed = why;
    }
    if (failed && by_.alive() && by_.in().calm())
      by_.in().fail(by_.name() + " cannot receive, though nothing is wrong: " + failed->what());
    if (failed) throw unavailable(*failed);
    conclude(first, came.answers);
    for (const auto& f : failures) drop(f.what.ready.id, f.what.ready.revision);
    if (!by_.alive()) co_return came;
    if (came.deliveries.size() > max) by_.in().fail(by_.name() + " is given more than it has asked for");
    note(came.deliveries);
    co_return came;
  }

  bool stands() const override { return receives_->stands(); }
  void offer(const std::string& queue, const service::more_room& room) override {
    if (by_.alive()) receives_->offer(queue, room);
  }

 private:
  void note(const std::vector<claimed_revision>& deliveries) {
    if (!by_.alive()) return;
    for (const auto& work : deliveries) hands_->in_hand[{work.id, work.revision}] = by_.in().now();
    if (!deliveries.empty()) note_idle();
    if (hands_->in_hand.size() > by_.in().plan().concurrency)
      by_.in().fail(by_.name() + " has more in hand than it has handlers for");
  }

  void note(const std::vector<answer_request>& answers) {
    for (const auto& a : answers) {
      check_in_time(a);
      told entry{by_.name(), "answer", by_.in().now()};
      entry.id = a.id;
      entry.revision = a.revision;
      entry.sent = a.said.text;
      into_.requests.push_back(std::move(entry));
    }
  }

  void conclude(std::size_t first, const std::vector<result<void>>& became) {
    for (std::size_t i = 0; i < became.size() && by_.alive(); ++i) conclude(into_.requests[first + i], became[i]);
  }

  void conclude(told& entry, const result<void>& became) {
    entry.ended = by_.in().now();
    entry.outcome = became ? told::verdict::ok : told::verdict::refused;
    entry.decided = true;
    by_.in().note(by_.name(), became ? "answered" : "was refused", *entry.id, *entry.revision);
    const bool fails_instead =
        !became && (became.error().code == errc::unroutable || became.error().code == errc::invalid);
    if (fails_instead && !is_unfit(entry.sent))
      by_.in().fail(by_.name() + "'s answer to a healthy message was refused: " + became.error().detail);
    drop(*entry.id, *entry.revision);
  }

  /// P3: who claims alone has nothing else in hand in its whole process, and nobody there claims meanwhile.
  void check_company(const std::vector<claim_request>& asked) {
    const bool alone = std::any_of(asked.begin(), asked.end(), [](const claim_request& r) { return r.alone; });
    for (const auto& other : into_.services) {
      if (other->of != &by_ || other->idle()) continue;
      if (alone || other->alone) by_.in().fail(by_.name() + " claims in company what it has to claim alone");
    }
    if (alone && asked.size() > 1) by_.in().fail(by_.name() + " claims several alone");
    hands_->alone = alone;
    const auto most = by_.in().plan().concurrency;
    if (hands_->in_hand.size() + asked.size() > most)
      by_.in().fail(by_.name() + " claims more than it has handlers for");
  }

  /// A handler that has taken too long has failed, whatever it says in the end.
  void check_in_time(const answer_request& a) {
    constexpr milliseconds a_moment{100};
    const auto since = hands_->in_hand.find({a.id, a.revision.value_or(0)});
    if (since == hands_->in_hand.end() || trouble() >= since->second) return;
    const auto run = std::find_if(into_.runs.rbegin(), into_.runs.rend(), [&](const handled& r) {
      return r.who == by_.name() && r.id == a.id && r.revision == a.revision;
    });
    if (run != into_.runs.rend() && run->ended - since->second > by_.in().plan().handler_timeout + a_moment)
      by_.in().fail(by_.name() + " answers for a handler that has taken too long");
  }

  /// When something last went wrong that may keep a service waiting.
  milliseconds trouble() const {
    const auto& in = by_.in();
    return std::max(in.last_trouble_of(by_.name()),
                    in.last_trouble({fault::network_cut, fault::request_lost, fault::request_late, fault::response_lost,
                                     fault::store_away, fault::store_busy, fault::store_full, fault::store_unknown,
                                     fault::pause, fault::kill, fault::stop}));
  }

  void note(const char* verb, const claimed& c) {
    if (by_.alive()) into_.asked.insert({verb, c.ready.id, c.ready.revision, c.claim});
  }

  void drop(const uuid& id, int revision) {
    hands_->in_hand.erase({id, revision});
    note_idle();
  }

  void note_idle() { hands_->idle_since = by_.in().now(); }

  /// Or it would try for ever.
  template <class T>
  static task<std::vector<result<T>>> gone(std::size_t count) {
    const error why{errc::stale, "this process is gone"};
    co_return std::vector<result<T>>(count, why);
  }

  std::shared_ptr<broker_client> asks_;
  std::shared_ptr<receiving_client> receives_;
  process& by_;
  journal& into_;
  std::shared_ptr<hands> hands_;
};

}  // namespace

std::optional<shown> shown_in(const json::value& body) {
  const auto id = parse_uuid(text_in(body, "id"));
  const auto state = parse_status(text_in(body, "status"));
  if (!id || !state) return {};
  shown now{*id, said_in(body), static_cast<int>(body.as_object().at("revision").as_int64()), *state, {}};
  if (const auto* attempts = body.as_object().if_contains("attempts"))
    for (const auto& one : attempts->as_array()) now.errors.push_back(text_in(one, "error"));
  return now;
}

std::shared_ptr<http::caller> record(std::shared_ptr<http::caller> calls, process& by, journal& into) {
  return std::make_shared<recording_caller>(std::move(calls), by, into);
}

std::shared_ptr<service::broker_client> record(std::shared_ptr<service::broker_client> asks, process& by,
                                               std::string queue, journal& into) {
  return std::make_shared<recording_client>(std::move(asks), nullptr, by, std::move(queue), into);
}

std::shared_ptr<service::receiving_client> record(std::shared_ptr<service::receiving_client> asks, process& by,
                                                  std::string queue, journal& into) {
  return std::make_shared<recording_client>(asks, asks, by, std::move(queue), into);
}

}  // namespace amc::simulation
