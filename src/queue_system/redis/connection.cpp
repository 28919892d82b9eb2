#include "queue_system/redis/connection.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/config.hpp"
#include "queue_system/driver.hpp"

namespace amc::queue_system::redis {
namespace {

timeval to_timeval(milliseconds time) {
  return {time.count() / 1'000, (time.count() % 1'000) * 1'000};
}

/// The value of a line "NAME:VALUE" of what INFO answers.
std::string line_of(std::string_view info, const std::string& name) {
  const auto at = info.find("\n" + name + ":");
  if (at == std::string_view::npos) return "";
  const auto begin = at + name.size() + 2;
  return std::string(info.substr(begin, info.find('\r', begin) - begin));
}

/// What the server said before it ended the connection, to one that was still writing; empty: nothing.
std::string last_words(int socket) {
  std::array<char, 256> bytes{};
  const auto got = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
  const std::string_view said(bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  return said.starts_with('-') ? std::string(said.substr(1, said.find('\r') - 1)) : "";
}

bool starts_with_one_of(std::string_view text, std::initializer_list<std::string_view> begins) {
  return std::any_of(begins.begin(), begins.end(), [&](auto begin) { return text.starts_with(begin); });
}

}  // namespace

std::optional<server_url> parse_address(const std::string& url) {
  constexpr url_rules rules{.scheme = "redis", .tls_scheme = "rediss", .port = 6'379, .tls_port = 6'379};
  auto where = parse_server_url(url, rules);
  if (!where || where->path.find_first_not_of("0123456789") != std::string::npos) return {};
  if (where->password.empty() && !where->user.empty()) return {};  // a password alone is ":PASSWORD@"
  return where;
}

std::string_view text_of(const redisReply& of) {
  return of.str ? std::string_view(of.str, static_cast<std::size_t>(of.len)) : std::string_view();
}

std::vector<const redisReply*> parts_of(const redisReply& of) {
  if (of.type != REDIS_REPLY_ARRAY) return {};
  return {of.element, of.element + of.elements};
}

const redisReply* refusal_in(const redisReply& of) {
  if (of.type == REDIS_REPLY_ERROR) return &of;
  for (const auto* part : parts_of(of))
    if (const auto* refusal = refusal_in(*part)) return refusal;
  return nullptr;
}

connection::connection(const redis_options& options, const std::string& role) : options_(options) {
  const auto where = parse_address(options_.url);
  if (!where) fail(unavailable::reason::refused, "its URL cannot be read");
  const auto& [host, port] = where->hosts.front();
  link_.reset(redisConnectWithTimeout(host.c_str(), port, to_timeval(options_.connect_timeout)));
  if (!link_ || link_->err) fail_by_link("connecting");
  redisEnableKeepAlive(link_.get());
  log_in(*where, role);
  check_server();
}

void connection::log_in(const server_url& where, const std::string& role) {
  if (!where.password.empty())
    ask(where.user.empty() ? command{"AUTH", where.password} : command{"AUTH", where.user, where.password});
  if (!where.path.empty()) ask({"SELECT", where.path});
  const auto name = "amc-" + role;
  add({"CLIENT", "SETNAME", name});
  next();  // a user without the right to it has no name
}

void connection::check_server() {
  const auto answer = ask({"INFO"});
  const auto info = text_of(*answer);
  const auto version = line_of(info, "redis_version");
  if (version_number(version) < 602)
    fail(unavailable::reason::refused,
         "the server is Redis " + version + "; queue_system.redis.url wants 6.2 or newer, or Valkey");
  const auto policy = line_of(info, "maxmemory_policy"), most = line_of(info, "maxmemory");
  if (most != "0" && !policy.empty() && policy != "noeviction")
    fail(unavailable::reason::refused,
         "the server throws away what it was given when its memory is full (maxmemory-policy " + policy +
             "); set maxmemory-policy to noeviction there, or give queue_system.redis.url a server of its own");
}

bool connection::is_up() const {
  char byte = 0;
  const auto read = ::recv(link_->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return !link_->err && (read > 0 || (read < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)));
}

void connection::add(const command& words) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const auto word : words) {
    texts.push_back(word.data() ? word.data() : "");
    sizes.push_back(word.size());
  }
  if (redisAppendCommandArgv(link_.get(), static_cast<int>(words.size()), texts.data(), sizes.data()) != REDIS_OK)
    fail_by_link("sending");  // not covered: no memory left
}

reply connection::next(milliseconds longest) {
  redisSetTimeout(link_.get(), to_timeval(longest + options_.answer_timeout));
  void* answer = nullptr;
  if (redisGetReply(link_.get(), &answer) != REDIS_OK) fail_by_link("waiting for an answer");
  return reply(static_cast<redisReply*>(answer));
}

reply connection::ask(const command& words) {
  add(words);
  auto answer = next();
  if (answer->type == REDIS_REPLY_ERROR) refuse(*answer);
  return answer;
}

void connection::transact(const std::vector<command>& all) {
  add({"MULTI"});
  for (const auto& words : all) add(words);
  add({"EXEC"});
  reply refused;
  for (std::size_t answers = all.size() + 2; answers > 0; --answers) {
    auto answer = next();
    if (!refused && refusal_in(*answer)) refused = std::move(answer);  // the first says why
  }
  if (refused) refuse(*refusal_in(*refused));
}

void connection::refuse(const redisReply& refusal) const {
  refuse(std::string(text_of(refusal)));
}

void connection::refuse(const std::string& text) const {
  if (text.starts_with("OOM")) fail(unavailable::reason::away, text + "; give the server more memory (maxmemory)");
  if (starts_with_one_of(text, {"WRONGPASS", "NOAUTH", "ERR invalid password", "ERR AUTH"}))
    fail(unavailable::reason::refused, text + "; check the user and the password in queue_system.redis.url");
  if (text.starts_with("NOPERM"))
    fail(unavailable::reason::refused,
         text +
             "; the user of queue_system.redis.url needs +@stream +@transaction +@connection +info and the keys amc:*");
  if (text.starts_with("WRONGTYPE"))
    fail(unavailable::reason::refused, text +
                                           "; another program uses a key that begins with amc: and the "
                                           "queue_system.prefix: set another prefix or database");
  if (text.starts_with("ERR Protocol error: invalid bulk length"))
    fail(unavailable::reason::refused, text + "; raise proto-max-bulk-len of the server");
  if (starts_with_one_of(text, {"ERR DB index", "ERR invalid DB", "ERR SELECT"}))
    fail(unavailable::reason::refused, text + "; check the database in queue_system.redis.url");
  // A server that loads, is just being replaced, cannot write its disk or has lost the group gets over it.
  fail(unavailable::reason::away, text);
}

void connection::fail_by_link(const std::string& doing) const {
  if (!link_) fail(unavailable::reason::away, "no memory for a connection");
  const bool timed_out = link_->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
  if (timed_out)
    fail(unavailable::reason::away, doing + ": nothing within " + std::to_string(options_.answer_timeout.count()) +
                                        " ms (queue_system.redis.answer_timeout_ms)");
  const std::string why = link_->errstr;
  if (const auto said = last_words(link_->fd); !said.empty()) refuse(said);
  fail(unavailable::reason::away, doing + ": " + why);
}

void connection::fail(unavailable::reason why, const std::string& what) const {
  throw unavailable(why, "redis at " + mask_url(options_.url) + ": " + what);
}

}  // namespace amc::queue_system::redis
