#pragma once

#include <hiredis.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "queue_system/redis/redis.hpp"
#include "queue_system/server_url.hpp"

namespace amc::queue_system::redis {

/// Reads "redis://USER:PASSWORD@HOST:PORT/DATABASE"; nothing for another text. Without a user it is the default one.
std::optional<server_url> parse_address(const std::string& url);

/// A command: its name and what follows it, bytes of any value.
using command = std::vector<std::string_view>;

struct freed {
  void operator()(redisReply* it) const { freeReplyObject(it); }
  void operator()(redisContext* it) const { redisFree(it); }
};
using reply = std::unique_ptr<redisReply, freed>;

std::string_view text_of(const redisReply& of);
/// The parts of an answer; none when it has none.
std::vector<const redisReply*> parts_of(const redisReply& of);
/// The answer, or the first part of it at any depth, that is a refusal; nullptr: none.
const redisReply* refusal_in(const redisReply& of);

/// One connection, for one thread. Every method throws `unavailable` (refused when the server says no to what was
/// asked, away otherwise); after that the connection is of no use, drop it.
class connection {
 public:
  connection(const redis_options& options, const std::string& role);

  const redis_options& options() const { return options_; }

  /// Whether nothing is known of its end.
  bool is_up() const;

  /// Puts a command with those that are sent together; each has one answer.
  void add(const command& words);
  /// The next answer, a refusal too. `longest`: for which the server has been told to wait.
  reply next(milliseconds longest = milliseconds(0));

  /// One command; what it answers is no refusal.
  reply ask(const command& words);
  /// All of these, or none.
  void transact(const std::vector<command>& all);

  /// Throws what a refusal is.
  [[noreturn]] void refuse(const redisReply& refusal) const;

 private:
  void log_in(const server_url& where, const std::string& role);
  /// Refused when the server is too old, or may throw away what is in a queue.
  void check_server();
  [[noreturn]] void refuse(const std::string& text) const;
  [[noreturn]] void fail(unavailable::reason why, const std::string& what) const;
  [[noreturn]] void fail_by_link(const std::string& doing) const;

  redis_options options_;
  std::unique_ptr<redisContext, freed> link_;
};

}  // namespace amc::queue_system::redis
