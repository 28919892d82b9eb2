#include "core/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include "core/text.hpp"

namespace amc::yaml {
namespace {

int line_of(const YAML::Mark& mark) {
  return std::max(0, mark.line) + 1;
}

/// Builds one document from the parser's events.
class builder : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (std::exchange(begun_, true))
      throw refusal(line_of(mark), "a second document begins here (---); write one document a file");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add({node::type::null, line_of(mark)});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw refusal(line_of(mark), "an alias (*NAME); write the value itself");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    add({node::type::scalar, line_of(mark), value});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(node::type::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(node::type::map, mark, tag, anchor);
  }
  void OnMapEnd() override { end(); }

  node built() && { return std::move(root_); }

 private:
  /// A list or map that is not at its end; of a map also the key whose value comes next.
  struct open {
    node value;
    std::vector<node> key{};
  };

  static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) throw refusal(line_of(mark), "an anchor (&NAME); write the value itself wherever it belongs");
  }
  /// The parser gives "?" to plain scalars, "!" to quoted ones, and nothing or "?" to lists and maps.
  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.size() > 1)
      throw refusal(line_of(mark), "a tag (" + escaped(shortened(tag, 40)) + "); types come from the key");
  }

  void begin(node::type kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    open_.push_back({{kind, line_of(mark)}});
  }
  void end() {
    auto done = std::move(open_.back().value);
    open_.pop_back();
    add(std::move(done));
  }

  void add(node value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    auto& [parent, key] = open_.back();
    if (parent.kind == node::type::list) {
      parent.items.push_back(std::move(value));
    } else if (key.empty()) {
      refuse_key(parent, value);
      key.push_back(std::move(value));
    } else {
      parent.pairs.emplace_back(std::move(key.front()), std::move(value));
      key.clear();
    }
  }

  static void refuse_key(const node& map, const node& key) {
    if (key.kind != node::type::scalar) throw refusal(key.line, "a key must be a text");
    if (key.scalar == "<<") throw refusal(key.line, "a merge key (<<); write the keys themselves");
    for (const auto& [known, value] : map.pairs)
      if (known.scalar == key.scalar)
        throw refusal(key.line, "the key \"" + escaped(shortened(key.scalar, 100)) +
                                    "\" stands here a second time, after line " + std::to_string(known.line));
  }

  bool begun_ = false;
  node root_;
  std::vector<open> open_;
};

/// Line breaks as YAML counts them, each as one newline.
std::string with_newlines(std::string_view text) {
  std::string same;
  same.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    same += text[i] == '\r' ? '\n' : text[i];
  }
  return same;
}

int line_at(std::string_view text, std::size_t at) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

void refuse_what_is_no_text(std::string_view text) {
  if (const auto good = valid_utf8_prefix(text); good < text.size()) throw refusal(line_at(text, good), "not UTF-8");
  const auto bad = std::find_if(text.begin(), text.end(), [](unsigned char byte) {
    return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
  });
  if (bad != text.end())
    throw refusal(line_at(text, static_cast<std::size_t>(bad - text.begin())),
                  "the control character " + escaped({&*bad, 1}) + "; in a quoted text it can be written like that");
}

node build(const std::string& text) {
  std::istringstream stream(text);
  builder building;
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(building)) {
    }
  } catch (const YAML::Exception& failed) {
    throw refusal(line_of(failed.mark), "not valid YAML: " + failed.msg);
  }
  return std::move(building).built();
}

}  // namespace

node parse(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  const auto lines = with_newlines(text);
  refuse_what_is_no_text(lines);
  // The parser closes a quote by itself that is open at the end, unless the very last character is within it.
  build(lines.substr(0, lines.find_last_not_of(" \t\n") + 1));
  return build(lines);
}

}  // namespace amc::yaml
