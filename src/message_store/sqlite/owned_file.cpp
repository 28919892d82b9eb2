#include "message_store/sqlite/owned_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "core/error.hpp"

namespace amc::message_store::sqlite {
namespace {

constexpr const char* another_path = "set broker.store.sqlite.path";

/// The files that this process owns. Of such a file no second descriptor may be opened but by SQLite: closing one would
/// end the locks that SQLite holds on it, for fcntl's locks are the process's and not the descriptor's.
class owned_files {
 public:
  bool contains(const file_id& id) { return own().contains(id); }
  void add(const file_id& id) { own().insert(id); }
  void remove(const file_id& id) { own().erase(id); }
  std::mutex mutex;

 private:
  /// The child of a fork owns nothing of its parent's, and has none of its locks.
  std::set<file_id>& own() {
    if (std::exchange(process_, ::getpid()) != process_) ids_.clear();
    return ids_;
  }
  pid_t process_ = ::getpid();
  std::set<file_id> ids_;
};

owned_files& owned() {
  static owned_files all;
  return all;
}

file_id id_of(const struct stat& file) {
  return {file.st_dev, file.st_ino};
}

std::optional<struct stat> look_at(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return {};
  return found;
}

bool is_same_time(const timespec& one, const timespec& other) {
  return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

struct stat look_at(int descriptor) {
  struct stat found {};
  ::fstat(descriptor, &found);
  return found;
}

/// What SQLite makes of a name, and what it puts the log beside.
std::string real_path(const std::string& path) {
  std::error_code failed;
  const auto real = std::filesystem::weakly_canonical(path, failed);
  return failed ? path : real.string();
}

std::string refuse_owned(const std::string& store, const char* by) {
  return store + ": " + by + " owns this store; stop it, or " + another_path;
}

/// The name of a file system on which neither these locks nor a log with an index in shared memory hold.
const char* network_of(long kind) {
  constexpr unsigned long cifs = 0xff534d42, smb2 = 0xfe534d42;
  static const std::map<unsigned long, const char*> networks{
      {NFS_SUPER_MAGIC, "NFS"}, {SMB_SUPER_MAGIC, "SMB"}, {cifs, "SMB"}, {smb2, "SMB"}, {AFS_SUPER_MAGIC, "AFS"}};
  const auto found = networks.find(static_cast<unsigned long>(kind));
  return found == networks.end() ? nullptr : found->second;
}

/// Where a server or another system says when a file was written, it may say so later.
bool keeps_times(long kind) {
  constexpr long fuse = 0x65735546;
  return kind != fuse && kind != V9FS_MAGIC;
}

/// A file that is mounted by itself has one name here and another elsewhere, and beside each a log of its own.
bool is_mounted_by_itself(int descriptor) {
  struct statx found {};
  return ::statx(descriptor, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &found) == 0 &&
         (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace

std::string log_of(const std::string& path) {
  return real_path(path) + "-wal";
}

file_lock::file_lock(const std::string& path, how kind, const std::string& store)
    : descriptor_(
          ::open(path.c_str(), kind == how::owning ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600)) {
  if (descriptor_ < 0)
    throw startup_error(path + ": cannot be " + (kind == how::owning ? "written" : "read") + " (" +
                        std::strerror(errno) + "); check permissions, or " + another_path);
  if (::flock(descriptor_, (kind == how::owning ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) return;
  const int failed = errno;
  ::close(descriptor_);
  if (failed == EWOULDBLOCK) throw startup_error(refuse_owned(store, "another process"));
  // not covered: takes a file system without locks
  throw startup_error(path + ": cannot be locked (" + std::strerror(failed) +
                      "), so that two processes could write into it; use a disk of this machine, or " + another_path);
}

file_lock::~file_lock() {
  ::close(descriptor_);
}

owned_file::owned_file(const std::string& path, file_lock::how kind) {
  const std::lock_guard guard(owned().mutex);
  // Before anything is opened, and so closed again.
  const auto known = look_at(path);
  if (known && owned().contains(id_of(*known))) throw startup_error(refuse_owned(path, "this process"));
  lock_names(path, kind);
  refuse_when_replaced(path);
  file_ = std::make_unique<file_lock>(path, kind, path);
  refuse_when_unfit(path);
  id_ = id_of(look_at(file_->descriptor()));
  paths_.push_back(std::filesystem::absolute(path));
  owned().add(id_);
}

owned_file::~owned_file() {
  const std::lock_guard guard(owned().mutex);
  owned().remove(id_);
  file_.reset();
  if (log_descriptor_ >= 0) ::close(log_descriptor_);
}

/// A version up to 0.1.0 locks the name that it was given: the same as this one's, or what that leads to.
void owned_file::lock_names(const std::string& path, file_lock::how kind) {
  std::error_code ignored;
  std::vector<std::string> names{path};
  if (std::filesystem::is_symlink(path, ignored)) {
    if (!std::filesystem::exists(path, ignored))
      throw startup_error(path + ": is a symbolic link that leads to no file; make the file that it names, or " +
                          another_path);
    names.push_back(real_path(path));
  }
  for (const auto& name : names) {
    const auto lock = name + ".lock";
    if (kind == file_lock::how::looking && !std::filesystem::exists(lock, ignored)) continue;
    names_.push_back(std::make_unique<file_lock>(lock, kind, path));
  }
}

/// The log of a file that was taken away would be written into the one that has come in its place.
void owned_file::refuse_when_replaced(const std::string& path) const {
  const auto log = look_at(log_of(path));
  if (names_.empty() || !log || log->st_size == 0) return;
  content noted;
  std::ifstream note(path + ".lock");
  if (!(note >> noted.size >> noted.modified.tv_sec >> noted.modified.tv_nsec)) return;
  const auto found = look_at(path);
  if (found && found->st_size == noted.size && is_same_time(found->st_mtim, noted.modified)) return;
  throw startup_error(
      path + ": was moved, deleted or overwritten by another process while it was in use, and the log of then, " +
      path +
      "-wal, is still here, with what was accepted last. If this is the same file, and was only touched, or written by "
      "SQLite, delete " +
      path +
      ".lock and start again: the log is read. Otherwise put that file back, or, to go on with this one (a "
      "backup, or an empty store) and without what the log has, move " +
      path + "-wal and " + path + "-shm away");
}

void owned_file::refuse_when_unfit(const std::string& path) const {
  const auto found = look_at(file_->descriptor());
  if (!S_ISREG(found.st_mode)) throw startup_error(path + ": is no regular file; " + another_path);
  if (found.st_nlink > 1)
    throw startup_error(path + ": this file has " + std::to_string(found.st_nlink) +
                        " names (hard links), and its log, " + path +
                        "-wal, belongs to one of them: after a crash the "
                        "others would lead to a store without its latest messages; remove the other names, copy the "
                        "file instead, or " +
                        another_path);
  if (is_mounted_by_itself(file_->descriptor()))
    // not covered: MountedByItselfIsRefused sees it in a child that ends without counting
    throw startup_error(path + ": this file is mounted by itself, without its log, " + path +
                        "-wal; mount the folder that it is in, or " + another_path);
  struct statfs system {};
  ::fstatfs(file_->descriptor(), &system);
  if (const auto* network = network_of(system.f_type))
    // not covered: takes the file system of a network
    throw startup_error(path + ": is on a network's file system (" + network +
                        "), where SQLite's log cannot be used safely; use a disk of this machine, or " + another_path);
}

void owned_file::watch(const std::string& database, const std::string& log, const std::string& index) {
  if (database != paths_.front()) paths_.push_back(database);
  // SQLite locks only the database and the index: of the log another descriptor may be opened, and closed.
  log_descriptor_ = ::open(log.c_str(), O_RDONLY | O_CLOEXEC);
  if (log_descriptor_ < 0) throw startup_error(log + ": cannot be read (" + std::strerror(errno) + ")");
  log_ = {log, id_of(look_at(log_descriptor_))};
  const auto found_index = look_at(index);
  index_ = {index, found_index ? id_of(*found_index) : file_id{}};
  struct statfs system {};
  ::fstatfs(file_->descriptor(), &system);
  keeps_times_ = keeps_times(system.f_type);
  note_written();
  // What has been said so far about an earlier run is over.
  if (::ftruncate(names_.front()->descriptor(), 0) != 0) return;
}

void owned_file::note_written() {
  const auto now = look_at(file_->descriptor());
  written_ = {now.st_size, now.st_mtim};
}

bool owned_file::is_as_written(const struct stat& now) const {
  return now.st_size == written_.size && (!keeps_times_ || is_same_time(now.st_mtim, written_.modified));
}

std::optional<std::string> owned_file::damage() const {
  if (log_.path.empty()) return {};  // nothing is watched
  if (auto found = damage_of_database()) return found;
  return damage_of_log();
}

std::optional<std::string> owned_file::damage_of_database() const {
  for (const auto& path : paths_) {
    const auto now = look_at(path);
    if (!now) return path + " was moved or deleted";
    if (id_of(*now) != id_) return path + " was replaced by another file";
    if (!is_as_written(*now)) return path + " was written by another process";
  }
  return {};
}

std::optional<std::string> owned_file::damage_of_log() const {
  const auto now = look_at(log_.path);
  if (!now) return log_.path + " was moved or deleted";
  if (id_of(*now) != log_.id) return log_.path + " was replaced by another file";
  return cut_of_log();
}

std::optional<std::string> owned_file::cut_of_log() const {
  if (look_at(log_descriptor_).st_size >= log_bytes_) return {};
  return log_.path + " was cut by another process";
}

std::optional<std::string> owned_file::damage_of_index() const {
  const auto now = look_at(index_.path);
  if (!now) return index_.path + " was moved or deleted";
  if (id_of(*now) != index_.id) return index_.path + " was replaced by another file";
  return {};
}

bool owned_file::can_be_completed() const {
  return !cut_of_log() && is_as_written(look_at(file_->descriptor()));
}

void owned_file::leave_note() const {
  const auto& lock = *names_.front();
  const auto text = std::to_string(written_.size) + " " + std::to_string(written_.modified.tv_sec) + " " +
                    std::to_string(written_.modified.tv_nsec) + "\n";
  // Where this fails the next start knows no more than any other does.
  if (::pwrite(lock.descriptor(), text.data(), text.size(), 0) < 0) return;
}

}  // namespace amc::message_store::sqlite
