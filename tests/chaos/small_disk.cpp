#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <iostream>
#include <optional>

#include "tests/chaos/api.hpp"
#include "tests/chaos/cluster.hpp"
#include "tests/chaos/load.hpp"
#include "tests/chaos/parts.hpp"
#include "tests/support/binary.hpp"

namespace amc::chaos {
namespace {

/// A file system in memory that holds little.
class small_file_system {
 public:
  small_file_system() : is_there(mount("tmpfs", folder_.path.c_str(), "tmpfs", 0, "size=64m") == 0) {}
  ~small_file_system() {
    if (is_there) umount2(folder_.path.c_str(), MNT_DETACH);
  }
  small_file_system(const small_file_system&) = delete;
  small_file_system& operator=(const small_file_system&) = delete;

  const std::filesystem::path& path() const { return folder_.path; }

  /// Takes all the room that is left.
  void fill() const {
    const int file = open((folder_.path / "filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (std::size_t block = 65'536; block > 0;) {
      const std::string bytes(block, 'x');
      if (write(file, bytes.data(), block) <= 0) block /= 2;
    }
    close(file);
  }
  void make_room() const { std::filesystem::remove(folder_.path / "filler"); }

 private:
  tests::temporary_folder folder_;

 public:
  const bool is_there;
};

/// `amc all` on that disk.
class system_on {
 public:
  explicit system_on(const small_file_system& disk) : path_(disk.path() / "amc.db") { start(); }

  std::uint16_t port() const { return port_; }

  void start() {
    process_ = std::make_unique<tests::process>(
        tests::amc_command(folder_.path, {"all"},
                           {"broker.http.port=" + std::to_string(port_), "broker.store.sqlite.path=" + path_.string(),
                            routes_with_tokens, "broker.lease_ms=1000", "broker.ring_again_ms=2000",
                            "broker.sweep_interval_ms=100", "broker.max_claims=1000"}));
  }

  void kill_and_start() {
    process_->signal(SIGKILL);
    process_->wait();
    start();
  }

  /// It may end on a full disk: then its supervisor starts it again.
  bool start_if_ended() {
    if (process_->running()) return false;
    start();
    return true;
  }

  std::string errors() const { return process_->errors(); }

 private:
  tests::temporary_folder folder_;
  std::filesystem::path path_;
  const std::uint16_t port_ = fixed_port();
  std::unique_ptr<tests::process> process_;
};

class full_disk_rounds {
 public:
  explicit full_disk_rounds(std::uint64_t seed) : random_(seed), seed_(seed) {}

  void run(int rounds) {
    if (!disk_.is_there) {
      std::cout << "SKIPPED: a small disk, since nothing can be mounted here" << std::endl;
      return;
    }
    system_.emplace(disk_);
    load clients({.ports = {system_->port()}, .name = "d", .seed = seed_, .clients = 2});

    until("the first is accepted", [&] { return clients.accepted() > 0; });
    for (int i = 0; i < rounds; ++i) one_round(clients);
    clients.stop();
    wait_until_finished(system_->port(), std::chrono::seconds(30));
    tell(clients);
  }

 private:
  void one_round(const load& clients) {
    disk_.fill();
    const int refused = clients.overloaded();
    until("a POST is answered 503", [&] { return clients.overloaded() > refused; });
    if (chance()) kill();
    pause();
    disk_.make_room();
    if (chance()) kill();
    const int accepted = clients.accepted();
    until("a POST is accepted again", [&] { return clients.accepted() > accepted; });
    if (chance()) kill();
    pause();
  }

  void kill() {
    system_->kill_and_start();
    ++kills_;
  }

  /// Bounded; keeps the system running meanwhile, as its supervisor would.
  void until(const std::string& what, const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline)
        throw violation("a minute has passed before " + what + ": " + system_->errors());
      if (system_->start_if_ended()) ++ended_;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  void tell(const load& clients) const {
    auto wrong = clients.complaints();
    const auto rows = every_message_at(system_->port());
    const auto more = check(clients.journal(), rows);
    wrong.insert(wrong.end(), more.begin(), more.end());
    std::cout << "posts accepted " << clients.accepted() << ", of unknown outcome " << clients.unknown()
              << " (503: " << clients.overloaded() << "), without a broker " << clients.refused() << "; kills "
              << kills_ << ", ended by itself " << ended_ << "; messages checked " << rows.size() << ", violations "
              << wrong.size() << std::endl;
    if (!wrong.empty()) throw violation(wrong.front());
  }

  bool chance() { return std::uniform_int_distribution<int>(0, 1)(random_) == 0; }
  void pause() {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution<int>(100, 1'000)(random_)));
  }

  std::mt19937_64 random_;
  std::uint64_t seed_;
  small_file_system disk_;
  std::optional<system_on> system_;
  int kills_ = 0;
  int ended_ = 0;
};

}  // namespace

void keep_mounts_private() {
  if (unshare(CLONE_NEWNS) == 0) mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
}

void small_disk(int rounds, std::uint64_t seed) {
  std::cout << "== a disk that is full now and then" << std::endl;
  full_disk_rounds(seed).run(rounds);
}

}  // namespace amc::chaos
