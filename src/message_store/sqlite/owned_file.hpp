#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace amc::message_store::sqlite {

/// A file, whatever names it has.
struct file_id {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const file_id&) const = default;
  auto operator<=>(const file_id&) const = default;
};

/// Where SQLite keeps the log of a database.
std::string log_of(const std::string& path);

/// A lock of a whole file (flock), for as long as this lives.
class file_lock {
 public:
  enum class how {
    owning,   ///< nobody else; makes the file where there is none
    looking,  ///< others may look, too; writes nothing
  };
  /// Throws startup_error, which names `store` as what cannot be opened.
  file_lock(const std::string& path, how kind, const std::string& store);
  ~file_lock();
  file_lock(const file_lock&) = delete;
  file_lock& operator=(const file_lock&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

/// The database file of a store, held by this process: no other process, and no other store in this one, opens it by
/// any of its names. The lock is on the file itself, and on PATH.lock, where versions up to 0.1.0 look for it.
///
/// SQLite notices nothing when its files are taken away or replaced: it goes on writing what no name leads to any more.
/// So this remembers which files they are, and tells when the names lead elsewhere or somebody else has written.
///
/// To be made before SQLite opens the file, and destroyed after it has closed it. May be used from one thread.
class owned_file {
 public:
  /// Throws startup_error: owned already; no regular file; one of several names (hard links, a file that is mounted),
  /// since the log belongs to one of them; on a network's file system; replaced beside its log.
  owned_file(const std::string& path, file_lock::how kind);
  ~owned_file();
  owned_file(const owned_file&) = delete;
  owned_file& operator=(const owned_file&) = delete;

  /// Begins: SQLite has opened this file, and its log and that one's index, by these names.
  void watch(const std::string& database, const std::string& log, const std::string& index);
  /// This process has written into the database file, as only its checkpoints do.
  void note_written();
  /// The log has so many bytes at least.
  void note_log(std::int64_t bytes) { log_bytes_ = bytes; }

  /// What has happened to the files that a commit depends on, for a person; nothing while all is well.
  std::optional<std::string> damage() const;
  /// Only a log that is shorter than it was, before a commit writes behind what was cut off.
  std::optional<std::string> cut_of_log() const;
  /// Only the log's index, by which other processes read.
  std::optional<std::string> damage_of_index() const;
  /// Whether the log may still be written into the database: then nothing is lost that it holds.
  bool can_be_completed() const;
  /// Leaves a note for the next start, which refuses another file beside this one's log.
  void leave_note() const;

 private:
  struct watched {
    std::string path;
    file_id id;
  };
  /// What changes when somebody writes.
  struct content {
    off_t size = 0;
    timespec modified{};
  };

  void lock_names(const std::string& path, file_lock::how kind);
  void refuse_when_unfit(const std::string& path) const;
  void refuse_when_replaced(const std::string& path) const;
  bool is_as_written(const struct stat& now) const;
  std::optional<std::string> damage_of_database() const;
  std::optional<std::string> damage_of_log() const;

  std::vector<std::unique_ptr<file_lock>> names_;
  std::unique_ptr<file_lock> file_;
  file_id id_{};
  bool keeps_times_ = true;
  std::vector<std::string> paths_;  ///< of the database
  watched log_{}, index_{};
  int log_descriptor_ = -1;
  content written_{};
  std::int64_t log_bytes_ = 0;
};

}  // namespace amc::message_store::sqlite
