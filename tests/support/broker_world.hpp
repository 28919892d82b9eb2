#pragma once

#include <deque>

#include "access/configuration.hpp"
#include "api/configuration.hpp"
#include "broker/configuration.hpp"
#include "broker/parts.hpp"
#include "message_store/stores.hpp"
#include "queue_system/event_codec.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/manual_environment.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/scripted_platform.hpp"

namespace amc::tests {

/// Tells what the test says.
class scripted_feed : public change_feed {
 public:
  explicit scripted_feed(std::deque<news>& told) : told_(told) {}
  news wait(milliseconds) override {
    news next;
    if (told_.empty()) return next;
    next = std::move(told_.front());
    told_.pop_front();
    return next;
  }

 private:
  std::deque<news>& told_;
};

/// A whole broker without sockets, threads or a real clock: the production logic over a store and an engine in memory.
struct broker_world {
  explicit broker_world(std::vector<std::string> sets = {}, std::shared_ptr<access::identity> identity = nullptr,
                        std::shared_ptr<const telemetry::tracer> tells = nullptr)
      : traces(std::move(tells)) {
    const auto settings = configured(std::move(sets));
    auto opened = open_memory([this] { return world.wall_clock(); });
    disk = static_cast<memory_store*>(opened.drivers.front().get());
    opened.changes_elsewhere = std::make_unique<scripted_feed>(elsewhere);
    shared = std::make_shared<message_store::shared_store>(
        world.env(), std::move(opened), message_store::limits_from(settings, broker::message_max_bytes(settings)));
    publisher = std::make_shared<queue_system::publisher>(world.env(), engine);
    parts = make_parts(settings);
    messages = parts->messages();
    waiters = std::make_shared<broker::waiters>(world.env(), message_store::async_store(world.env(), shared),
                                                api::waiters_options_from(settings));
    receivers = std::make_shared<broker::receivers>(world.env(), message_store::async_store(world.env(), shared),
                                                    messages, &engine, api::receivers_options_from(settings));
    retries = std::make_shared<broker::mass_retry>(
        world.env(), messages, broker::mass_retry_options{settings.size("broker.retries_per_second")});
    auto options = api::api_options_from(settings);
    options.refuses_forwarded = access::refuses_forwarded(settings);
    options.of_each = access::quota_from(settings);
    options.quota_refusal_delay = settings.duration("broker.access.quota.refusal_delay_ms");
    options.settings = std::make_shared<config_in_force>(settings);
    purges = std::make_shared<broker::mass_cancel>(world.env(), messages);
    api = std::make_unique<api::http_api>(world.env(), messages, waiters, receivers, retries, purges,
                                          std::move(options), std::move(identity));
  }

  ~broker_world() {
    waiters->send_home();
    receivers->send_home();
    world.run(waiters->stop());
    world.run(receivers->stop());
    world.run(retries->stop());
    world.run(purges->stop());
    world.run(parts->stop());
  }

  /// One more of what works on the same store and engine.
  std::unique_ptr<broker::parts> make_parts(const config& settings) {
    auto options = broker::parts_options_from(settings);
    options.verbs.traces = traces;
    return std::make_unique<broker::parts>(world.env(), message_store::async_store(world.env(), shared), publisher,
                                           std::make_shared<const broker::router>(settings),
                                           uuid_v7_source([this] { return world.wall_clock(); }, system_random),
                                           options);
  }

  uuid accept(const std::string& text) {
    const auto id = messages->new_id();
    if (!world.run(messages->accept(id, text))) throw std::logic_error("not accepted: " + text);
    return id;
  }

  row find(const uuid& id) { return world.run(messages->find(id)).value(); }

  std::size_t depth(const std::string& queue) { return engine.queues[queue].size(); }

  /// Takes the oldest event out of a queue.
  event take(const std::string& queue) {
    const auto taken = queue_system::decode(engine.queues[queue].front()).value();
    engine.queues[queue].pop_front();
    return taken;
  }

  http::response ask(const std::string& method, const std::string& target, const std::string& body = "",
                     const http::headers& headers = {}, api::listener at = api::listener::http) {
    http::request asked{method, target, headers, body};
    auto reply = world.run(api->handle(asked, at));
    if (reply.receipt) reply.receipt->written();
    return reply;
  }

  std::shared_ptr<const telemetry::tracer> traces;  ///< null: nothing is traced
  manual_environment world;
  /// What other processes tell that they have changed.
  std::deque<change_feed::news> elsewhere;
  scripted_platform engine;
  memory_store* disk = nullptr;
  std::shared_ptr<message_store::shared_store> shared;
  std::shared_ptr<queue_system::publisher> publisher;
  std::unique_ptr<broker::parts> parts;
  std::shared_ptr<broker::messages> messages;
  std::shared_ptr<broker::waiters> waiters;
  std::shared_ptr<broker::receivers> receivers;
  std::shared_ptr<broker::mass_retry> retries;
  std::shared_ptr<broker::mass_cancel> purges;
  std::unique_ptr<api::http_api> api;
};

}  // namespace amc::tests
