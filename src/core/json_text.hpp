#pragma once

#include <boost/json/value.hpp>
#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace amc {

// Parts of JSON as they were written: a value that is read and written again may have lost digits. What is given must
// be valid JSON.

/// What a message says is nested no deeper: the objects and lists in one another. What holds it, a request, an answer
/// of a broker, has room for that.
constexpr std::size_t json_depth_max = 32, json_around_depth_max = 8;

/// Reads what may hold a message. One block of memory: not to be changed.
boost::json::value read_json(std::string_view text, boost::system::error_code& failed);
/// The same; throws boost::system::system_error.
boost::json::value read_json(std::string_view text);

/// How deep objects and lists are nested in one another.
std::size_t json_depth(std::string_view valid);

/// The value of a member of an object, without the white space around it; empty where there is none.
std::string_view member_text(std::string_view object, std::string_view name);

/// The items of an array.
std::vector<std::string_view> item_texts(std::string_view array);

/// Behind the string that begins at `begin`.
std::size_t end_of_json_string(std::string_view text, std::size_t begin);

/// Adds a text as JSON writes it, in quotes.
void append_json_string(std::string& to, std::string_view text);

/// Writes an object, member by member, without making one first. No name may be added twice.
class json_object_text {
 public:
  void add(std::string_view name, std::string_view text) {
    begin(name);
    append_json_string(text_, text);
  }
  /// A number, or true or false.
  template <std::integral Value>
  void add(std::string_view name, Value value) {
    if constexpr (std::same_as<Value, bool>)
      add_json(name, value ? "true" : "false");
    else
      add_json(name, std::to_string(value));
  }
  /// A value that is written already.
  void add_json(std::string_view name, std::string_view value) {
    begin(name);
    text_ += value;
  }
  /// All of it. Nothing is added afterwards.
  std::string take() { return std::move(text_ += text_.empty() ? "{}" : "}"); }

 private:
  void begin(std::string_view name) {
    if (text_.empty()) text_.reserve(usual_bytes);
    text_ += text_.empty() ? '{' : ',';
    append_json_string(text_, name);
    text_ += ':';
  }

  static constexpr std::size_t usual_bytes = 400;  ///< of a delivery with a short text: one allocation, not six

  std::string text_;
};

}  // namespace amc
