#include "core/json_text.hpp"

#include <algorithm>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <cstring>

namespace amc {
namespace {

constexpr std::string_view blanks = " \t\r\n";

std::size_t behind_blanks(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(blanks, at), text.size());
}

std::size_t end_of_value(std::string_view text, std::size_t at) {
  if (text[at] == '"') return end_of_json_string(text, at);
  if (text[at] != '{' && text[at] != '[') return std::min(text.find_first_of(",]} \t\r\n", at), text.size());
  for (int open = 0;; ++at) {
    if (text[at] == '"') at = end_of_json_string(text, at) - 1;
    if (text[at] == '{' || text[at] == '[') ++open;
    if ((text[at] == '}' || text[at] == ']') && --open == 0) return at + 1;
  }
}

bool is_name(std::string_view quoted, std::string_view name) {
  if (quoted.find('\\') == std::string_view::npos) return quoted.substr(1, quoted.size() - 2) == name;
  return std::string_view(boost::json::parse(quoted).as_string()) == name;
}

/// Whether none of eight bytes is a control character, a quote or a backslash. A byte of a word is zero where
/// (word - 0x01…) & ~word has its highest bit, and less than a space where (word - 0x20…) & ~word has it.
bool is_plain(std::uint64_t eight) {
  constexpr std::uint64_t each = 0x0101010101010101;
  const auto quotes = eight ^ (each * '"'), backslashes = eight ^ (each * '\\');
  const auto found =
      ((eight - each * ' ') & ~eight) | ((quotes - each) & ~quotes) | ((backslashes - each) & ~backslashes);
  return (found & (each * 0x80)) == 0;
}

/// JSON writes it as it is.
bool is_plain(std::string_view text) {
  std::uint64_t eight = 0;
  for (; text.size() >= sizeof eight; text.remove_prefix(sizeof eight)) {
    std::memcpy(&eight, text.data(), sizeof eight);
    if (!is_plain(eight)) return false;
  }
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= ' ' && c != '"' && c != '\\'; });
}

}  // namespace

boost::json::value read_json(std::string_view text, boost::system::error_code& failed) {
  boost::json::parse_options options;
  options.max_depth = json_depth_max + json_around_depth_max;
  return boost::json::parse(text, failed, boost::json::make_shared_resource<boost::json::monotonic_resource>(),
                            options);
}

boost::json::value read_json(std::string_view text) {
  boost::system::error_code failed;
  auto read = read_json(text, failed);
  if (failed) throw boost::system::system_error(failed);
  return read;
}

std::size_t json_depth(std::string_view valid) {
  std::size_t open = 0, deepest = 0;
  for (std::size_t at = 0; at < valid.size(); ++at) {
    if (valid[at] == '"') at = end_of_json_string(valid, at) - 1;
    if (valid[at] == '{' || valid[at] == '[') deepest = std::max(deepest, ++open);
    if (valid[at] == '}' || valid[at] == ']') --open;
  }
  return deepest;
}

std::size_t end_of_json_string(std::string_view text, std::size_t begin) {
  auto at = begin + 1;
  while (text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return at + 1;
}

void append_json_string(std::string& to, std::string_view text) {
  if (!is_plain(text)) {
    to += boost::json::serialize(boost::json::string_view(text));
    return;
  }
  to.push_back('"');
  to.append(text);
  to.push_back('"');
}

std::string_view member_text(std::string_view object, std::string_view name) {
  auto at = behind_blanks(object, object.find('{') + 1);
  while (at < object.size() && object[at] == '"') {
    const auto name_end = end_of_json_string(object, at);
    const bool found = is_name(object.substr(at, name_end - at), name);
    const auto value = behind_blanks(object, object.find(':', name_end) + 1);
    const auto end = end_of_value(object, value);
    if (found) return object.substr(value, end - value);
    at = behind_blanks(object, behind_blanks(object, end) + 1);  // behind the comma
  }
  return {};
}

std::vector<std::string_view> item_texts(std::string_view array) {
  std::vector<std::string_view> items;
  auto at = behind_blanks(array, array.find('[') + 1);
  while (at < array.size() && array[at] != ']') {
    const auto end = end_of_value(array, at);
    items.push_back(array.substr(at, end - at));
    at = behind_blanks(array, end);
    if (at < array.size() && array[at] == ',') at = behind_blanks(array, at + 1);
  }
  return items;
}

}  // namespace amc
