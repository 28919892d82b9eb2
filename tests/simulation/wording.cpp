#include "tests/simulation/wording.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <stdexcept>

namespace amc::simulation {

bool harmless(std::string_view nature) {
  return nature.empty() || nature.front() == large;
}

bool is_for_good(std::string_view reason) {
  return reason.starts_with("a message of nature " + std::string(1, hopeless));
}

bool is_unfit(std::string_view text) {
  return text.substr(0, text.find('>')).find(unfit) != std::string_view::npos;
}

bool is_value(std::string_view text) {
  return text.starts_with("[\"") && text.ends_with("\"]");
}

boost::json::value said_in_json(const std::string& text) {
  return is_value(text) ? boost::json::parse(text) : boost::json::value(text);
}

std::string text_of(const boost::json::value& said) {
  if (!said.is_string()) return boost::json::serialize(said);
  const std::string text(said.get_string());
  return is_value(text) ? "the text " + text : text;
}

std::optional<wording> read(std::string_view text) {
  wording what;
  what.is_value = is_value(text);
  if (what.is_value) text = text.substr(2, text.size() - 4);
  const auto arrow = text.find('>');
  const auto colon = text.find(':');
  if (arrow == std::string_view::npos || colon == std::string_view::npos || colon < arrow) return {};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + arrow, what.number);
  if (failed != std::errc()) return {};
  what.nature.assign(end, text.data() + arrow);
  what.plan = text.substr(arrow + 1, colon - arrow - 1);
  for (auto rest = text.substr(colon + 1); !rest.empty();) {
    if (rest.front() != ' ') return {};
    rest.remove_prefix(1);
    const auto token = rest.substr(0, rest.find(' '));
    what.tokens.emplace_back(token);
    rest.remove_prefix(token.size());
  }
  return what;
}

std::string write(const wording& what) {
  auto text = std::to_string(what.number) + what.nature + ">" + what.plan + ":";
  for (const auto& token : what.tokens) text += " " + token;
  return what.is_value ? "[\"" + text + "\"]" : text;
}

std::string last_token_of(std::string_view text) {
  const auto what = read(text);
  return what && !what->tokens.empty() ? what->tokens.back() : std::string();
}

bool has_token(std::string_view text, const std::string& token) {
  const auto what = read(text);
  return what && std::find(what->tokens.begin(), what->tokens.end(), token) != what->tokens.end();
}

bool follow(wording& what, const std::string& token) {
  if (token.front() == by_edit) {
    what.nature.clear();
    what.plan = token.substr(1, token.find('-') - 1);
  } else {
    if (!what.plan.starts_with(token.front())) return false;
    what.plan.erase(0, 1);
  }
  what.tokens.push_back(token);
  return true;
}

std::string edited(std::string_view text, std::string_view plan, std::string_view who, int run) {
  auto what = read(text);
  if (!what) throw std::runtime_error("this text cannot be read: " + std::string(text));
  follow(*what, by_edit + std::string(plan) + "-" + std::string(who) + "." + std::to_string(run));
  return write(*what);
}

std::string answered(std::string_view text, std::string_view who, int run) {
  auto what = read(text);
  if (!what || what->plan.empty()) throw std::runtime_error("this text has no next step: " + std::string(text));
  follow(*what, what->plan.substr(0, 1) + "-" + std::string(who) + "." + std::to_string(run));
  return write(*what);
}

}  // namespace amc::simulation
