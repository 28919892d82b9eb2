#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/message.hpp"

namespace amc {

/// One configuration key. Units are the last word of its name (`timeout_ms`, `body_max_bytes`).
struct config_key {
  enum class type {
    text,
    url,      ///< text whose password is masked when printed; beside it `PATH_file` names a file that has it
    integer,  ///< between `min` and `max`
    boolean,
    texts,     ///< a list of texts
    maps,      ///< a list of maps with the keys in `fields`
    settings,  ///< a list of NAME=VALUE whose values are masked when printed
  };

  std::string path;  ///< "broker.http.port"; within `fields`, the bare name
  type kind = type::text;
  std::string default_yaml;
  std::string help;  ///< one line
  std::int64_t min = 0;
  std::int64_t max = INT32_MAX;
  std::vector<std::string> choices{};  ///< of a text; empty: any
  std::vector<config_key> fields{};    ///< of `maps`; an absent field takes its default, `null` means absent
};

/// A whole number; a duration of up to a day unless told otherwise.
config_key number_key(std::string path, std::string default_yaml, std::string help, std::int64_t min = 1,
                      std::int64_t max = 86'400'000);

/// What one module can be configured with: the single source of its keys, defaults, types, units and help.
struct config_provider {
  std::string module;
  std::vector<config_key> keys;
};

/// The keys of a provider, and beside each URL, which may hold a secret, the key of a file whose first line it is.
std::vector<config_key> keys_of(const config_provider& provider);

/// The merged configuration: every known key has a value of its type. Looking up a key that no provider declares is a
/// defect and throws std::logic_error.
class config {
 public:
  struct entry {
    config_key key;
    boost::json::value value;
    std::string origin;  ///< "default", "FILE:LINE", "environment NAME", "--set"
  };

  const std::string text(std::string_view path) const;
  std::int64_t integer(std::string_view path) const;
  std::size_t size(std::string_view path) const { return static_cast<std::size_t>(integer(path)); }
  milliseconds duration(std::string_view path) const { return milliseconds(integer(path)); }
  bool boolean(std::string_view path) const;
  std::vector<std::string> texts(std::string_view path) const;
  const boost::json::array& maps(std::string_view path) const;

  /// Where the value of a key came from, for messages about a bad value.
  const entry& at(std::string_view path) const;
  const std::map<std::string, entry, std::less<>>& entries() const { return entries_; }

  /// What looks as if it was meant to be read, and was not: to be logged.
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// The complaint about a key's value: "FILE:LINE: broker.routes: …". To be thrown.
  config_error complaint(std::string_view path, std::string_view what) const;

 private:
  friend class config_builder;
  std::map<std::string, entry, std::less<>> entries_;
  std::vector<std::string> warnings_;
};

/// Where configuration comes from, weakest first: defaults, `*.global.yaml`, `*.local.yaml`, environment, `--set`. In
/// files everything is YAML. In the other two a text or URL is taken as it is, empty included, and lists and maps are
/// YAML.
struct config_sources {
  std::string folder = "config/autoload";            ///< empty: no files
  bool folder_required = false;                      ///< an absent folder is an error
  std::map<std::string, std::string> environment{};  ///< variables; those that begin with AMC__ count, in any case
  std::vector<std::string> sets{};                   ///< "broker.http.port=4000"
  std::vector<std::string> others{};                 ///< sections for other programs, which are not looked at: "broker"
};

/// Merges the sources over the defaults. Throws config_error: one line with file, line, key and what to do.
config load_config(const std::vector<config_provider>& providers, const config_sources& sources);

/// A value for people: YAML on one line, secrets masked.
std::string printable(const config::entry& value);

/// "postgresql://amc:secret@host/db" → "postgresql://amc:***@host/db"; "host=db password=secret" → "host=db
/// password=***". Shows what is known to be no secret and hides the rest: of a text that is no URL, or not quite one,
/// nothing is shown.
std::string mask_url(std::string_view url);

/// What somebody gave, as a complaint repeats it: in quotes, on one line, not too long, and without a secret that
/// stands in the wrong place.
std::string repeated(std::string_view given);

}  // namespace amc
