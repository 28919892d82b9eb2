#include "core/config.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <charconv>
#include <functional>
#include <optional>

#include "core/config_files.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

namespace amc {
namespace json = boost::json;

config_key number_key(std::string path, std::string default_yaml, std::string help, std::int64_t min,
                      std::int64_t max) {
  return {.path = std::move(path),
          .kind = config_key::type::integer,
          .default_yaml = std::move(default_yaml),
          .help = std::move(help),
          .min = min,
          .max = max};
}

namespace {

constexpr const char* of_a_file = "_file";

}  // namespace

std::vector<config_key> keys_of(const config_provider& provider) {
  std::vector<config_key> all;
  for (const auto& key : provider.keys) {
    all.push_back(key);
    if (key.kind == config_key::type::url)
      all.push_back({.path = key.path + of_a_file,
                     .default_yaml = "\"\"",
                     .help = "the file whose first line is " + key.path + ", instead of that key"});
  }
  return all;
}

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
    case config_key::type::settings:
      return "a list of NAME=VALUE";
  }
  return "another type";
}

json::value text_value(const config_key& key, const std::string& text, int line) {
  if (!key.choices.empty() && std::find(key.choices.begin(), key.choices.end(), text) == key.choices.end())
    throw yaml::refusal(line, key.path + ": " + repeated(text) + " is none of: " + joined(key.choices));
  if (text.find('\0') != std::string::npos || !is_valid_utf8(text))
    throw yaml::refusal(line, key.path + ": a text is UTF-8 without U+0000");
  return json::value(text);
}

/// Digits and a sign, as JSON has them: what looks like another base or another
/// way to write a number is refused.
json::value integer_value(const config_key& key, const std::string& text, int line) {
  const auto digits = std::string_view(text).substr(text.starts_with('-') ? 1 : 0);
  const bool is_number = !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos &&
                         (digits[0] != '0' || text == "0");
  if (!is_number) throw yaml::refusal(line, key.path + ": expected a whole number, got " + repeated(text));
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || number < key.min || number > key.max)
    throw yaml::refusal(line, key.path + ": " + repeated(text) + " is not between " + std::to_string(key.min) +
                                  " and " + std::to_string(key.max));
  return json::value(number);
}

json::value value_of(const config_key& key, const yaml::node& node);

json::value map_value(const config_key& key, const yaml::node& node) {
  json::object map;
  for (const auto& field : key.fields)
    map[field.path] = field.default_yaml == "null" ? json::value() : value_of(field, yaml::parse(field.default_yaml));
  for (const auto& [name, value] : node.pairs) {
    const auto field =
        std::find_if(key.fields.begin(), key.fields.end(), [&](const auto& f) { return f.path == name.scalar; });
    if (field == key.fields.end()) {
      std::vector<std::string> names;
      for (const auto& f : key.fields) names.push_back(f.path);
      throw yaml::refusal(name.line,
                          key.path + ": unknown entry " + repeated(name.scalar) + "; known are: " + joined(names));
    }
    const bool absent =
        field->default_yaml == "null" && value.kind == yaml::node::type::null;  // as a printed value has it
    auto named = *field;
    named.path = key.path + ": " + field->path;
    map[name.scalar] = absent ? json::value() : value_of(named, value);
  }
  return map;
}

/// A value of the type that its key has.
json::value value_of(const config_key& key, const yaml::node& node) {
  const auto wrong_type = [&](const char* hint = "") {
    return yaml::refusal(node.line, key.path + ": expected " + expectation(key) + hint);
  };
  switch (key.kind) {
    case config_key::type::text:
    case config_key::type::url:
      if (node.kind == yaml::node::type::null) throw wrong_type("; write '' for an empty one, quotes around null or ~");
      if (node.kind != yaml::node::type::scalar) throw wrong_type();
      return text_value(key, node.scalar, node.line);
    case config_key::type::integer:
      if (node.kind != yaml::node::type::scalar) throw wrong_type();
      return integer_value(key, node.scalar, node.line);
    case config_key::type::boolean:
      if (node.kind == yaml::node::type::scalar && node.scalar == "true") return true;
      if (node.kind == yaml::node::type::scalar && node.scalar == "false") return false;
      throw wrong_type();
    case config_key::type::texts:
    case config_key::type::maps:
    case config_key::type::settings:
      if (node.kind != yaml::node::type::list) throw wrong_type();
      json::array list;
      for (const auto& item : node.items) {
        const bool maps = key.kind == config_key::type::maps;
        if (item.kind != (maps ? yaml::node::type::map : yaml::node::type::scalar)) throw wrong_type();
        list.push_back(maps ? map_value(key, item) : text_value(key, item.scalar, item.line));
      }
      return list;
  }
  throw wrong_type();
}

/// Text is what it is; only lists and maps are written in YAML where a value
/// stands alone.
yaml::node node_of(const config_key& key, const std::string& value) {
  const bool is_list = key.kind == config_key::type::texts || key.kind == config_key::type::maps ||
                       key.kind == config_key::type::settings;
  if (is_list) return yaml::parse(value);
  return {yaml::node::type::scalar, 1, value};
}

char lower(char c) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

/// "AMC__BROKER__HTTP__PORT" → "broker.http.port"; nothing for other variables.
std::optional<std::string> key_of_variable(std::string_view name) {
  constexpr std::string_view prefix = "amc__";
  if (name.size() < prefix.size()) return {};
  for (std::size_t i = 0; i < prefix.size(); ++i)
    if (lower(name[i]) != prefix[i]) return {};
  std::string path;
  for (std::size_t i = prefix.size(); i < name.size(); ++i) {
    const bool separator = name.compare(i, 2, "__") == 0;
    path += separator ? '.' : lower(name[i]);
    i += separator ? 1 : 0;
  }
  return path;
}

/// The reverse.
std::string variable_of_key(std::string_view path) {
  std::string name = "AMC__";
  for (const char c : path) name += c == '.' ? "__" : std::string(1, static_cast<char>(std::toupper(c)));
  return name;
}

/// Kubernetes gives every container such variables for a service that is called
/// amc, or amc-broker.
bool is_of_a_kubernetes_service(std::string_view name, std::string_view value) {
  return name.find("_SERVICE_HOST") != std::string_view::npos || name.find("_SERVICE_PORT") != std::string_view::npos ||
         (name.find("_PORT") != std::string_view::npos &&
          (value.starts_with("tcp://") || value.starts_with("udp://") || name.find("_TCP") != std::string_view::npos ||
           name.find("_UDP") != std::string_view::npos));
}

}  // namespace

class config_builder {
 public:
  config_builder(const std::vector<config_provider>& providers, std::vector<std::string> others)
      : others_(std::move(others)) {
    for (const auto& provider : providers)
      for (const auto& key : keys_of(provider))
        built_.entries_[key.path] = {key, value_of(key, yaml::parse(key.default_yaml)), "default"};
  }

  void merge_folder(const config_sources& sources) {
    if (sources.folder.empty()) return;
    auto found = find_config_files(sources.folder, sources.folder_required);
    built_.warnings_ = std::move(found.warnings);
    for (const auto& file : found.files) merge_file(file);
  }

  void merge_environment(const std::map<std::string, std::string>& variables) {
    std::map<std::string, std::string> variable_of;  // a key's
    for (const auto& [name, value] : variables) {
      const auto path = key_of_variable(name);
      if (!path) {
        refuse_if_meant_for_us(name, value);
        continue;
      }
      if (is_for_others(*path)) continue;
      const auto [first, is_first] = variable_of.emplace(*path, name);
      if (!is_first)
        throw config_error("environment " + name + ": says " + *path + " a second time, beside " + first->second +
                           "; leave one of them out");
      merge_single(*path, value, "environment " + escaped(name));
    }
  }

  void merge_sets(const std::vector<std::string>& sets) {
    for (const auto& set : sets) {
      const auto equals = set.find('=');
      if (equals == std::string::npos)
        // What is no key may be a secret that went astray.
        throw config_error("--set" + (built_.entries_.contains(set) ? " " + set : "") +
                           ": write it as --set KEY=VALUE, without spaces around the =");
      merge_single(set.substr(0, equals), set.substr(equals + 1), "--set");
    }
  }

  config built() && {
    for (auto& [path, entry] : built_.entries_)
      if (entry.key.kind == config_key::type::url) read_from_file(entry);
    return std::move(built_);
  }

 private:
  void read_from_file(config::entry& to) {
    const auto& named = built_.at(to.key.path + of_a_file);
    const auto file = json::value_to<std::string>(named.value);
    if (file.empty()) return;
    if (to.origin != "default")
      throw built_.complaint(named.key.path, to.origin + " says " + to.key.path + " too; leave one of them out");
    try {
      const auto said = read_config_file(file, named.key.path);
      const auto line = trimmed(std::string_view(said).substr(0, said.find('\n')));
      if (line.empty()) throw yaml::refusal(1, named.key.path + ": the first line is empty");
      to.value = text_value(to.key, std::string(line), 1);
    } catch (const yaml::refusal& failed) {
      throw config_error(escaped(file) + ":1: " + failed.what());
    }
    to.origin = escaped(file) + ":1";
  }

  using place = std::function<std::string(int line)>;

  void merge_file(const std::string& file) {
    const place at = [&](int line) { return escaped(file) + ":" + std::to_string(line); };
    std::map<std::string, int> lines;  // where the file says a key
    guarded(at, [&] {
      const auto root = yaml::parse(read_config_file(file));
      if (root.kind != yaml::node::type::null) merge("", root, at, lines);  // else a file of comments
    });
  }

  void merge_single(const std::string& path, const std::string& value, const std::string& origin) {
    const place at = [&](int) { return origin; };
    const place in_the_value = [&](int) { return origin + ": " + path; };
    std::map<std::string, int> lines;
    const auto known = built_.entries_.find(path);
    // Before its value is looked at: what is no key may hold a secret.
    if (known == built_.entries_.end() && !is_section(path)) throw config_error(origin + ": " + unknown(path));
    yaml::node node;
    guarded(in_the_value,
            [&] { node = known == built_.entries_.end() ? yaml::parse(value) : node_of(known->second.key, value); });
    guarded(at, [&] { merge(path, node, at, lines); });
  }

  static void guarded(const place& at, const std::function<void()>& work) {
    try {
      work();
    } catch (const yaml::refusal& failed) {
      throw config_error(at(failed.line) + ": " + failed.what());
    }
  }

  void merge(const std::string& path, const yaml::node& node, const place& at, std::map<std::string, int>& lines) {
    if (const auto known = built_.entries_.find(path); known != built_.entries_.end()) {
      const auto [first, is_first] = lines.emplace(path, node.line);
      if (!is_first)
        throw yaml::refusal(node.line,
                            path + ": stands here a second time, after line " + std::to_string(first->second));
      known->second.value = value_of(known->second.key, node);
      known->second.origin = at(node.line);
      return;
    }
    if (!path.empty() && !is_section(path)) throw yaml::refusal(node.line, unknown(path));
    if (node.kind != yaml::node::type::map)
      throw yaml::refusal(node.line, (path.empty() ? "the file" : path) + ": expected a map of keys");
    for (const auto& [name, value] : node.pairs) {
      const auto child = path.empty() ? name.scalar : path + "." + name.scalar;
      if (is_for_others(child)) continue;
      if (!is_section(child) && !built_.entries_.contains(child)) throw yaml::refusal(name.line, unknown(child));
      merge(child, value, at, lines);
    }
  }

  /// What this program knows is for it all the same.
  bool is_for_others(const std::string& path) const {
    if (built_.entries_.contains(path) || is_section(path)) return false;
    return std::find(others_.begin(), others_.end(), path.substr(0, path.find('.'))) != others_.end();
  }

  bool is_section(const std::string& path) const {
    const auto next = built_.entries_.lower_bound(path + ".");
    return next != built_.entries_.end() && next->first.starts_with(path + ".");
  }

  std::vector<std::string> known_keys() const {
    std::vector<std::string> known;
    for (const auto& [name, entry] : built_.entries_) known.push_back(name);
    return known;
  }

  std::string unknown(const std::string& path) const {
    const auto shown = repeated(path);
    return "unknown key " + shown + "; the nearest known key is \"" + nearest(shortened(path, 100), known_keys()) +
           "\"";
  }

  /// AMC_BROKER__HTTP__PORT, with one underscore, would be ignored.
  void refuse_if_meant_for_us(const std::string& name, const std::string& value) {
    constexpr std::string_view prefix = "AMC_";
    if (!name.starts_with(prefix) || is_of_a_kubernetes_service(name, value)) return;
    std::vector<std::string> known;
    bool begins_like_a_key = false;
    for (const auto& path : known_keys()) {
      known.push_back(variable_of_key(path));
      const auto section = known.back().substr(prefix.size() + 1, path.find('.'));
      begins_like_a_key = begins_like_a_key || name.compare(prefix.size(), section.size(), section) == 0;
    }
    if (begins_like_a_key)
      throw config_error("environment " + escaped(name) + ": unknown; the nearest known variable is " +
                         nearest(shortened(name, 100), known));
    built_.warnings_.push_back("the environment variable " + escaped(name) +
                               " is not read: the names of AMC's begin with "
                               "AMC__, as in AMC__BROKER__HTTP__PORT");
  }

  std::vector<std::string> others_;
  config built_;
};

config load_config(const std::vector<config_provider>& providers, const config_sources& sources) {
  config_builder builder(providers, sources.others);
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

namespace {

/// Of what has no name nothing is shown.
json::value masked(const json::array& settings) {
  json::array all;
  for (const auto& setting : settings) {
    const std::string_view text = setting.as_string();
    const auto name = text.substr(0, text.find('='));
    all.push_back(json::value((name.size() < text.size() ? std::string(name) + "=" : "") + "***"));
  }
  return all;
}

}  // namespace

std::string printable(const config::entry& value) {
  // JSON is YAML, so the printed set can be pasted into a file.
  const bool is_url = value.key.kind == config_key::type::url;
  if (value.key.kind == config_key::type::settings) return escaped(json::serialize(masked(value.value.as_array())));
  return escaped(json::serialize(is_url ? json::value(mask_url(value.value.as_string())) : value.value));
}

}  // namespace amc
