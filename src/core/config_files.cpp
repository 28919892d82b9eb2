#include "core/config_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "core/error.hpp"
#include "core/text.hpp"

namespace amc {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 2> endings{".global.yaml", ".local.yaml"};

/// The ending without case, taken off; nothing when it is another.
std::optional<std::string_view> without_ending(std::string_view name, std::string_view ending) {
  if (name.size() < ending.size()) return {};
  const auto tail = name.substr(name.size() - ending.size());
  const bool same = std::equal(tail.begin(), tail.end(), ending.begin(),
                               [](unsigned char a, unsigned char b) { return std::tolower(a) == b; });
  if (!same) return {};
  return name.substr(0, name.size() - ending.size());
}

bool is_read(std::string_view name) {
  return !name.starts_with('.') && (name.ends_with(endings[0]) || name.ends_with(endings[1]));
}

/// For what looks like YAML and is not read: the name under which it would be. Nothing for other files.
std::string name_to_be_read(std::string_view name) {
  name.remove_prefix(std::min(name.find_first_not_of(".#"), name.size()));
  auto stem = without_ending(name, ".yaml");
  if (!stem) stem = without_ending(name, ".yml");
  if (!stem) return {};
  for (const std::string kind : {"global", "local"}) {
    if (const auto rest = without_ending(*stem, "." + kind)) return std::string(*rest) + "." + kind + ".yaml";
    if (const auto rest = without_ending(*stem, kind); rest && rest->empty()) return "amc." + kind + ".yaml";
  }
  const auto base = stem->empty() ? std::string("amc") : std::string(*stem);
  return base + ".global.yaml or " + base + ".local.yaml";
}

std::string system_message(int error) {
  return std::generic_category().message(error);
}

/// A descriptor that is closed in the end.
class descriptor {
 public:
  explicit descriptor(int number) : number_(number) {}
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

config_files find_config_files(const std::string& folder, bool required) {
  config_files found;
  std::error_code failed;
  if (!required && fs::symlink_status(folder, failed).type() == fs::file_type::not_found) return found;
  std::vector<std::string> names;
  for (fs::directory_iterator next(folder, failed), end; !failed && next != end; next.increment(failed))
    names.push_back(next->path().filename().string());
  if (failed)
    throw config_error(escaped(folder) + ": cannot be read as a folder: " + failed.message() +
                       "; name another one with --config DIR");
  std::sort(names.begin(), names.end());
  for (const auto ending : endings)
    for (const auto& name : names)
      if (is_read(name) && name.ends_with(ending)) found.files.push_back((fs::path(folder) / name).string());
  for (const auto& name : names)
    if (const auto better = name_to_be_read(name); !is_read(name) && !better.empty())
      found.warnings.push_back(escaped((fs::path(folder) / name).string()) + " is not read; call it " +
                               escaped(better) + " if it is meant to be");
  return found;
}

std::string read_config_file(const std::string& file, const std::string& key) {
  constexpr std::size_t bytes_max = 1 << 20;
  const auto where = escaped(file) + ": " + (key.empty() ? "" : key + ": ");
  const auto complaint = [&](const std::string& what) { return config_error(where + what); };
  // A FIFO would be waited for.
  const descriptor opened(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  struct stat about {};
  if (opened.number() < 0 || ::fstat(opened.number(), &about) != 0)
    throw complaint("cannot be read: " + system_message(errno) + "; check what it is, and its permissions");
  if (!S_ISREG(about.st_mode)) throw complaint("is no regular file; only those are read");
  std::string content;
  char block[16'384];
  for (;;) {
    const auto count = ::read(opened.number(), block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw complaint("cannot be read: " + system_message(errno));
    if (count == 0) return content;
    content.append(block, static_cast<std::size_t>(count));
    if (content.size() > bytes_max) throw complaint("is larger than 1 MiB, and so hardly a configuration");
  }
}

}  // namespace amc
