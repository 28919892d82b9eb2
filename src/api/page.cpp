#include "api/page.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <map>

#include "api/access_checks.hpp"
#include "api/reading.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"
#include "core/hex.hpp"
#include "core/time_text.hpp"

/// The page for people: its files, and who is signed in. What it shows it asks of the rest of this API.
namespace amc::api {
namespace json = boost::json;
namespace {

/// Nothing but the broker's own files is loaded, and nobody frames it.
constexpr const char* content_security_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

struct served {
  std::string_view text;
  std::string tag;
  const char* type;
};

const char* type_of(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, const char*>, 4> types{{{".html", "text/html; charset=utf-8"},
                                                                           {".css", "text/css; charset=utf-8"},
                                                                           {".js", "text/javascript; charset=utf-8"},
                                                                           {".svg", "image/svg+xml"}}};
  const auto found = std::find_if(types.begin(), types.end(), [&](const auto& t) { return name.ends_with(t.first); });
  return found == types.end() ? "application/octet-stream" : found->second;
}

std::string tag_of(std::string_view text) {
  constexpr std::size_t kept_bytes = 16;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string tag = "\"";
  for (std::size_t i = 0; i < kept_bytes; ++i) append_hex(tag, digest[i]);
  return tag + "\"";
}

const std::map<std::string_view, served>& all_served() {
  static const auto all = [] {
    std::map<std::string_view, served> made;
    for (const auto& file : page_files()) made[file.name] = {file.text, tag_of(file.text), type_of(file.name)};
    return made;
  }();
  return all;
}

bool is_here(const context& api, const visitor& who) {
  return api.options.page_at == who.at;
}

http::response not_here(const context& api) {
  return problem(404, api.options.page_at ? "The page is on the listener of broker.admin.address, and not here."
                                          : "There is no page here: broker.page.enabled is false.");
}

/// A copy is asked about each time: a broker of another version has other files.
http::response file_reply(const http::request& asked, std::string_view name) {
  const auto found = all_served().find(name);
  if (found == all_served().end()) return problem(404, "The page has no file " + in_quotes(name) + ".");
  const auto& file = found->second;
  http::response reply{200,
                       {{"Content-Type", file.type},
                        {"ETag", file.tag},
                        {"Cache-Control", "no-cache"},
                        {"Content-Security-Policy", content_security_policy},
                        {"Referrer-Policy", "no-referrer"}},
                       std::string(file.text)};
  const auto known = asked.headers.find("If-None-Match");
  if (known && none_match_has(*known, file.tag)) {
    reply.status = 304;
    reply.body.clear();
  }
  return reply;
}

/// What the page may offer to who has signed in.
json::object told_of(const principal& who) {
  json::object may;
  for (const auto right : all_rights) {
    json::array queues;
    for (const auto& pattern : who.where(right).patterns()) queues.emplace_back(pattern);
    may[to_string(right)] = std::move(queues);
  }
  json::object told{{"access", true}, {"name", who.name}, {"may", std::move(may)}};
  if (who.expires_at) told["expires_at"] = to_rfc3339(*who.expires_at);
  return told;
}

http::response session_reply(const json::object& told) {
  auto reply = json_reply(200, json::serialize(told));
  reply.headers.add("Cache-Control", "no-store");
  return reply;
}

}  // namespace

task<http::response> redirect_to_page(context& api, http::request&, visitor& who) {
  if (!is_here(api, who)) co_return not_here(api);
  // Relative: a proxy may have put the broker under a path of its own.
  http::response reply{308, {{"Location", "ui/"}}, {}};
  co_return reply;
}

task<http::response> get_page(context& api, http::request& asked, visitor& who) {
  co_return is_here(api, who) ? file_reply(asked, "index.html") : not_here(api);
}

task<http::response> get_page_asset(context& api, http::request& asked, visitor& who) {
  co_return is_here(api, who) ? file_reply(asked, segment_of(asked, 2)) : not_here(api);
}

task<http::response> get_session(context& api, http::request& asked, visitor& who) {
  if (!is_here(api, who)) co_return not_here(api);
  json::object told{{"access", api.identity != nullptr}};
  if (const auto known = visitor_of(api, asked); known && known->by) told = told_of(*known->by);
  co_return session_reply(told);
}

task<http::response> post_session(context& api, http::request& asked, visitor& who) {
  if (!is_here(api, who)) co_return not_here(api);
  if (!who.by) co_return session_reply({{"access", false}});
  auto reply = session_reply(told_of(*who.by));
  reply.headers.add("Set-Cookie", api.sessions->begin(asked, who.by));
  note_operation(who, {}, "signed in");
  co_return reply;
}

task<http::response> delete_session(context& api, http::request& asked, visitor& who) {
  if (!is_here(api, who)) co_return not_here(api);
  auto reply = session_reply({{"access", api.sessions != nullptr}});
  if (!api.sessions) co_return reply;
  reply.headers.add("Set-Cookie", api.sessions->end(asked));
  note_operation(who, {}, "signed out");
  co_return reply;
}

}  // namespace amc::api
