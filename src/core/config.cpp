#include "amc/config.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "core/text.hpp"

namespace amc {

config_key number_key(std::string path, std::string default_yaml, std::string help, std::int64_t min,
                      std::int64_t max) {
  return {.path = std::move(path),
          .kind = config_key::type::integer,
          .default_yaml = std::move(default_yaml),
          .help = std::move(help),
          .min = min,
          .max = max};
}
namespace json = boost::json;

namespace {

const char* expectation(const config_key& key) {
  switch (key.kind) {
    case config_key::type::text:
    case config_key::type::url:
      return "a text";
    case config_key::type::integer:
      return "a whole number";
    case config_key::type::boolean:
      return "true or false";
    case config_key::type::texts:
      return "a list of texts";
    case config_key::type::maps:
      return "a list of maps";
  }
  return "another type";
}

/// Complains about a value; `load_config` puts the place in front.
struct bad_value : std::runtime_error {
  bad_value(const YAML::Node& node, const std::string& what) : std::runtime_error(what), line(node.Mark().line) {}
  int line;
};

json::value convert(const config_key& key, const YAML::Node& node);

json::value convert_text(const config_key& key, const YAML::Node& node) {
  const auto& text = node.Scalar();
  if (!key.choices.empty() && std::find(key.choices.begin(), key.choices.end(), text) == key.choices.end())
    throw bad_value(node, key.path + ": \"" + text + "\" is none of: " + joined(key.choices));
  return json::value(text);
}

json::value convert_integer(const config_key& key, const YAML::Node& node) {
  const auto& text = node.Scalar();
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size())
    throw bad_value(node, key.path + ": expected a whole number, got \"" + text + "\"");
  if (number < key.min || number > key.max)
    throw bad_value(node, key.path + ": " + text + " is not between " + std::to_string(key.min) + " and " +
                              std::to_string(key.max));
  return json::value(number);
}

json::value convert_map(const config_key& key, const YAML::Node& node) {
  json::object map;
  for (const auto& field : key.fields)
    map[field.path] = field.default_yaml == "null" ? json::value() : convert(field, YAML::Load(field.default_yaml));
  for (const auto& pair : node) {
    const auto name = pair.first.as<std::string>();
    const auto field =
        std::find_if(key.fields.begin(), key.fields.end(), [&](const auto& f) { return f.path == name; });
    if (field == key.fields.end()) {
      std::vector<std::string> names;
      for (const auto& f : key.fields) names.push_back(f.path);
      throw bad_value(pair.first, key.path + ": unknown entry \"" + name + "\"; known are: " + joined(names));
    }
    const bool absent = field->default_yaml == "null" && pair.second.IsNull();  // as a printed value has it
    map[name] = absent ? json::value() : convert(*field, pair.second);
  }
  return map;
}

json::value convert(const config_key& key, const YAML::Node& node) {
  const auto wrong_type = [&] { return bad_value(node, key.path + ": expected " + expectation(key)); };
  switch (key.kind) {
    case config_key::type::text:
    case config_key::type::url:
      if (!node.IsScalar()) throw wrong_type();
      return convert_text(key, node);
    case config_key::type::integer:
      if (!node.IsScalar()) throw wrong_type();
      return convert_integer(key, node);
    case config_key::type::boolean:
      if (node.IsScalar() && node.Scalar() == "true") return true;
      if (node.IsScalar() && node.Scalar() == "false") return false;
      throw wrong_type();
    case config_key::type::texts:
    case config_key::type::maps:
      if (!node.IsSequence()) throw wrong_type();
      json::array list;
      for (const auto& item : node) {
        if (key.kind == config_key::type::maps ? !item.IsMap() : !item.IsScalar()) throw wrong_type();
        list.push_back(key.kind == config_key::type::maps ? convert_map(key, item) : json::value(item.Scalar()));
      }
      return list;
  }
  throw wrong_type();
}

}  // namespace

class config_builder {
 public:
  explicit config_builder(const std::vector<config_provider>& providers) {
    for (const auto& provider : providers)
      for (const auto& key : provider.keys)
        built_.entries_[key.path] = {key, convert(key, YAML::Load(key.default_yaml)), "default"};
  }

  void merge_folder(const config_sources& sources) {
    namespace fs = std::filesystem;
    if (!fs::is_directory(sources.folder)) {
      if (sources.folder_required)
        throw config_error(sources.folder + ": no such folder; name an existing one with --config DIR");
      return;
    }
    std::vector<std::string> files;
    for (const auto& file : fs::directory_iterator(sources.folder)) files.push_back(file.path().string());
    std::sort(files.begin(), files.end());
    for (const auto* ending : {".global.yaml", ".local.yaml"})
      for (const auto& file : files)
        if (file.ends_with(ending)) merge_file(file);
  }

  void merge_environment(const std::map<std::string, std::string>& variables) {
    constexpr std::string_view prefix = "AMC__";
    for (const auto& [name, value] : variables) {
      if (!name.starts_with(prefix)) continue;
      std::string path;
      for (std::size_t i = prefix.size(); i < name.size(); ++i) {
        const bool separator = name.compare(i, 2, "__") == 0;
        path += separator ? '.' : static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
        i += separator ? 1 : 0;
      }
      merge_single(path, value, "environment " + name);
    }
  }

  void merge_sets(const std::vector<std::string>& sets) {
    for (const auto& set : sets) {
      const auto equals = set.find('=');
      if (equals == std::string::npos) throw config_error("--set " + set + ": write it as --set KEY=VALUE");
      merge_single(set.substr(0, equals), set.substr(equals + 1), "--set");
    }
  }

  config built() && { return std::move(built_); }

 private:
  void merge_file(const std::string& file) {
    std::ifstream stream(file);
    if (!stream) throw config_error(file + ": cannot be read; check its permissions");
    merge_yaml(stream, "", [&](int line) { return file + ":" + std::to_string(line + 1); });
  }

  void merge_single(const std::string& path, const std::string& value, const std::string& origin) {
    std::istringstream stream(value);
    merge_yaml(stream, path, [&](int) { return origin; });
  }

  template <class Place>
  void merge_yaml(std::istream& stream, const std::string& path, const Place& place) {
    int line = 0;
    try {
      const auto node = YAML::Load(stream);
      if (path.empty() && node.IsNull()) return;  // a file of comments
      merge(path, node, place);
    } catch (const YAML::Exception& failed) {
      line = std::max(0, failed.mark.line);
      throw config_error(place(line) + ": not valid YAML: " + failed.msg);
    } catch (const bad_value& failed) {
      throw config_error(place(std::max(0, failed.line)) + ": " + failed.what());
    }
  }

  template <class Place>
  void merge(const std::string& path, const YAML::Node& node, const Place& place) {
    if (const auto known = built_.entries_.find(path); known != built_.entries_.end()) {
      known->second.value = convert(known->second.key, node);
      known->second.origin = place(std::max(0, node.Mark().line));
      return;
    }
    if (!path.empty() && !is_section(path)) throw bad_value(node, unknown(path));
    if (!node.IsMap()) throw bad_value(node, (path.empty() ? "the file" : path) + ": expected a map of keys");
    for (const auto& pair : node) {
      const auto name = pair.first.as<std::string>();
      auto child = path;
      if (!path.empty()) child += '.';
      child += name;
      if (!is_section(child) && !built_.entries_.contains(child)) throw bad_value(pair.first, unknown(child));
      merge(child, pair.second, place);
    }
  }

  bool is_section(const std::string& path) const {
    const auto next = built_.entries_.lower_bound(path + ".");
    return next != built_.entries_.end() && next->first.starts_with(path + ".");
  }

  std::string unknown(const std::string& path) const {
    std::vector<std::string> known;
    for (const auto& [name, entry] : built_.entries_) known.push_back(name);
    return "unknown key \"" + path + "\"; the nearest known key is \"" + nearest(path, known) + "\"";
  }

  config built_;
};

config load_config(const std::vector<config_provider>& providers, const config_sources& sources) {
  config_builder builder(providers);
  builder.merge_folder(sources);
  builder.merge_environment(sources.environment);
  builder.merge_sets(sources.sets);
  return std::move(builder).built();
}

const config::entry& config::at(std::string_view path) const {
  const auto found = entries_.find(path);
  if (found == entries_.end()) throw std::logic_error("no provider declares " + std::string(path));
  return found->second;
}

const std::string config::text(std::string_view path) const {
  return json::value_to<std::string>(at(path).value);
}

std::int64_t config::integer(std::string_view path) const {
  return at(path).value.as_int64();
}

bool config::boolean(std::string_view path) const {
  return at(path).value.as_bool();
}

std::vector<std::string> config::texts(std::string_view path) const {
  return json::value_to<std::vector<std::string>>(at(path).value);
}

const json::array& config::maps(std::string_view path) const {
  return at(path).value.as_array();
}

config_error config::complaint(std::string_view path, std::string_view what) const {
  const auto& bad = at(path);
  return config_error(bad.origin + ": " + bad.key.path + ": " + std::string(what));
}

std::string printable(const config::entry& value) {
  // JSON is YAML, so the printed set can be pasted into a file.
  if (value.key.kind == config_key::type::url) return json::serialize(json::value(mask_url(value.value.as_string())));
  return json::serialize(value.value);
}

namespace {

/// The values of everything that ends with "password=", in a query or in libpq's form.
std::string mask_password_parameters(std::string text) {
  constexpr std::string_view name = "password=";
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + name.size())) {
    const auto begin = at + name.size();
    text.replace(begin, std::min(text.find_first_of("& ", begin), text.size()) - begin, "***");
  }
  return text;
}

}  // namespace

std::string mask_url(std::string_view url) {
  if (url.find(' ') != std::string_view::npos) return mask_password_parameters(std::string(url));  // not a URL
  const auto scheme = url.find("://");
  const auto authority = scheme == std::string_view::npos ? 0 : scheme + 3;
  const auto end = std::min(url.find_first_of("/?#", authority), url.size());
  // The last "@" of the authority ends the user information; a password may hold others.
  auto at = url.substr(0, end).rfind('@');
  const auto colon = url.find(':', authority);
  if (at == std::string_view::npos || at < authority) {
    // A URL that is not quite one, such as with a "/" in its password: what is no port after a colon may be a secret.
    const auto after = colon == std::string_view::npos ? std::string_view() : url.substr(colon + 1, 1);
    const bool port = !after.empty() && after[0] >= '0' && after[0] <= '9' && colon < end;
    at = port ? std::string_view::npos : url.rfind('@');
  }
  if (at == std::string_view::npos || colon > at) return mask_password_parameters(std::string(url));
  return mask_password_parameters(std::string(url.substr(0, colon + 1)) + "***" + std::string(url.substr(at)));
}

}  // namespace amc
