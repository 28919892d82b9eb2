#include "app/timeline.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>

#include "app/replies.hpp"
#include "core/json_text.hpp"
#include "core/text.hpp"
#include "core/time_text.hpp"

namespace amc::app {
namespace json = boost::json;
namespace {

std::string text_in(const json::object& of, std::string_view name) {
  const auto* value = of.if_contains(name);
  return value ? escaped(std::string_view(value->as_string())) : std::string();
}

std::string in_seconds(std::int64_t time_ms, const char* format = "%.3f s") {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), format, static_cast<double>(time_ms) / 1'000);
  return text.data();
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// What each revision said, in lines; of those whose content is kept.
using contents = std::map<int, std::vector<std::string>>;

contents contents_in(std::string_view history) {
  contents all;
  for (const auto& item : item_texts(member_text(history, "revisions"))) {
    const auto told = read_json(item).as_object();
    const auto* message = told.if_contains("message");
    if (!message && !told.contains("message_base64")) continue;
    const auto said = message && !message->is_string() ? indented(member_text(item, "message")) : said_in(told, item);
    all[told.at("revision").to_number<int>()] = lines_of(said);
  }
  return all;
}

std::string diff_below(const contents& all, int revision) {
  const std::string margin(27, ' ');
  const auto after = all.find(revision);
  if (after == all.end()) return margin + "(what revision " + std::to_string(revision) + " said is gone)\n";
  const auto before = all.find(revision - 1);
  std::string told;
  for (const auto& line : line_diff(before == all.end() ? std::vector<std::string>() : before->second, after->second))
    told += margin + escaped(line) + "\n";
  return told;
}

/// "  [claim 12, waited 0.104 s, worked 1.200 s]"; empty where nobody held a claim.
std::string work_told(const json::object& step) {
  const auto* claim = step.if_contains("claim");
  if (!claim) return "";
  auto told = "  [claim " + std::to_string(claim->to_number<std::int64_t>());
  if (const auto* waited = step.if_contains("waited_ms"))
    told += ", waited " + in_seconds(waited->to_number<std::int64_t>());
  if (const auto* worked = step.if_contains("worked_ms"))
    told += ", worked " + in_seconds(worked->to_number<std::int64_t>());
  return told + "]";
}

std::string in_words(const std::string& what) {
  return what == "run_now" ? "run now" : what;
}

std::string step_told(const json::object& step, timestamp begun) {
  const auto after = parse_rfc3339(text_in(step, "at")).value_or(begun) - begun;
  auto line = in_seconds(after.count(), "%+22.3f s") + "  revision " +
              std::to_string(step.at("revision").to_number<int>()) + "  " + in_words(text_in(step, "what"));
  if (const auto queue = text_in(step, "queue"); !queue.empty())
    line += (text_in(step, "what") == "moved" ? " from " : " in ") + queue;
  if (const auto by = text_in(step, "by"); !by.empty()) line += ", by " + by;
  if (const auto holder = text_in(step, "held_by"); !holder.empty()) line += ", held by " + holder;
  if (const auto error = text_in(step, "error"); !error.empty()) line += ": " + error;
  return line + work_told(step) + "\n";
}

}  // namespace

std::string timeline(std::string_view history, bool with_diffs) {
  const auto read = read_json(history);
  const auto& told = read.as_object();
  const auto posted = text_in(told, "created_at");
  const auto begun = parse_rfc3339(posted).value_or(timestamp{});
  auto all = text_in(told, "id") + "  " + text_in(told, "status") + " at revision " +
             std::to_string(told.at("revision").to_number<int>()) + "\n" + posted + "  posted" +
             (told.contains("owner") ? " by " + text_in(told, "owner") : "") + "\n";
  const auto said = with_diffs ? contents_in(history) : contents();
  if (with_diffs) all += diff_below(said, 1);
  for (const auto& item : told.at("history").as_array()) {
    const auto& step = item.as_object();
    all += step_told(step, begun);
    if (const auto what = text_in(step, "what"); with_diffs && (what == "answered" || what == "edited"))
      all += diff_below(said, step.at("revision").to_number<int>() + 1);
  }
  if (told.contains("unreadable")) all += "Some of what is kept of it cannot be read.\n";
  return all;
}

namespace {

/// How many lines two texts have in common, at most, from each pair of places on.
class common_lines {
 public:
  common_lines(const std::vector<std::string>& before, const std::vector<std::string>& after)
      : width_(after.size() + 1), counts_((before.size() + 1) * width_) {
    for (std::size_t i = before.size(); i-- > 0;)
      for (std::size_t j = after.size(); j-- > 0;)
        counts_[i * width_ + j] =
            before[i] == after[j] ? from(i + 1, j + 1) + 1 : std::max(from(i + 1, j), from(i, j + 1));
  }
  std::uint32_t from(std::size_t i, std::size_t j) const { return counts_[i * width_ + j]; }

 private:
  std::size_t width_;
  std::vector<std::uint32_t> counts_;
};

}  // namespace

std::vector<std::string> line_diff(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  // Of pairs of lines that are compared: 16 MiB.
  constexpr std::size_t pairs_max = 4 << 20;
  std::vector<std::string> told;
  std::size_t first = 0;
  while (first < before.size() && first < after.size() && before[first] == after[first])
    told.push_back("  " + before[first++]);
  std::size_t last = 0;
  while (last < before.size() - first && last < after.size() - first &&
         before[before.size() - 1 - last] == after[after.size() - 1 - last])
    ++last;
  const auto middle = [&](const auto& lines) {
    return std::vector<std::string>(lines.begin() + static_cast<std::ptrdiff_t>(first),
                                    lines.end() - static_cast<std::ptrdiff_t>(last));
  };
  const auto gone = middle(before), come = middle(after);
  const bool compares = (gone.size() + 1) <= pairs_max / (come.size() + 1);
  const std::vector<std::string> none;
  const common_lines common(compares ? gone : none, compares ? come : none);
  std::size_t i = 0, j = 0;
  while (i < gone.size() || j < come.size()) {
    if (compares && i < gone.size() && j < come.size() && gone[i] == come[j]) {
      told.push_back("  " + gone[i++]);
      ++j;
    } else if (i < gone.size() && (j == come.size() || !compares || common.from(i + 1, j) >= common.from(i, j + 1))) {
      told.push_back("- " + gone[i++]);
    } else {
      told.push_back("+ " + come[j++]);
    }
  }
  for (auto at = before.size() - last; at < before.size(); ++at) told.push_back("  " + before[at]);
  return told;
}

std::string indented(std::string_view json) {
  std::string told;
  std::size_t depth = 0;
  const auto new_line = [&] { told.append("\n").append(2 * depth, ' '); };
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    const auto next = json.find_first_not_of(" \t\r\n", at + 1);
    const bool is_empty = next != std::string_view::npos && (json[next] == '}' || json[next] == ']');
    if (c == '"') {
      const auto end = end_of_json_string(json, at);
      told += json.substr(at, end - at);
      at = end - 1;
    } else if ((c == '{' || c == '[') && is_empty) {
      told.append(1, c).append(1, json[next]);
      at = next;
    } else if (c == '{' || c == '[') {
      told += c;
      ++depth;
      new_line();
    } else if (c == '}' || c == ']') {
      if (depth > 0) --depth;
      new_line();
      told += c;
    } else if (c == ',') {
      told += c;
      new_line();
    } else if (c == ':') {
      told += ": ";
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      told += c;
    }
  }
  return told;
}

}  // namespace amc::app
