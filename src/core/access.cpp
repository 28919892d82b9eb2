#include "core/access.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace amc {
namespace {

constexpr char any = '*', behind_principal = '/';

}  // namespace

const char* to_string(right value) {
  switch (value) {
    case right::send:
      return "send";
    case right::serve:
      return "serve";
    case right::read:
      return "read";
    case right::operate:
      break;
  }
  return "operate";
}

std::optional<right> parse_right(std::string_view text) {
  for (const auto r : all_rights)
    if (text == to_string(r)) return r;
  return {};
}

bool queue_patterns::is_one(std::string_view text) {
  constexpr std::size_t queue_name_max_bytes = 200;
  const auto star = text.find(any);
  const bool star_is_last = star == std::string_view::npos || star + 1 == text.size();
  return !text.empty() && text.size() <= queue_name_max_bytes && star_is_last && !has_control(text);
}

bool queue_patterns::has(std::string_view queue) const {
  return std::any_of(all_.begin(), all_.end(), [&](std::string_view pattern) {
    if (!pattern.ends_with(any)) return queue == pattern;
    pattern.remove_suffix(1);
    return queue.starts_with(pattern);
  });
}

bool principal::is_name(std::string_view text) {
  return is_plain_name(text);
}

bool principal::sees(std::string_view queue) const {
  return may(right::read, queue) || may(right::serve, queue) || may(right::operate, queue);
}

std::string_view queue_of(const message& m) {
  return m.queue.empty() ? m.last_queue : m.queue;
}

std::string name_by_issuer(std::string_view subject, std::string_view issuer) {
  std::string name(subject);
  name += '@';
  for (const char c : issuer) {
    if (c == behind_principal)
      name += "%2F";
    else if (c == '%')
      name += "%25";
    else
      name += c;
  }
  return name;
}

std::string holder_of(const principal_ptr& by, std::string_view told) {
  if (!by) return std::string(told);
  return told.empty() ? by->name : by->name + behind_principal + std::string(told);
}

bool is_holder(std::string_view principal_name, std::string_view holder) {
  if (!holder.starts_with(principal_name)) return false;
  holder.remove_prefix(principal_name.size());
  return holder.empty() || holder.front() == behind_principal;
}

}  // namespace amc
