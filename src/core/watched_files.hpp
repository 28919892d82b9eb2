#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/environment.hpp"
#include "core/task.hpp"

namespace amc {

/// Tells when one of some files is another one, or was written, since this was made: soon after, several changes once.
/// For one thread.
class watched_files {
 public:
  watched_files(const environment& env, std::vector<std::string> files, std::function<void()> changed);
  watched_files(const watched_files&) = delete;
  watched_files& operator=(const watched_files&) = delete;

  /// Looks again and again, until it is stopped.
  void run() { tasks_.spawn(loop()); }
  task<void> stop();
  /// Looks once.
  void look();

 private:
  struct signature {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t written_ns = 0, changed_ns = 0;
    bool operator==(const signature&) const = default;
  };
  static signature signature_of(const std::string& file);
  std::vector<signature> signatures() const;
  task<void> loop();

  std::vector<std::string> files_;
  std::function<void()> changed_;
  std::vector<signature> seen_;
  bool stopping_ = false;
  alarm_clock clock_;
  task_group tasks_;
};

}  // namespace amc
