#include "tests/simulation/cluster.hpp"

namespace amc::simulation {
namespace {

/// A requester has nothing of its own: what it does is spawned on its process.
class idle : public running {
 public:
  task<void> stop() override { co_return; }
};

}  // namespace

node::node(const surroundings& around, std::string name, program runs)
    : around_(around), name_(std::move(name)), program_(std::move(runs)) {}

void node::start() {
  if (process_) return;
  around_.in.note(name_, "starts");
  around_.in.note_start_of(name_);
  process_ = std::make_shared<process>(around_.in, name_);
  process_->bury = [this] {
    constexpr milliseconds away{700};
    bury(away);
  };
  stopping_ = false;
  running_ = program_(*process_);
}

void node::pause(milliseconds longest) {
  if (!process_) return;
  around_.in.note(name_, "stands still for ms", static_cast<std::uint64_t>(longest.count()));
  process_->pause(longest);
}

void node::kill(milliseconds away) {
  if (!process_) return;
  bury(away);
}

void node::bury(milliseconds away) {
  around_.in.note(name_, "is killed");
  around_.in.last_harm = around_.in.now();
  around_.in.note_trouble_of(name_, around_.in.now() + away);
  end();
  come_back(away);
}

void node::stop(milliseconds away) {
  if (!process_ || stopping_) return;
  around_.in.note(name_, "is told to stop");
  stopping_ = true;
  around_.in.note_trouble_of(name_, milliseconds::max());  // until it is there again
  process_->spawn(end_well(away));
}

task<void> node::end_well(milliseconds away) {
  const auto mine = process_;
  co_await running_->stop();
  if (!mine->alive()) co_return;
  // Not from within: what runs here is about to be destroyed.
  around_.in.later(milliseconds(0), [this, mine, away] {
    if (process_ != mine) return;
    around_.in.note(name_, "has stopped");
    check_hands_are_empty();
    around_.in.last_harm = around_.in.now();
    end();
    come_back(away);
  });
}

/// Who stops in peace gives back what it could not finish.
void node::check_hands_are_empty() {
  for (const auto& service : around_.told.services)
    if (service->of == process_.get() && !service->in_hand.empty())
      around_.in.fail(name_ + " stops with messages in hand");
}

/// It runs to its end unseen, for its coroutines to be freed.
void node::end() {
  if (!process_) return;
  process_->die();
  around_.net.forget(*process_);
  around_.queues.forget(*process_);
  around_.next_queues.forget(*process_);
  if (!std::exchange(stopping_, true)) process_->spawn(running_->stop());
  if (!process_->run_down()) around_.in.fail(name_ + " does not come to rest when it stops");
  running_.reset();
  gone_.push_back(std::move(process_));
}

void node::come_back(milliseconds after) {
  around_.in.later(after, [this] {
    around_.in.last_harm = around_.in.now();  // its absence, which may have begun long after it was told to stop
    start();
  });
}

cluster::cluster(const surroundings& around) {
  const auto& plan = around.in.plan();
  for (const auto& name : broker_addresses(plan))
    brokers.push_back(std::make_unique<node>(around, name, [around, together = plan.together](process& by) {
      return together ? run_together(around, by) : run_broker(around, by);
    }));
  const auto add_services = [&](char letter, int count, bool on_the_store) {
    for (int i = 1; i <= count; ++i)
      services.push_back(std::make_unique<node>(around, letter + std::to_string(i), [=](process& by) {
        return run_service(around, by, letter, on_the_store);
      }));
  };
  add_services('a', plan.together ? 0 : plan.services_a, false);
  add_services('b', plan.together ? 0 : plan.services_b, !plan.unheard);
  for (int i = 1; i <= plan.requesters; ++i)
    requesters.push_back(std::make_unique<node>(around, "requester" + std::to_string(i),
                                                [](process&) { return std::make_unique<idle>(); }));
  for (auto* group : {&brokers, &services, &requesters})
    for (auto& n : *group) all.push_back(n.get());
}

}  // namespace amc::simulation
