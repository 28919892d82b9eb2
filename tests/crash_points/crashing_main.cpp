// The amc binary that dies at one of the calls through its two seams. AMC_CRASH_AT=17 dies before the 17th call,
// AMC_CRASH_AT=17+ after it; without it nothing dies. The factories of stores and engines are wrapped by the linker
// (tests/CMakeLists.txt), so the production code knows nothing of this.
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "app/command_line.hpp"
#include "message_store/store.hpp"
#include "queue_system/platform.hpp"

namespace amc::crash_points {
namespace {

std::atomic<long> calls = 0;

/// Where to die: the number of a call, and whether before or after it.
struct point {
  long number = 0;
  bool after = false;
};

point configured_point() {
  const char* text = std::getenv("AMC_CRASH_AT");
  if (!text) return {};
  return {std::atol(text), std::strchr(text, '+') != nullptr};
}

void die() {
  raise(SIGKILL);
}

/// Counts a call and dies before or after it when it is the one.
template <class Call>
auto counted(const Call& call) {
  static const point at = configured_point();
  const bool here = ++calls == at.number;
  if (here && !at.after) die();
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    if (here) die();
  } else {
    auto result = call();
    if (here) die();
    return result;
  }
}

class dying_store : public store {
 public:
  explicit dying_store(std::unique_ptr<store> real) : real_(std::move(real)) {}
  std::vector<outcome> apply(std::span<const change> batch) override {
    return counted([&] { return real_->apply(batch); });
  }
  std::vector<found_row> find(std::span<const uuid> ids, bool with_text) override {
    return counted([&] { return real_->find(ids, with_text); });
  }
  std::vector<due_row> due(std::size_t limit) override {
    return counted([&] { return real_->due(limit); });
  }
  std::vector<due_row> waiting(const waiting_request& which) override {
    return counted([&] { return real_->waiting(which); });
  }
  void make_all_due(const std::string& queue) override {
    counted([&] { real_->make_all_due(queue); });
  }
  paused_queues paused(const std::optional<pause_request>& request) override {
    return counted([&] { return real_->paused(request); });
  }
  purged purge(const purge_request& what) override {
    return counted([&] { return real_->purge(what); });
  }
  void try_writing() override { real_->try_writing(); }
  timestamp now() override { return real_->now(); }

 private:
  std::unique_ptr<store> real_;
};

class dying_publisher : public queue_publisher {
 public:
  explicit dying_publisher(std::unique_ptr<queue_publisher> real) : real_(std::move(real)) {}
  void publish(std::span<const outgoing> batch) override {
    counted([&] { real_->publish(batch); });
  }
  std::size_t depth(const std::string& queue) override {
    return counted([&] { return real_->depth(queue); });
  }

 private:
  std::unique_ptr<queue_publisher> real_;
};

class dying_subscriber : public queue_subscriber {
 public:
  explicit dying_subscriber(std::unique_ptr<queue_subscriber> real) : real_(std::move(real)) {}
  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    auto received = real_->receive(max, longest);
    // A receive that brings nothing changes nothing: those are too many to die at.
    if (received.empty()) return received;
    return counted([&] { return std::move(received); });
  }
  void acknowledge(std::span<const std::uint64_t> tags) override {
    counted([&] { real_->acknowledge(tags); });
  }
  void give_back(std::span<const std::uint64_t> tags) override {
    counted([&] { real_->give_back(tags); });
  }

 private:
  std::unique_ptr<queue_subscriber> real_;
};

class dying_platform : public platform {
 public:
  explicit dying_platform(std::shared_ptr<platform> real) : real_(std::move(real)) {}
  amc::capabilities capabilities() const override { return real_->capabilities(); }
  void check(std::span<const std::string> published, std::span<const std::string> received) override {
    counted([&] { real_->check(published, received); });
  }
  std::unique_ptr<queue_publisher> make_publisher() override {
    return std::make_unique<dying_publisher>(real_->make_publisher());
  }
  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    return std::make_unique<dying_subscriber>(real_->make_subscriber(queue, prefetch));
  }

 private:
  std::shared_ptr<platform> real_;
};

}  // namespace

// The names are those of amc::message_store::open_store(const config&) and amc::queue_system::make_platform(const
// config&).
opened_store real_open_store(const config& settings) __asm__("__real__ZN3amc13message_store10open_storeERKNS_6configE");
opened_store open_dying_store(const config& settings) __asm__(
    "__wrap__ZN3amc13message_store10open_storeERKNS_6configE");
std::shared_ptr<platform> real_make_platform(const config& settings) __asm__(
    "__real__ZN3amc12queue_system13make_platformERKNS_6configE");
std::shared_ptr<platform> make_dying_platform(const config& settings) __asm__(
    "__wrap__ZN3amc12queue_system13make_platformERKNS_6configE");

opened_store open_dying_store(const config& settings) {
  auto opened = real_open_store(settings);
  for (auto& driver : opened.drivers) driver = std::make_unique<dying_store>(std::move(driver));
  return opened;
}

std::shared_ptr<platform> make_dying_platform(const config& settings) {
  return std::make_shared<dying_platform>(real_make_platform(settings));
}

}  // namespace amc::crash_points

int main(int argc, char** argv) {
  return amc::app::run(argc, argv);
}
