#pragma once

#include <libpq-fe.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/message.hpp"

/// What broker.store.postgresql.url says, with the environment and the service file, as libpq reads them. libpq's own
/// way through several hosts knows no time-out when it does not block; so each try to connect has one host here, and
/// one address.
namespace amc::message_store::postgresql {

/// libpq's keywords and their values.
using keywords = std::map<std::string, std::string>;

struct host {
  std::string name{};     ///< of a host, or the folder of a socket; empty: the address, or libpq's own default
  std::string address{};  ///< numeric; empty: by the name
  std::string port{};
};

struct conninfo {
  keywords common{};  ///< without the hosts
  std::vector<host> hosts{};
  std::optional<milliseconds> connect_timeout{};  ///< for one address, where the URL has its own
  /// For target_session_attrs, one after the other: each wants another look at the hosts.
  std::vector<std::string> session_attributes{};
  bool in_random_order = false;
  /// What no server and no time will mend, for a person; then nothing else counts. Has no secret in it.
  std::optional<std::string> complaint{};
};

/// Reads files, and looks no name up.
conninfo read_conninfo(const std::string& url);

/// The addresses of a host, as what libpq takes. Blocks while names are looked up: resolv.conf bounds that. Throws
/// `unavailable`.
std::vector<keywords> tries_for(const host& at);

/// Begins to connect, without waiting. To be finished.
PGconn* begin_connecting(const keywords& to);

/// Of a text of libpq, and not all of it: the server may quote all of what it was given.
std::string first_line(const char* text);

/// A text of libpq, which may quote what it took for a host or a parameter and is a piece of the password: only what
/// may be shown of the URL stays.
std::string without_secrets(const std::string& text, const std::string& url);

}  // namespace amc::message_store::postgresql
