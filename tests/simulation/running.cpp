#include "tests/simulation/running.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "api/configuration.hpp"
#include "api/http_api.hpp"
#include "broker/configuration.hpp"
#include "broker/parts.hpp"
#include "consumer_services/direct_broker_client.hpp"
#include "consumer_services/in_process_broker_client.hpp"
#include "core/text.hpp"
#include "message_store/stores.hpp"
#include "queue_system/moving.hpp"
#include "service/service_runtime.hpp"
#include "tests/simulation/planted_through.hpp"
#include "tests/simulation/recording.hpp"
#include "tests/simulation/wording.hpp"

namespace amc::simulation {
namespace {

using service::broker_client;

/// Routers are few, and shared by all runs: to compile one takes longer than a run.
std::shared_ptr<const broker::router> routes(const scenario& plan) {
  static std::map<std::vector<std::string>, std::shared_ptr<const broker::router>> made;
  const auto settings = settings_of(plan);
  auto& shared = made[settings];
  if (!shared) {
    config_sources sources{.folder = "/nowhere", .sets = settings};
    sources.sets.emplace_back(R"(broker.routes=[{match: '^(\["|)[0-9]+[a-z]*>a', queue: a},
        {match: '^(\["|)[0-9]+[a-z]*>b', queue: b}, {match: '^(\["|)[0-9]+[a-z]*>:', done: true}])");
    shared = std::make_shared<const broker::router>(load_config({broker::provider()}, sources));
  }
  return shared;
}

config default_settings() {
  return load_config({broker::provider(), api::provider()}, {.folder = "/nowhere"});
}

broker::parts_options options_of(const scenario& plan) {
  static const auto defaults = broker::parts_options_from(default_settings());
  auto options = defaults;
  options.sweep.interval = plan.sweep_interval;
  options.purge.interval = plan.purge_interval;
  options.verbs.text_max_bytes = text_max_bytes;
  options.verbs.claims_max_bytes = claims_max_bytes;
  options.purge.what.kept = plan.kept;
  options.purge.what.dead_kept = plan.dead_kept;
  return options;
}

broker::mass_retry_options retry_options() {
  return {.per_second = 40};
}

api::api_options options_of_api(const scenario& plan) {
  static const auto defaults = api::api_options_from(default_settings());
  auto options = defaults;
  options.idempotency = plan.key_kept;
  options.receive_max_bytes = claims_max_bytes;
  return options;
}

message_store::limits bounds() {
  static const auto defaults = message_store::limits_from(
      load_config({message_store::provider()}, {.folder = "/nowhere"}), options_of({}).verbs.text_max_bytes);
  return defaults;
}

/// Tells the engine what was really done with, before a driver does.
class honest_subscriber : public subscriber_through {
 public:
  honest_subscriber(std::unique_ptr<queue_subscriber> to, engine& at) : subscriber_through(std::move(to)), at_(at) {}
  void acknowledge(std::span<const std::uint64_t> tags) override {
    at_.note_settled(tags);
    subscriber_through::acknowledge(tags);
  }
  void give_back(std::span<const std::uint64_t> tags) override {
    at_.note_settled(tags);
    subscriber_through::give_back(tags);
  }

 private:
  engine& at_;
};

std::unique_ptr<platform> connect_to(engine& at, const surroundings& around, process& by) {
  auto connected = at.connect(by);
  if (around.planted.wrap_engine) connected = around.planted.wrap_engine(std::move(connected), by);
  auto through = std::make_unique<platform_through>(std::move(connected));
  through->subscribe = [&at](std::unique_ptr<queue_subscriber> made) {
    return std::make_unique<honest_subscriber>(std::move(made), at);
  };
  return through;
}

/// As it is configured when a process starts: after a move, the next engine, and what is left in the one before.
std::shared_ptr<platform> connect_engine(const surroundings& around, process& by) {
  const auto moves_at = around.in.plan().moves_at;
  if (!moves_at || around.in.now() < *moves_at) return connect_to(around.queues, around, by);
  std::vector<queue_system::left_engine> left;
  if (around.planted.hears_what_is_left) left.push_back({"the one before", connect_to(around.queues, around, by)});
  return queue_system::make_moving(connect_to(around.next_queues, around, by), std::move(left),
                                   [clock = by.env().timers] { return clock->now(); });
}

/// P7: a page is bounded by its bytes, but for a first text that is larger by itself.
class weighing_reader : public store_reader {
 public:
  weighing_reader(std::unique_ptr<store_reader> to, world& in) : to_(std::move(to)), in_(in) {}

  message_page list(const list_filter& filter) override {
    auto page = to_->list(filter);
    std::size_t bytes = 0;
    for (const auto& m : page.rows) bytes += m->text.size();
    if (page.rows.size() > 1 && bytes > page_bytes_of(filter))
      in_.fail("a page has " + std::to_string(bytes) + " bytes of texts");
    return page;
  }
  std::vector<queue_counts> counts() override { return to_->counts(); }
  std::size_t pending_of(const std::string& owner, std::size_t at_most) override {
    return to_->pending_of(owner, at_most);
  }
  place_told place_of(const place_question& which) override { return to_->place_of(which); }
  told_past past_of(const uuid& id) override { return to_->past_of(id); }

 private:
  std::unique_ptr<store_reader> to_;
  world& in_;
};

/// What everything that works on messages directly shares in a process.
struct foundation {
  foundation(const surroundings& around, process& by) : platform(connect_engine(around, by)) {
    auto opened = around.store.open(by);
    const auto& planted = around.planted;
    if (planted.wrap_store)
      for (auto& driver : opened.drivers) driver = planted.wrap_store(std::move(driver), by, *platform);
    if (planted.wrap_reader) opened.reader = planted.wrap_reader(std::move(opened.reader));
    opened.reader = std::make_unique<weighing_reader>(std::move(opened.reader), around.in);
    if (planted.wrap_feed && opened.changes_elsewhere)
      opened.changes_elsewhere = planted.wrap_feed(std::move(opened.changes_elsewhere));
    store = std::make_shared<message_store::shared_store>(by.env(), std::move(opened), bounds());
    publisher = std::make_shared<queue_system::publisher>(by.env(), *platform);
  }

  std::unique_ptr<broker::parts> make_parts(const surroundings& around, process& by) const {
    const auto& env = by.env();
    auto ids = uuid_v7_source(env.wall_clock, env.random);
    const auto& plan = around.in.plan();
    auto options = options_of(plan);
    options.engine_is_heard = is_heard(plan);
    return std::make_unique<broker::parts>(env, message_store::async_store(env, store), publisher, routes(plan),
                                           std::move(ids), options);
  }

  std::shared_ptr<amc::platform> platform;
  std::shared_ptr<message_store::shared_store> store;
  std::shared_ptr<queue_system::publisher> publisher;
};

class running_broker : public running {
 public:
  running_broker(const surroundings& around, process& by, std::shared_ptr<const foundation> base)
      : planted_(around.planted),
        net_(around.net),
        by_(by),
        base_(std::move(base)),
        parts_(base_->make_parts(around, by)),
        waiters_(std::make_shared<broker::waiters>(by.env(), message_store::async_store(by.env(), base_->store),
                                                   broker::waiters_options{waiters_max, waiters_max_bytes})),
        receivers_(std::make_shared<broker::receivers>(
            by.env(), message_store::async_store(by.env(), base_->store), parts_->messages(),
            is_heard(around.in.plan()) ? base_->platform.get() : nullptr,
            broker::receivers_options{waiters_max, around.in.plan().sweep_interval})),
        retries_(std::make_shared<broker::mass_retry>(by.env(), parts_->messages(), retry_options())),
        purges_(std::make_shared<broker::mass_cancel>(by.env(), parts_->messages())),
        api_(by.env(), parts_->messages(), waiters_, receivers_, retries_, purges_, options_of_api(around.in.plan())) {
    parts_->run(base_->platform->capabilities().empty_at_start);
    net_.listen(by.name(), by, [this](http::request& asked) { return api_.handle(asked); });
  }

  std::shared_ptr<service::receiving_client> client_in_process() const {
    auto made = consumer_services::make_in_process_broker_client(by_.env().executor, parts_->messages(), receivers_);
    return planted_.wrap_receiving ? planted_.wrap_receiving(std::move(made)) : made;
  }

  task<void> stop() override {
    waiters_->send_home();
    receivers_->send_home();
    if (by_.alive()) net_.close(by_.name());
    while (by_.alive() && net_.in_flight(by_) > 0) co_await sleep_for(by_.env(), milliseconds(20));
    co_await waiters_->stop();
    co_await receivers_->stop();
    co_await retries_->stop();
    co_await purges_->stop();
    co_await parts_->stop();
  }

 private:
  static constexpr std::size_t waiters_max = 100, waiters_max_bytes = 1'000;

  const seams& planted_;
  network& net_;
  process& by_;
  std::shared_ptr<const foundation> base_;
  std::unique_ptr<broker::parts> parts_;
  std::shared_ptr<broker::waiters> waiters_;
  std::shared_ptr<broker::receivers> receivers_;
  std::shared_ptr<broker::mass_retry> retries_;
  std::shared_ptr<broker::mass_cancel> purges_;
  api::http_api api_;
};

/// What a handler of this world does with a message, and how long it takes.
class handling {
 public:
  handling(const surroundings& around, process& by, char queue) : around_(around), by_(by), queue_(1, queue) {}

  std::string handle(const delivery& work) {
    if (!by_.alive()) return work.text();
    const auto id = *parse_uuid(work.id());
    suffer(read(work.text())->nature, {id, work.revision()});
    const int run = ++around_.told.last_run;
    auto next = answered(work.text(), by_.name(), run);
    if (read(work.text())->nature == std::string(1, spoiling)) next.insert(next.find('>'), 1, unfit);
    around_.told.runs.push_back(
        {by_.name(), run, id, work.revision(), work.claim(), around_.in.now(), work.text(), queue_});
    around_.in.note(by_.name(), "handles", id, work.revision());
    return next;
  }

  milliseconds time() {
    auto& in = around_.in;
    if (!by_.alive()) return milliseconds(1);
    if (in.random().chance(in.plan().slow_handlers)) return in.between(0, 3 * in.plan().lease.count());
    return in.between(0, in.plan().handler_longest.count());
  }

 private:
  /// What the message does to its handler.
  void suffer(const std::string& nature, const std::pair<uuid, int>& revision) {
    if (nature.empty()) return;
    around_.in.note(by_.name(), "suffers a message of nature " + nature);
    if (nature.front() == poisonous) {
      if (has_taken_too_long(revision)) ++around_.in.claims_lost;
      by_.doom();
    }
    if (nature.front() == hopeless) throw reject(reason(nature));
    if (nature.front() == failing || (nature.front() == capricious && around_.in.random().chance(0.5)))
      throw std::runtime_error(reason(nature));
  }

  /// Whatever its process has in hand by now waits no longer for this handler, also what must be alone: it may never
  /// end.
  bool has_taken_too_long(const std::pair<uuid, int>& revision) const {
    const auto& all = around_.told.services;
    const auto here = [&](const auto& one) { return one->of == &by_; };
    const auto has = [&](const auto& one) { return here(one) && one->in_hand.contains(revision); };
    return std::any_of(all.begin(), all.end(), here) && std::none_of(all.begin(), all.end(), has);
  }

  /// Which may be much, and no text.
  std::string reason(const std::string& nature) const {
    constexpr std::size_t much = 200;
    auto text = "a message of nature " + nature;
    if (around_.in.plan().large > 0) text.append(much, '.');
    if (around_.in.plan().unfit > 0) text += '\xff';
    return text;
  }

  surroundings around_;
  process& by_;
  std::string queue_;
};

class running_service : public running {
 public:
  /// `base` is there where it works on the store, or shares a process with the broker; `broker` where it receives from
  /// that.
  running_service(const surroundings& around, process& by, char letter, bool on_the_store,
                  std::shared_ptr<const foundation> base, std::shared_ptr<service::company> with,
                  std::shared_ptr<service::receiving_client> broker = nullptr)
      : around_(around), by_(by), handling_(around, by, letter), base_(std::move(base)) {
    service::runtime_options options;
    options.company = std::move(with);
    options.concurrency = around.in.plan().concurrency;
    options.handler_timeout = around.in.plan().handler_timeout;
    auto handlers = by.slow_executor([this] { return handling_.time(); });
    if (!broker && around.in.plan().by_runtime && !on_the_store) broker = http_client();
    if (broker) {
      service::receiving how;
      how.worker = by.name() + " since " + std::to_string(by.in().now().count());
      how.wait = receive_wait;
      how.max_bytes = page_max_bytes;
      runtime_ = std::make_unique<service::service_runtime>(
          by.env(), definition(letter), record(std::move(broker), by, std::string(1, letter), around.told),
          std::move(how), std::move(handlers), options);
    } else {
      if (!base_) platform_ = connect_engine(around, by);
      auto client = on_the_store ? direct_client() : std::shared_ptr<broker_client>(http_client());
      if (around.planted.wrap_client) client = around.planted.wrap_client(std::move(client), by);
      runtime_ = std::make_unique<service::service_runtime>(
          by.env(), definition(letter), record(std::move(client), by, std::string(1, letter), around.told),
          base_ ? *base_->platform : *platform_, std::move(handlers), options);
    }
    runtime_->run();
  }

  task<void> stop() override {
    const auto longest = by_.alive() ? drain_timeout : milliseconds(0);
    co_await runtime_->stop(longest);
    if (parts_) co_await parts_->stop();
  }

 private:
  std::shared_ptr<broker_client> direct_client() {
    parts_ = base_->make_parts(around_, by_);
    parts_->run(false);
    return consumer_services::make_direct_broker_client(parts_->messages());
  }

  std::shared_ptr<service::receiving_client> http_client() {
    constexpr milliseconds timeout{2'000};
    auto calls = around_.net.connect(by_, broker_addresses(around_.in.plan()));
    return service::make_http_broker_client(std::move(calls), timeout);
  }

  service_definition definition(char letter) {
    return {.name = by_.name(), .queue = std::string(1, letter), .handler = [this](const delivery& work) {
              auto next = handling_.handle(work);
              return is_value(next) ? answer::json(std::move(next)) : answer(std::move(next));
            }};
  }

  static constexpr milliseconds drain_timeout{4'000};
  static constexpr milliseconds receive_wait{4'000};
  static constexpr std::size_t page_max_bytes = 1'000;

  surroundings around_;
  process& by_;
  handling handling_;
  std::shared_ptr<platform> platform_;
  std::shared_ptr<const foundation> base_;
  std::unique_ptr<broker::parts> parts_;
  std::unique_ptr<service::service_runtime> runtime_;
};

/// A worker as one would write it in another language: it asks for work, works, and brings the outcomes along when it
/// asks again. What it could not tell it tells again.
class running_receiver : public running {
 public:
  running_receiver(const surroundings& around, process& by, char letter)
      : around_(around),
        by_(by),
        handling_(around, by, letter),
        target_("/queues/" + std::string(1, letter) + "/receive"),
        name_(by.name() + " since " + std::to_string(around.in.now().count())),
        calls_(around.net.connect(by, broker_addresses(around.in.plan()))),
        ended_(std::make_shared<one_shot<bool>>(by.env().executor)) {
    by.spawn(work());
  }

  task<void> stop() override {
    stopping_ = true;
    co_await ended_->wait();
  }

 private:
  bool goes_on() const { return by_.alive() && !(stopping_ && told_.empty()); }

  task<void> work() {
    while (goes_on()) {
      const auto reply = co_await ask();
      if (!by_.alive()) break;
      if (reply.status != ok)
        co_await sleep_for(by_.env(), milliseconds(200));
      else
        co_await take(boost::json::parse(reply.body).as_object());
    }
    ended_->set(true);
  }

  /// As many as it can work on within half a lease, one after the other; whose answers fit into one request.
  std::size_t most() const {
    const auto& plan = around_.in.plan();
    if (plan.large > 0) return 1;
    const auto in_time = plan.lease / (2 * plan.handler_longest);
    return std::clamp<std::size_t>(static_cast<std::size_t>(in_time), 1, plan.concurrency);
  }

  task<http::response> ask() {
    auto body = told_;
    body["worker"] = name_;
    body["max"] = stopping_ ? 0 : most();
    note_outcomes();
    http::request asked{"POST", target_, {}, boost::json::serialize(body)};
    if (told_.empty()) asked.headers.add("Prefer", "wait=4");
    constexpr milliseconds timeout{6'000};
    http::response reply;
    std::string failed;
    try {
      reply = co_await calls_->send(std::move(asked), timeout);
    } catch (const unavailable& why) {
      failed = why.what();
      reply.status = 0;
    }
    if (by_.alive() && reply.status != ok) complain(reply, failed);
    co_return reply;
  }

  void complain(const http::response& reply, const std::string& why) {
    const bool refused = reply.status >= 400 && reply.status < 500;
    if (refused || around_.in.calm())
      around_.in.fail(by_.name() + " receives nothing, though nothing is wrong: " + why + reply.body);
  }

  /// What it is about to tell.
  void note_outcomes() {
    first_ = around_.told.requests.size();
    for (const auto& a : list("answers")) {
      told entry{by_.name(), "answer", around_.in.now()};
      entry.id = parse_uuid(a.at("id").as_string());
      entry.revision = static_cast<int>(a.at("revision").as_int64());
      entry.sent = text_of(a.at("message"));
      around_.told.requests.push_back(std::move(entry));
    }
    for (const auto& f : list("failures"))
      around_.told.asked.insert({"fail", *parse_uuid(f.at("id").as_string()),
                                 static_cast<int>(f.at("revision").as_int64()), f.at("claim").as_int64()});
  }

  boost::json::array list(const char* name) const {
    const auto* found = told_.if_contains(name);
    return found ? found->as_array() : boost::json::array();
  }

  task<void> take(boost::json::object reply) {
    told_.clear();
    note_verdicts(reply);
    const auto deliveries = reply.at("deliveries").as_array();
    if (deliveries.size() > most()) around_.in.fail(by_.name() + " is given more than it has asked for");
    for (const auto& d : deliveries) {
      if (d.as_object().contains("alone") && deliveries.size() > 1)
        around_.in.fail(by_.name() + " is given in company what must be alone");
      co_await sleep_for(by_.env(), handling_.time());
      if (!by_.alive()) co_return;
      work_on(d.as_object());
    }
  }

  void note_verdicts(const boost::json::object& reply) {
    const auto* answers = reply.if_contains("answers");
    if (!answers) return;
    for (std::size_t i = 0; i < answers->as_array().size(); ++i) {
      auto& entry = around_.told.requests[first_ + i];
      const bool taken = !answers->as_array()[i].as_object().contains("refused");
      entry.ended = around_.in.now();
      entry.outcome = taken ? told::verdict::ok : told::verdict::refused;
      entry.decided = true;
      around_.in.note(by_.name(), taken ? "answered" : "was refused", *entry.id, *entry.revision);
      const auto why = taken ? "" : std::string(answers->as_array()[i].at("refused").as_string());
      if (why == "invalid" || why == "unroutable") fail(entry, answers->as_array()[i].at("detail").as_string());
    }
  }

  /// An answer that nobody takes is a failure, told next.
  void fail(const told& entry, const boost::json::string& why) {
    if (!is_unfit(entry.sent)) around_.in.fail(by_.name() + "'s answer to a healthy message was refused");
    boost::json::object failure{{"id", to_string(*entry.id)}, {"revision", *entry.revision}};
    failure["claim"] = claims_.at(*entry.id);
    failure["error"] = why;
    tell("failures", std::move(failure));
  }

  void tell(const char* kind, boost::json::object outcome) {
    auto& all = told_[kind];
    if (!all.is_array()) all = boost::json::array();
    all.as_array().push_back(std::move(outcome));
  }

  void work_on(const boost::json::object& d) {
    claimed_revision work;
    work.id = *parse_uuid(d.at("id").as_string());
    work.revision = static_cast<int>(d.at("revision").as_int64());
    work.claim = d.at("claim").as_int64();
    work.text = text_of(d.at("message"));
    boost::json::object outcome{{"id", d.at("id")}, {"revision", work.revision}};
    std::string failed;
    try {
      outcome["message"] = said_in_json(handling_.handle(delivery(std::make_shared<const claimed_revision>(work))));
    } catch (const reject& why) {
      failed = why.what();
      outcome["final"] = true;
    } catch (const std::exception& why) {
      failed = why.what();
    }
    if (!by_.alive()) return;
    const char* kind = failed.empty() ? "answers" : "failures";
    if (!failed.empty()) outcome["claim"] = work.claim, outcome["error"] = made_valid(failed);
    claims_[work.id] = work.claim;
    tell(kind, std::move(outcome));
  }

  static constexpr int ok = 200;
  surroundings around_;
  process& by_;
  handling handling_;
  std::string target_;
  std::string name_;
  std::shared_ptr<http::caller> calls_;
  boost::json::object told_;  ///< and not taken yet
  std::map<uuid, std::int64_t> claims_;
  std::size_t first_ = 0;  ///< where the journal has the answers that are being told
  bool stopping_ = false;
  std::shared_ptr<one_shot<bool>> ended_;
};

/// `amc all`: the broker and every service in one process, with the queue engine in it.
class running_together : public running {
 public:
  running_together(const surroundings& around, process& by)
      : base_(std::make_shared<const foundation>(around, by)), broker_(around, by, base_) {
    const auto& plan = around.in.plan();
    const auto broker = plan.receive ? broker_.client_in_process() : nullptr;
    // A worker has one request parked for a queue: those of one process that receive have one service for each.
    for (int i = 0; i < (plan.receive ? 1 : plan.services_a); ++i)
      services_.push_back(std::make_unique<running_service>(around, by, 'a', false, base_, all_, broker));
    for (int i = 0; i < (plan.receive ? 1 : plan.services_b); ++i)
      services_.push_back(std::make_unique<running_service>(around, by, 'b', true, base_, all_, broker));
  }

  task<void> stop() override {
    for (const auto& service : services_) co_await service->stop();
    co_await broker_.stop();
  }

 private:
  std::shared_ptr<const foundation> base_;
  std::shared_ptr<service::company> all_ = std::make_shared<service::company>();
  running_broker broker_;
  std::vector<std::unique_ptr<running_service>> services_;
};

}  // namespace

bool is_heard(const scenario& plan) {
  return !plan.unheard && !(plan.together && plan.receive);
}

std::vector<std::string> broker_addresses(const scenario& plan) {
  std::vector<std::string> all;
  for (int i = 1; i <= plan.brokers; ++i) all.push_back("broker" + std::to_string(i));
  return all;
}

std::vector<std::string> sweepers(const scenario& plan) {
  auto all = broker_addresses(plan);
  for (int i = 1; i <= plan.services_b && !plan.together && !plan.unheard; ++i) all.push_back("b" + std::to_string(i));
  return all;
}

std::unique_ptr<running> run_broker(const surroundings& around, process& by) {
  return std::make_unique<running_broker>(around, by, std::make_shared<const foundation>(around, by));
}

std::unique_ptr<running> run_service(const surroundings& around, process& by, char letter, bool on_the_store) {
  const auto& plan = around.in.plan();
  if (!on_the_store && plan.receive && !plan.by_runtime) return std::make_unique<running_receiver>(around, by, letter);
  auto base = on_the_store ? std::make_shared<const foundation>(around, by) : nullptr;
  return std::make_unique<running_service>(around, by, letter, on_the_store, std::move(base),
                                           std::make_shared<service::company>());
}

std::unique_ptr<running> run_together(const surroundings& around, process& by) {
  around.queues.wipe();
  around.in.last_start = around.in.now();
  return std::make_unique<running_together>(around, by);
}

}  // namespace amc::simulation
