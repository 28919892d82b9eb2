#include "tests/simulation/pausing.hpp"

namespace amc::simulation {
namespace {

constexpr std::uint64_t own_stream = 53;

task<void> send(std::shared_ptr<http::caller> to, std::string target) {
  http::request asked{"POST", std::move(target), {}, {}};
  constexpr milliseconds timeout{3'000};
  try {
    co_await to->send(std::move(asked), timeout);
  } catch (const unavailable&) {
    // It is asked again.
  }
}

}  // namespace

pausing::pausing(const surroundings& around, cluster& nodes)
    : around_(around),
      nodes_(nodes),
      random_(around.in.plan().seed, own_stream),
      left_(around.in.plan().pauses),
      next_(random_.between(200, 2'000)) {}

bool pausing::over() const {
  return left_ == 0 && around_.in.now() >= next_ && around_.store.pauses().empty();
}

void pausing::begin() {
  if (left_ > 0) tick();
}

/// What is still paused when its time is over is resumed, again and again: a request may be lost, or come late.
void pausing::tick() {
  if (around_.in.now() >= next_) {
    const auto& paused = around_.store.pauses();
    if (!paused.empty()) {
      for (const auto& [queue, how] : paused) ask(queue, "resume");
    } else if (left_ > 0 && around_.in.faulty()) {
      --left_;
      ask(random_.chance(0.5) ? "a" : "b", "pause");
      next_ = around_.in.now() + milliseconds(random_.between(300, 4'000));
    } else {
      left_ = 0;
    }
  }
  constexpr milliseconds interval{500};
  around_.in.later(interval, [this] { tick(); });
}

void pausing::ask(const std::string& queue, const char* what) {
  const auto& from = nodes_.requesters[random_.below(nodes_.requesters.size())];
  const auto& broker = *nodes_.brokers[random_.below(nodes_.brokers.size())];
  if (!from->up()) return;
  auto to = around_.net.connect(*from->current(), {broker.name()});
  from->current()->spawn(send(std::move(to), "/queues/" + queue + "/" + what));
}

}  // namespace amc::simulation
