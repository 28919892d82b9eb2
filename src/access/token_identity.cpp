#include "access/token_identity.hpp"

#include <algorithm>

#include "core/log.hpp"

namespace amc::access {
namespace {

constexpr const char* component = "access";
constexpr std::size_t token_max_bytes = 4'096;

/// The value of the one field of this name; nothing where there is none, or several.
std::optional<std::string> only_field(const http::request& asked, std::string_view name) {
  std::optional<std::string> found;
  for (const auto& [field, value] : asked.headers) {
    if (!http::same_ignoring_case(field, name)) continue;
    if (found) return {};
    found = value;
  }
  return found;
}

/// What stands behind "Bearer"; nothing where that is no token (RFC 6750).
std::optional<std::string_view> token_in(std::string_view field) {
  constexpr std::string_view scheme = "Bearer";
  if (!http::same_ignoring_case(field.substr(0, scheme.size()), scheme)) return {};
  field.remove_prefix(scheme.size());
  const auto begin = field.find_first_not_of(' ');
  if (begin == 0 || begin == std::string_view::npos) return {};
  field.remove_prefix(begin);
  const auto is_part = [](unsigned char c) { return c > ' ' && c < 0x7f && c != ',' && c != '"'; };
  const bool is_token = field.size() <= token_max_bytes && std::all_of(field.begin(), field.end(), is_part);
  return is_token ? std::optional(field) : std::nullopt;
}

}  // namespace

token_identity::token_identity(const environment& env, std::string file)
    : env_(env),
      file_(std::move(file)),
      watched_(env, {file_}, [this] { read_again(); }),
      tokens_(std::make_shared<const token_table>(token_table::read(file_))) {
  log::info(component, "asks for tokens: " + std::to_string(tokens_->size()) + " in " + file_);
}

result<principal_ptr> token_identity::identify(const http::request& asked, const std::string& from) {
  const auto field = only_field(asked, "Authorization");
  if (!field && !asked.headers.find("Authorization")) {
    note_refused(from, "want of a token");
    return error{errc::unidentified, "Send a token, in the field \"Authorization: Bearer TOKEN\"."};
  }
  if (!field) return refused(from, "several Authorization fields");
  const auto token = token_in(*field);
  if (!token) return refused(from, "an Authorization field that is no \"Bearer TOKEN\"");
  auto who = tokens_->find(digest_of(*token));
  if (!who) return refused(from, "an unknown token");
  if (who->expires_at && *who->expires_at <= env_.wall_clock())
    return refused(from, "an expired token of " + who->name);
  return who;
}

principal_ptr token_identity::again(const principal& known) const {
  auto who = tokens_->find(known.credential);
  const bool expired = who && who->expires_at && *who->expires_at <= env_.wall_clock();
  return expired ? nullptr : who;
}

/// Whoever guesses learns nothing from the answer.
error token_identity::refused(const std::string& from, const std::string& why) {
  note_refused(from, why);
  return {errc::unidentified, "This token is not valid here: it is unknown, incomplete, expired, or sent twice."};
}

void token_identity::note_refused(const std::string& from, const std::string& why) {
  constexpr milliseconds line_interval{1'000};
  const auto now = env_.timers->now();
  if (last_line_ != timers::time_point{} && now - last_line_ < line_interval) {
    ++untold_;
  } else {
    const auto before = untold_ > 0 ? "; " + std::to_string(untold_) + " more were refused before" : std::string();
    log::warning(component, (from.empty() ? "no network" : from) + ": refused for " + why + before);
    last_line_ = now;
    untold_ = 0;
  }
}

void token_identity::read_again() try {
  tokens_ = std::make_shared<const token_table>(token_table::read(file_));
  log::info(component, "read again: " + std::to_string(tokens_->size()) + " tokens in " + file_);
} catch (const config_error& wrong) {
  log::error(component, std::string("the tokens stay as they were: ") + wrong.what());
}

}  // namespace amc::access
