#include "queue_system/event_codec.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "core/text.hpp"
#include "core/time_text.hpp"

namespace amc::queue_system {
namespace json = boost::json;
namespace {

constexpr std::string_view event_type = "amc.message.ready";

error undecodable(std::string why) {
  return {errc::invalid, std::move(why)};
}

/// Takes the members that an event is made of out of its JSON, without keeping the rest. What different readers could
/// read differently is refused: a member that comes twice, U+0000.
struct reader {
  static constexpr std::size_t max_object_size = event_max_bytes;
  static constexpr std::size_t max_array_size = event_max_bytes;
  static constexpr std::size_t max_key_size = event_max_bytes;
  static constexpr std::size_t max_string_size = event_max_bytes;
  using failure = boost::system::error_code;

  bool is_object = false;
  bool has_data = false;
  std::optional<std::string> type{}, traceparent{}, id{};
  std::optional<std::int64_t> revision{};
  std::string complaint{};

  bool on_document_begin(failure&) { return true; }
  bool on_document_end(failure&) { return true; }
  bool on_array_begin(failure&) { return enter(true); }
  bool on_array_end(std::size_t, failure&) { return leave(); }
  bool on_object_begin(failure&) {
    is_object = is_object || path_.empty();
    has_data = has_data || at({"data"});
    return enter(false);
  }
  bool on_object_end(std::size_t, failure& failed) {
    auto& names = path_.back().names;
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    constexpr std::size_t name_shown_max = 50;
    if (twice != names.end())
      return refuse("its member \"" + std::string(shortened(*twice, name_shown_max)) + "\" comes twice", failed);
    return leave();
  }
  bool on_key_part(std::string_view part, std::size_t, failure&) { return text_.append(part), true; }
  bool on_key(std::string_view part, std::size_t, failure& failed) {
    text_.append(part);
    if (!check(failed)) return false;
    path_.back().names.push_back(text_);
    text_.clear();
    return true;
  }
  bool on_string_part(std::string_view part, std::size_t, failure&) { return text_.append(part), true; }
  bool on_string(std::string_view part, std::size_t, failure& failed) {
    text_.append(part);
    if (!check(failed)) return false;
    if (at({"type"})) type = text_;
    if (at({"traceparent"})) traceparent = text_;
    if (at({"data", "id"})) id = text_;
    text_.clear();
    return true;
  }
  bool on_number_part(std::string_view, failure&) { return true; }  // not covered: an event is read in one part
  bool on_int64(std::int64_t value, std::string_view, failure&) {
    if (at({"data", "revision"})) revision = value;
    return true;
  }
  bool on_uint64(std::uint64_t, std::string_view, failure&) { return true; }
  bool on_double(double, std::string_view, failure&) { return true; }
  bool on_bool(bool, failure&) { return true; }
  bool on_null(failure&) { return true; }
  // not covered: the parser asks for these two, and takes no comments
  bool on_comment_part(std::string_view, failure&) { return true; }
  bool on_comment(std::string_view, failure&) { return true; }

 private:
  struct level {
    bool is_array = false;
    std::vector<std::string> names{};  ///< the last one's value is being read
  };

  bool at(std::initializer_list<std::string_view> members) const {
    return std::equal(path_.begin(), path_.end(), members.begin(), members.end(),
                      [](const level& l, std::string_view name) { return !l.is_array && l.names.back() == name; });
  }
  bool enter(bool is_array) {
    constexpr std::size_t usual_depth = 2, usual_members = 12;
    path_.reserve(usual_depth);
    path_.push_back({is_array});
    if (!is_array) path_.back().names.reserve(usual_members);
    return true;
  }
  bool leave() {
    path_.pop_back();
    return true;
  }
  bool check(failure& failed) { return text_.find('\0') == std::string::npos || refuse("it contains U+0000", failed); }
  bool refuse(std::string why, failure& failed) {
    complaint = std::move(why);
    failed = json::error::syntax;
    return false;
  }

  std::vector<level> path_{};
  std::string text_{};  ///< of a key or string whose end is not read yet
};

result<event> event_of(const reader& read) {
  if (!read.is_object) return undecodable("not a JSON object");
  if (read.type != event_type) return undecodable("its type is not " + std::string(event_type));
  if (!read.has_data) return undecodable("it has no data object");
  if (!read.id || !read.revision) return undecodable("its data has no id and revision");
  const auto id = parse_uuid(*read.id);
  if (!id) return undecodable("its id is not a UUID");
  if (*read.revision < 1 || *read.revision > INT32_MAX) return undecodable("its revision is out of range");
  event ready{*id, static_cast<int>(*read.revision), {}};
  if (read.traceparent && is_traceparent(*read.traceparent)) ready.traceparent = *read.traceparent;
  return ready;
}

}  // namespace

std::string encode(const event& ready, const uuid& event_id, std::chrono::system_clock::time_point time) {
  // No text of a user goes in but a traceparent, which is checked: nothing needs escaping.
  const auto id = to_string(ready.id);
  std::string out;
  out.reserve(320);
  out += R"({"specversion":"1.0","id":")";
  out += to_string(event_id);
  out += R"(","source":"/amc/broker","type":"amc.message.ready","subject":")";
  out += id;
  out += R"(","time":")";
  out += to_rfc3339(std::chrono::time_point_cast<milliseconds>(time));
  if (!ready.traceparent.empty()) out.append(R"(","traceparent":")").append(ready.traceparent);
  out += R"(","datacontenttype":"application/json","data":{"id":")";
  out += id;
  out += R"(","revision":)";
  out += std::to_string(ready.revision);
  out += "}}";
  return out;
}

result<event> decode(std::string_view bytes) {
  if (bytes.size() > event_max_bytes)
    return undecodable("it has " + std::to_string(bytes.size()) + " bytes, more than the " +
                       std::to_string(event_max_bytes) + " of any event");
  json::parse_options options;
  options.max_depth = 16;
  json::basic_parser<reader> parser(options);
  boost::system::error_code failed;
  const auto used = parser.write_some(false, bytes.data(), bytes.size(), failed);
  const auto& read = parser.handler();
  if (!read.complaint.empty()) return undecodable(read.complaint);
  if (failed) return undecodable("not JSON: " + failed.message());
  if (used != bytes.size()) return undecodable("more follows its JSON");
  return event_of(read);
}

}  // namespace amc::queue_system
