#include "tests/chaos/journal.hpp"

#include <algorithm>
#include <map>
#include <string_view>

namespace amc::chaos {
namespace {

constexpr std::string_view beginning = "Hi ";
constexpr std::string_view ending = ". Bye!";

/// Empty where there is none.
std::string token_in(const std::string& text) {
  const auto comma = text.find(',');
  if (!text.starts_with(beginning) || comma == std::string::npos) return {};
  return text.substr(beginning.size(), comma - beginning.size());
}

std::string told(const row& of) {
  return of.id + " (" + of.status + ", revision " + std::to_string(of.revision) + ", \"" + of.text + "\")";
}

void check_row(const row& found, const std::string& token, std::vector<std::string>& wrong) {
  constexpr int finished_revision = 3;
  if (found.status != "done")
    wrong.push_back("not done: " + told(found));
  else if (!is_finished(found.text, token) || found.revision != finished_revision)
    wrong.push_back("not one name and one Bye: " + told(found));
}

void check_post(const post& said, const std::vector<const row*>& found, std::vector<std::string>& wrong) {
  if (found.size() > 1) wrong.push_back("doubled: " + told(*found[0]) + " and " + told(*found[1]));
  if (!said.id.empty() && found.empty()) wrong.push_back("lost: " + said.id + ", posted as " + said.token);
  if (!said.id.empty() && !found.empty() && found[0]->id != said.id)
    wrong.push_back("accepted as " + said.id + " and stored as " + told(*found[0]));
  if (!said.sent && !found.empty()) wrong.push_back("never sent to a broker: " + told(*found[0]));
}

}  // namespace

std::string text_of(const std::string& token) {
  return std::string(beginning) + token + ", ";
}

bool is_finished(const std::string& text, const std::string& token) {
  const auto begin = std::string(beginning) + token + ", ";
  if (!text.starts_with(begin) || !text.ends_with(ending) || text.size() <= begin.size() + ending.size()) return false;
  const auto name = text.substr(begin.size(), text.size() - begin.size() - ending.size());
  return std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalpha(c) != 0; });
}

std::vector<std::string> check(const std::vector<post>& posts, const std::vector<row>& rows) {
  std::vector<std::string> wrong;
  std::map<std::string, std::vector<const row*>> by_token;
  for (const auto& found : rows) by_token[token_in(found.text)].push_back(&found);
  for (const auto& said : posts) {
    const auto& found = by_token[said.token];
    check_post(said, found, wrong);
    for (const auto* each : found) check_row(*each, said.token, wrong);
    by_token.erase(said.token);
  }
  for (const auto& [token, found] : by_token)
    for (const auto* each : found) wrong.push_back("posted by nobody: " + told(*each));
  return wrong;
}

}  // namespace amc::chaos
