#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "queue_system/driver.hpp"
#include "queue_system/encoded_name.hpp"
#include "queue_system/registration.hpp"

/// The least that an engine is made of, and all that the contract asks. A queue is a folder, an event is a file whose
/// name tells its place in the order. Who receives an event moves it into a folder of its own, on which it has a lock
/// for as long as it lives.
namespace amc::queue_system {
namespace {

namespace fs = std::filesystem;

// 1. What it is configured with.

struct skeleton_options {
  fs::path folder{};     ///< of all queues
  std::string prefix{};  ///< of every queue's name
  milliseconds poll{};   ///< between two looks at an empty queue
};

// 2. The connection: all that knows how the engine is spoken to. It turns what goes wrong into `unavailable`, with the
//    key that bounds or mends it.

/// The folder of one queue.
class queue_folder {
 public:
  queue_folder(const skeleton_options& options, const std::string& queue)
      : path_(options.folder / encoded_name(options.prefix + queue)) {
    make();
  }

  /// What was deleted is made again.
  void make() const {
    std::error_code failed;
    fs::create_directories(path_, failed);
    if (failed) fail("making \"" + path_.string() + "\"", failed);
  }

  /// Readers see it whole, or not at all. Its name has the place of the event in the order.
  void write(const std::string& name, const std::string& bytes) const {
    const auto unfinished = path_ / ("." + name);
    std::ofstream file(unfinished, std::ios::binary);
    file << bytes;
    file.close();
    std::error_code failed;
    if (file) fs::rename(unfinished, path_ / name, failed);
    if (!file || failed) fail("writing to \"" + path_.string() + "\"", failed);
  }

  /// The names of the events that wait, the oldest first.
  std::vector<std::string> waiting() const {
    std::vector<std::string> names;
    std::error_code gone;
    for (fs::directory_iterator it(path_, gone), end; !gone && it != end; it.increment(gone))
      if (const auto name = it->path().filename().string(); !name.starts_with('.')) names.push_back(name);
    std::sort(names.begin(), names.end());
    return names;
  }

  const fs::path& path() const { return path_; }

  /// Where only a person can mend it, it is refused; what may heal by itself is away.
  [[noreturn]] static void fail(const std::string& doing, const std::error_code& why) {
    const bool may_heal = !why || why == std::errc::no_space_on_device || why == std::errc::no_such_file_or_directory;
    throw unavailable(may_heal ? unavailable::reason::away : unavailable::reason::refused,
                      "skeleton: " + doing + ": " + (why ? why.message() : "not all of it was written") +
                          "; check queue_system.skeleton.folder");
  }

 private:
  fs::path path_;
};

// 3. Publisher, subscriber, platform.

class publisher : public queue_publisher {
 public:
  explicit publisher(skeleton_options options) : options_(std::move(options)) {}

  void publish(std::span<const outgoing> batch) override {
    for (const auto& out : batch) queue_folder(options_, out.queue).write(next_name(), out.bytes);
  }
  std::size_t depth(const std::string& queue) override { return queue_folder(options_, queue).waiting().size(); }

 private:
  /// Its place in the order: the time, and a number for what this process publishes at once.
  static std::string next_name() {
    static std::atomic<std::uint64_t> last = 0;
    const auto now = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    auto before = last.load();
    while (!last.compare_exchange_weak(before, std::max(before + 1, now))) {
    }
    return std::to_string(std::max(before + 1, now)) + "-" + std::to_string(getpid());
  }

  skeleton_options options_;
};

/// What somebody holds: a folder in the queue's folder, and the lock on it.
class held_folder {
 public:
  explicit held_folder(fs::path path)
      : path_(std::move(path)),
        descriptor_(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        locked_(descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {}
  ~held_folder() { ::close(descriptor_); }
  held_folder(const held_folder&) = delete;
  held_folder& operator=(const held_folder&) = delete;

  /// Nobody else has it.
  bool is_mine() const { return locked_; }
  const fs::path& path() const { return path_; }
  void rename_to(const fs::path& name) {
    std::error_code failed;
    fs::rename(path_, path_.parent_path() / name, failed);
    if (failed) queue_folder::fail("making \"" + path_.string() + "\"", failed);
    path_.replace_filename(name);
  }

  /// Back to where it came from, and so to its place in the order.
  void give_back(const std::string& name) const {
    std::error_code gone;
    fs::rename(path_ / name, path_.parent_path() / name, gone);
  }
  void give_back_all() const {
    std::error_code gone;
    for (fs::directory_iterator it(path_, gone), end; !gone && it != end; it.increment(gone))
      give_back(it->path().filename().string());
    fs::remove(path_, gone);
  }

 private:
  fs::path path_;
  int descriptor_;
  bool locked_;
};

class subscriber : public queue_subscriber {
 public:
  subscriber(const skeleton_options& options, const std::string& queue, std::size_t prefetch)
      : poll_(options.poll), queue_(options, queue), held_(make_folder(queue_)), unsettled_(prefetch) {
    // Only now, with the lock, for others take a folder of this name over where it has none.
    held_.rename_to(".held-" + own_name());
    take_over_from_the_dead();
  }
  ~subscriber() override { held_.give_back_all(); }

  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    const deadline patience(longest);
    std::vector<incoming> received;
    for (;;) {
      take(unsettled_.room(max), received);
      if (!received.empty() || patience.is_over()) return received;
      std::this_thread::sleep_for(std::min(poll_, patience.left()));
      take_over_from_the_dead();
    }
  }
  void acknowledge(std::span<const std::uint64_t> tags) override {
    std::error_code gone;
    for (const auto& name : unsettled_.settle(tags)) fs::remove(held_.path() / name, gone);
  }
  void give_back(std::span<const std::uint64_t> tags) override {
    for (const auto& name : unsettled_.settle(tags)) held_.give_back(name);
  }

 private:
  static std::string own_name() {
    static std::atomic<int> count = 0;
    return std::to_string(getpid()) + "-" + std::to_string(++count);
  }
  static fs::path make_folder(const queue_folder& in) {
    auto path = in.path() / (".new-" + own_name());
    std::error_code failed;
    fs::create_directory(path, failed);
    if (failed) queue_folder::fail("making \"" + path.string() + "\"", failed);
    return path;
  }

  /// Who has moved an event has it: of two that try, one finds nothing there.
  void take(std::size_t room, std::vector<incoming>& received) {
    if (room == 0) return;
    std::error_code gone;
    if (!fs::exists(held_.path(), gone)) queue_folder::fail("\"" + queue_.path().string() + "\" was deleted", {});
    for (const auto& name : queue_.waiting()) {
      std::error_code taken;
      fs::rename(queue_.path() / name, held_.path() / name, taken);
      if (taken) continue;
      std::ifstream file(held_.path() / name, std::ios::binary);
      std::string bytes(std::istreambuf_iterator<char>(file), {});
      received.push_back({unsettled_.add(name), std::move(bytes)});
      if (received.size() == room) return;
    }
  }

  /// What somebody held who has died is delivered again.
  void take_over_from_the_dead() const {
    std::error_code gone;
    for (fs::directory_iterator it(queue_.path(), gone), end; !gone && it != end; it.increment(gone)) {
      if (!it->path().filename().string().starts_with(".held-") || it->path() == held_.path()) continue;
      const held_folder theirs(it->path());
      if (theirs.is_mine()) theirs.give_back_all();
    }
  }

  milliseconds poll_;
  queue_folder queue_;
  held_folder held_;
  unsettled_events<std::string> unsettled_;  ///< the names of their files
};

class skeleton : public platform {
 public:
  explicit skeleton(skeleton_options options) : options_(std::move(options)) {}

  amc::capabilities capabilities() const override { return {}; }

  void check(std::span<const std::string> published, std::span<const std::string> received) override {
    for (const auto& queues : {published, received})
      for (const auto& queue : queues) {
        const queue_folder made(options_, queue);
        if (::access(made.path().c_str(), R_OK | W_OK | X_OK) != 0)
          queue_folder::fail("using \"" + made.path().string() + "\"", {errno, std::generic_category()});
      }
  }
  std::unique_ptr<queue_publisher> make_publisher() override { return std::make_unique<publisher>(options_); }
  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    return std::make_unique<subscriber>(options_, queue, prefetch);
  }

 private:
  skeleton_options options_;
};

std::shared_ptr<platform> make_skeleton(const config& settings) {
  skeleton_options options;
  options.folder = settings.text("queue_system.skeleton.folder");
  options.prefix = settings.text("queue_system.prefix");
  options.poll = settings.duration("queue_system.skeleton.poll_ms");
  if (!options.folder.is_absolute())
    throw settings.complaint("queue_system.skeleton.folder", "is not a path that begins with \"/\"");
  return std::make_shared<skeleton>(std::move(options));
}

}  // namespace

// 4. The registration: all that the program sees of it.

registration skeleton_engine() {
  return {.name = "skeleton",
          .keys = {{.path = "queue_system.skeleton.folder",
                    .default_yaml = "/var/lib/amc/queues",
                    .help = "where queues are, for every process of this machine"},
                   number_key("queue_system.skeleton.poll_ms", "10", "between two looks at an empty queue", 1, 1'000)},
          .make = make_skeleton};
}

}  // namespace amc::queue_system
