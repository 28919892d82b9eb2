#include "access/page_sessions.hpp"

#include <algorithm>

#include "access/token_file.hpp"
#include "core/hex.hpp"
#include "core/text.hpp"
#include "http/browsers.hpp"

namespace amc::access {
namespace {

/// Cookies do not know ports: several brokers on one host have one each.
std::string cookie_name(const http::request& asked) {
  const auto host = asked.headers.find("Host").value_or("");
  const auto colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && colon + 1 < host.size() &&
                        host.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  return has_port ? "amc_session_" + host.substr(colon + 1) : "amc_session";
}

/// The value of the cookie; nothing where there is none, or several.
std::optional<std::string> cookie_of(const http::request& asked) {
  const auto name = cookie_name(asked);
  std::optional<std::string> found;
  for (const auto& [field, value] : asked.headers) {
    if (!http::same_ignoring_case(field, "Cookie")) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const auto end = std::min(rest.find(';'), rest.size());
      const auto pair = trimmed(rest.substr(0, end), " ");
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
      if (found) return {};
      found = pair.substr(equals + 1);
    }
  }
  return found;
}

std::string random_name(const environment& env) {
  std::string name;
  for (int words = 256 / 64; words > 0; --words) {
    const auto bits = env.random();
    for (int shift = 0; shift < 64; shift += 8) append_hex(name, static_cast<unsigned char>(bits >> shift));
  }
  return name;
}

/// The API is at the root, so the cookie is too.
std::string set_cookie(const http::request& asked, const std::string& value, const char* more) {
  const bool over_tls = asked.headers.find("Origin").value_or("").starts_with("https:");
  return cookie_name(asked) + "=" + value + "; Path=/; HttpOnly; SameSite=Strict" + more + (over_tls ? "; Secure" : "");
}

}  // namespace

page_sessions::page_sessions(const environment& env, std::shared_ptr<identity> behind, page_sessions_options options)
    : env_(env), behind_(std::move(behind)), options_(options) {}

result<principal_ptr> page_sessions::identify(const http::request& asked, const http::peer& from) {
  if (!asked.headers.find("Authorization"))
    if (auto who = signed_in(asked)) return who;
  return behind_->identify(asked, from);
}

principal_ptr page_sessions::signed_in(const http::request& asked) {
  const auto name = cookie_of(asked);
  if (!name || !http::is_from_own_page(asked)) return nullptr;
  const auto found = all_.find(digest_of(*name));
  if (found == all_.end()) return nullptr;
  auto& known = found->second;
  auto who = known.ends > env_.timers->now() ? behind_->again(*known.who) : nullptr;
  if (!who) {
    all_.erase(found);
    return nullptr;
  }
  known.who = who;
  known.used = ++requests_;
  return who;
}

std::string page_sessions::begin(const http::request& asked, principal_ptr who) {
  auto name = random_name(env_);
  make_room(*who);
  all_[digest_of(name)] = {std::move(who), env_.timers->now() + options_.lifetime, ++requests_};
  return set_cookie(asked, name, "");
}

/// Whoever signs in again and again ends sessions of its own.
void page_sessions::make_room(const principal& for_whom) {
  if (all_.size() < options_.max) return;
  const auto rank = [&](const session& s) { return std::pair(s.who->credential != for_whom.credential, s.used); };
  all_.erase(std::min_element(all_.begin(), all_.end(), [&](const auto& one, const auto& other) {
    return rank(one.second) < rank(other.second);
  }));
}

std::string page_sessions::end(const http::request& asked) {
  if (const auto name = cookie_of(asked)) all_.erase(digest_of(*name));
  return set_cookie(asked, "", "; Max-Age=0");
}

}  // namespace amc::access
