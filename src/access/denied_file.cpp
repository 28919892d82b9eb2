#include "access/denied_file.hpp"

#include "core/config.hpp"
#include "core/config_files.hpp"
#include "core/yaml.hpp"

namespace amc::access {
namespace {

constexpr const char* key = "broker.access.jwt.denied_file";

void read_texts(const yaml::node& list, const std::string& name, std::set<std::string, std::less<>>& to) {
  if (list.kind != yaml::node::type::list) throw yaml::refusal(list.line, "\"" + name + "\" must be a list of texts");
  for (const auto& item : list.items) {
    if (item.kind != yaml::node::type::scalar || item.scalar.empty())
      throw yaml::refusal(item.line, "\"" + name + "\" must be a list of texts");
    to.insert(item.scalar);
  }
}

}  // namespace

denied_list denied_list::parse(std::string_view yaml, const std::string& file) {
  denied_list denied;
  try {
    const auto root = yaml::parse(yaml);
    if (root.kind != yaml::node::type::map)
      throw yaml::refusal(root.line, "a map with the lists \"jti\" and \"sub\" is expected; \"{}\" denies nothing");
    for (const auto& [name, value] : root.pairs) {
      if (name.scalar != "jti" && name.scalar != "sub")
        throw yaml::refusal(name.line, "unknown entry " + repeated(name.scalar) + "; known are: jti, sub");
      read_texts(value, name.scalar, name.scalar == "jti" ? denied.tokens_ : denied.subjects_);
    }
  } catch (const yaml::refusal& refused) {
    throw config_error(file + ":" + std::to_string(refused.line) + ": " + key + ": " + refused.what());
  }
  return denied;
}

denied_list denied_list::read(const std::string& file) {
  return parse(read_config_file(file, key), file);
}

}  // namespace amc::access
