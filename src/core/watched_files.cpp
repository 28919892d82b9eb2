#include "core/watched_files.hpp"

#include <sys/stat.h>

#include <utility>

namespace amc {

watched_files::watched_files(const environment& env, std::vector<std::string> files, std::function<void()> changed)
    : files_(std::move(files)), changed_(std::move(changed)), seen_(signatures()), clock_(env), tasks_(env.executor) {}

task<void> watched_files::stop() {
  stopping_ = true;
  clock_.poke();
  co_await tasks_.drain();
}

task<void> watched_files::loop() {
  constexpr milliseconds look_interval{250};
  while (!stopping_) {
    co_await clock_.sleep(look_interval);
    if (!stopping_) look();
  }
}

void watched_files::look() {
  auto now = signatures();
  if (now == seen_) return;
  seen_ = std::move(now);
  changed_();
}

std::vector<watched_files::signature> watched_files::signatures() const {
  std::vector<signature> all;
  for (const auto& file : files_) all.push_back(signature_of(file));
  return all;
}

/// All zero where there is none.
watched_files::signature watched_files::signature_of(const std::string& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return {};
  const auto in_ns = [](const timespec& time) {
    constexpr std::int64_t ns_per_s = 1'000'000'000;
    return time.tv_sec * ns_per_s + time.tv_nsec;
  };
  return {found.st_dev, found.st_ino, static_cast<std::uint64_t>(found.st_size), in_ns(found.st_mtim),
          in_ns(found.st_ctim)};
}

}  // namespace amc
