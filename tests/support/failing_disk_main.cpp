// The amc binary over a disk that fails on demand. The file named by AMC_TEST_DISK says how: "full" or "sync-fails";
// an empty or absent one means that all is well.
#include <sqlite3.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <string>

#include "app/command_line.hpp"

namespace {

std::string disk_mood() {
  std::string mood;
  std::ifstream(std::getenv("AMC_TEST_DISK")) >> mood;
  return mood;
}

/// SQLite's own file, with two of its methods in between. The real one lies behind it in memory.
struct moody_file {
  sqlite3_file base;
  sqlite3_file* real;
};

sqlite3_file* real_of(sqlite3_file* file) {
  return reinterpret_cast<moody_file*>(file)->real;
}

bool sync_has_failed = false;

/// After a failed sync nothing more may be written: what is on the disk is unknown.
void note_late_write() {
  if (sync_has_failed) std::ofstream(std::string(std::getenv("AMC_TEST_DISK")) + ".late") << "written";
}

int moody_write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  note_late_write();
  if (disk_mood() == "full") return SQLITE_FULL;
  return real_of(file)->pMethods->xWrite(real_of(file), bytes, count, offset);
}

int moody_sync(sqlite3_file* file, int flags) {
  note_late_write();
  sync_has_failed = disk_mood() == "sync-fails";
  if (sync_has_failed) return SQLITE_IOERR_FSYNC;
  return real_of(file)->pMethods->xSync(real_of(file), flags);
}

template <auto Method, class... Arguments>
auto forward(sqlite3_file* file, Arguments... arguments) {
  return (real_of(file)->pMethods->*Method)(real_of(file), arguments...);
}

const sqlite3_io_methods moody_methods = {
    2,
    [](sqlite3_file* f) { return forward<&sqlite3_io_methods::xClose>(f); },
    [](sqlite3_file* f, void* b, int n, sqlite3_int64 o) { return forward<&sqlite3_io_methods::xRead>(f, b, n, o); },
    moody_write,
    [](sqlite3_file* f, sqlite3_int64 n) { return forward<&sqlite3_io_methods::xTruncate>(f, n); },
    moody_sync,
    [](sqlite3_file* f, sqlite3_int64* n) { return forward<&sqlite3_io_methods::xFileSize>(f, n); },
    [](sqlite3_file* f, int l) { return forward<&sqlite3_io_methods::xLock>(f, l); },
    [](sqlite3_file* f, int l) { return forward<&sqlite3_io_methods::xUnlock>(f, l); },
    [](sqlite3_file* f, int* r) { return forward<&sqlite3_io_methods::xCheckReservedLock>(f, r); },
    [](sqlite3_file* f, int o, void* a) { return forward<&sqlite3_io_methods::xFileControl>(f, o, a); },
    [](sqlite3_file* f) { return forward<&sqlite3_io_methods::xSectorSize>(f); },
    [](sqlite3_file* f) { return forward<&sqlite3_io_methods::xDeviceCharacteristics>(f); },
    [](sqlite3_file* f, int p, int s, int e, void volatile** m) {
      return forward<&sqlite3_io_methods::xShmMap>(f, p, s, e, m);
    },
    [](sqlite3_file* f, int o, int n, int l) { return forward<&sqlite3_io_methods::xShmLock>(f, o, n, l); },
    [](sqlite3_file* f) { return forward<&sqlite3_io_methods::xShmBarrier>(f); },
    [](sqlite3_file* f, int d) { return forward<&sqlite3_io_methods::xShmUnmap>(f, d); },
    nullptr,
    nullptr,
};

sqlite3_vfs* usual_disk = nullptr;

int moody_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* moody = reinterpret_cast<moody_file*>(file);
  moody->real = reinterpret_cast<sqlite3_file*>(moody + 1);
  const int code = usual_disk->xOpen(usual_disk, name, moody->real, flags, out);
  moody->base.pMethods = moody->real->pMethods ? &moody_methods : nullptr;
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  usual_disk = sqlite3_vfs_find(nullptr);
  static sqlite3_vfs moody_disk = *usual_disk;
  moody_disk.zName = "moody";
  moody_disk.szOsFile = static_cast<int>(sizeof(moody_file)) + usual_disk->szOsFile;
  moody_disk.xOpen = moody_open;
  sqlite3_vfs_register(&moody_disk, 1);
  return amc::app::run(argc, argv);
}
