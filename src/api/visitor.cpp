#include "api/visitor.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

namespace amc::api {
namespace {

constexpr const char* component = "access";

bool is_about_rights(const error& why) {
  return why.code == errc::forbidden || why.hides;
}

std::string asked_by(const visitor& who, std::string_view subject) {
  constexpr std::size_t subject_max_bytes = 200;
  // Nobody is known where nobody is asked who they are.
  std::string line = who.by ? who.by->name + " from " + (who.address.empty() ? "no network" : who.address) + ": " : "";
  line += std::string(who.method) + " " + std::string(who.route);
  if (!subject.empty() && subject != who.route) line += ", " + std::string(shortened(subject, subject_max_bytes));
  return line;
}

const char* told(const error& why) {
  return why.hides ? ": refused, told as unknown" : ": refused";
}

}  // namespace

void note_refusal(const visitor& who, const error& why, std::string_view subject) {
  if (who.by && is_about_rights(why)) log::warning(component, asked_by(who, subject) + told(why));
}

void refusal_notes::add(const error& why, std::string_view subject) {
  if (!who_.by || !is_about_rights(why) || count_++ > 0) return;
  first_ = why;
  subject_ = subject;
}

refusal_notes::~refusal_notes() {
  if (count_ == 0) return;
  const auto more = count_ > 1 ? " and " + std::to_string(count_ - 1) + " more" : std::string();
  log::warning(component, asked_by(who_, subject_ + more) + told(*first_));
}

void note_operation(const visitor& who, std::string_view subject, std::string_view outcome) {
  log::info(component, asked_by(who, subject) + ": " + std::string(outcome));
}

}  // namespace amc::api
