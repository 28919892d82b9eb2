#include "message_store/postgresql/conninfo.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <random>

#include "core/config.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace amc::message_store::postgresql {
namespace {

/// What is wrong, on the way to the complaint.
struct wrong {
  std::string what;
};

struct options_deleter {
  void operator()(PQconninfoOption* all) const { PQconninfoFree(all); }
};
using options = std::unique_ptr<PQconninfoOption, options_deleter>;

keywords set_ones(const options& all) {
  keywords set;
  for (const auto* one = all.get(); one && one->keyword; ++one)
    if (one->val && *one->val) set[one->keyword] = one->val;
  return set;
}

std::string at(const keywords& all, const std::string& key) {
  const auto found = all.find(key);
  return found == all.end() ? std::string() : found->second;
}

keywords parse(const std::string& url) {
  char* why = nullptr;
  const options parsed(PQconninfoParse(url.c_str(), &why));
  if (parsed) return set_ones(parsed);
  const auto told = first_line(why);
  PQfreemem(why);
  throw wrong{without_secrets(told, url)};
}

struct read_by_libpq {
  keywords all{};
  std::string why_not{};
};

/// What libpq makes of the keywords with its defaults, the environment and the service file: read from a connection
/// that ends at a value which it cannot have, before anything is looked up or sent.
read_by_libpq read_up_to(const std::string& last, keywords given) {
  given[last] = "no such value";
  const std::unique_ptr<PGconn, void (*)(PGconn*)> stopped(begin_connecting(given), PQfinish);
  read_by_libpq read{set_ones(options(PQconninfo(stopped.get()))), first_line(PQerrorMessage(stopped.get()))};
  read.all.erase(last);
  if (read.why_not.find(given[last]) != std::string::npos) read.why_not.clear();
  return read;
}

std::vector<std::string> list_of(const std::string& text) {
  std::vector<std::string> items;
  if (text.empty()) return items;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    items.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

/// As libpq takes it: with white space around.
std::optional<int> number_in(std::string_view text) {
  constexpr const char* white = " \t\n\r\v\f";
  const auto begin = text.find_first_not_of(white);
  if (begin == std::string_view::npos) return {};
  text = text.substr(begin, text.find_last_not_of(white) + 1 - begin);
  int number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

bool is_socket_folder(const std::string& name) {
  return name.starts_with('/') || name.starts_with('@');
}

void check_numbers(const keywords& all) {
  for (const auto* key : {"connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
                          "tcp_user_timeout"})
    if (const auto value = at(all, key); !value.empty() && !number_in(value))
      throw wrong{std::string(key) + " must be a number"};
}

void check_names(const keywords& given, const keywords& all) {
  constexpr std::size_t name_max_bytes = 63;
  for (const auto* key : {"dbname", "user"})
    if (at(all, key).size() > name_max_bytes)
      throw wrong{std::string(key) + " is longer than 63 bytes, to which PostgreSQL would cut it"};
  // A password with an "@" or a "/" in it has become the name of a host or a database.
  if (at(all, "host").find('@', 1) != std::string::npos ||
      (at(all, "dbname").find('@') != std::string::npos && !given.contains("user")))
    throw wrong{"an \"@\" where no name can have one; percent-encode the special characters of the password"};
  const auto replication = at(all, "replication");
  if (!replication.empty() && replication != "false" && replication != "off" && replication != "no" &&
      replication != "0")
    throw wrong{"replication is for connections that send no SQL; leave it out"};
}

/// Who may read a private key, as libpq asks for it.
bool is_private(const struct stat& file) {
  if (file.st_uid == geteuid()) return (file.st_mode & (S_IRWXG | S_IRWXO)) == 0;
  return file.st_uid == 0 && (file.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0;
}

/// Without a file that it was given libpq goes on as if nothing had been said, or tells it at the server only.
void check_files(const keywords& given, const keywords& all) {
  const bool tls = at(all, "sslmode") != "disable";
  for (const auto* key : {"sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "passfile"}) {
    const bool secret = std::strcmp(key, "sslkey") == 0 || std::strcmp(key, "passfile") == 0;
    const bool passwords = std::strcmp(key, "passfile") == 0;
    const auto path = at(passwords ? given : all, key);
    const bool no_file = path.empty() || (path == "system" && std::strcmp(key, "sslrootcert") == 0) ||
                         (path.find(':') != std::string::npos && std::strcmp(key, "sslkey") == 0);  // of an engine
    if (no_file || (!tls && !passwords)) continue;
    struct stat file {};
    if (stat(path.c_str(), &file) != 0 || access(path.c_str(), R_OK) != 0)
      throw wrong{std::string(key) + ": cannot read the file \"" + path + "\": " + std::strerror(errno)};
    if (secret && !S_ISREG(file.st_mode)) throw wrong{std::string(key) + ": \"" + path + "\" is no file"};
    if (secret && !is_private(file))
      throw wrong{std::string(key) + ": others may read or write \"" + path + "\"; chmod 0600, owned by AMC's user"};
  }
}

void check_host(const host& one) {
  const auto port = number_in(one.port);
  constexpr int port_max = 65'535;
  if (!port || *port < 1 || *port > port_max) throw wrong{"a port must be a number from 1 to 65535"};
  if (!one.address.empty()) {
    addrinfo asked{};
    asked.ai_flags = AI_NUMERICHOST;
    addrinfo* found = nullptr;
    if (getaddrinfo(one.address.c_str(), nullptr, &asked, &found) != 0)
      throw wrong{"hostaddr must be a numeric address; use host for a name"};
    freeaddrinfo(found);
  } else if (is_socket_folder(one.name)) {
    const auto path = one.name + "/.s.PGSQL." + std::to_string(*port);
    if (path.size() >= sizeof(sockaddr_un::sun_path))
      throw wrong{"host: the path of the socket has more than " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                  " bytes"};
  }
}

/// libpq has seen to it that the lists are equally long, or have one port for all.
std::vector<host> hosts_in(const keywords& all) {
  const auto names = list_of(at(all, "host")), addresses = list_of(at(all, "hostaddr")),
             ports = list_of(at(all, "port"));
  std::vector<host> hosts(std::max({std::size_t{1}, names.size(), addresses.size()}));
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (i < names.size()) hosts[i].name = names[i];
    if (i < addresses.size()) hosts[i].address = addresses[i];
    if (!ports.empty()) hosts[i].port = ports[ports.size() == 1 ? 0 : i];
    if (hosts[i].port.empty()) hosts[i].port = "5432";
    check_host(hosts[i]);
    if (hosts.size() > 1 && hosts[i].name.empty() && hosts[i].address.empty())
      throw wrong{"an empty name in the list of hosts"};
  }
  return hosts;
}

std::vector<std::string> session_attributes_in(const std::string& value) {
  if (value.empty()) return {"any"};
  if (value == "prefer-standby") return {"standby", "any"};
  for (const auto* known : {"any", "read-write", "read-only", "primary", "standby"})
    if (value == known) return {value};
  throw wrong{"target_session_attrs is any, read-write, read-only, primary, standby or prefer-standby"};
}

bool is_random(const std::string& load_balance_hosts) {
  if (load_balance_hosts.empty() || load_balance_hosts == "disable") return false;
  // not covered: libpq before 16 knows no such keyword
  if (load_balance_hosts == "random") return true;
  throw wrong{"load_balance_hosts is disable or random"};
}

/// In the form of "key = value".
bool is_key_in(const std::string& text, const std::string& word) {
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const auto next = text.find_first_not_of(' ', at + word.size());
    if (next != std::string::npos && text[next] == '=') return true;
  }
  return false;
}

conninfo read(const std::string& url) {
  const auto given = parse(url);
  // libpq looks at it after all else that it checks.
  constexpr const char* last = "target_session_attrs";
  auto [all, why_not] = read_up_to(last, given);
  if (!why_not.empty()) throw wrong{without_secrets(why_not, url)};
  const auto attributes = at(read_up_to("sslmode", given).all, last);
  check_numbers(all);
  check_names(given, all);
  check_files(given, all);
  conninfo found;
  found.session_attributes = session_attributes_in(attributes);
  found.in_random_order = is_random(at(all, "load_balance_hosts"));
  if (const auto seconds = number_in(at(all, "connect_timeout")); seconds && *seconds > 0)
    found.connect_timeout = std::chrono::seconds(*seconds);
  found.hosts = hosts_in(all);
  // What is said already; and what is decided here.
  for (const auto* key : {"service", "servicefile", "host", "hostaddr", "port", "load_balance_hosts"}) all.erase(key);
  found.common = std::move(all);
  return found;
}

}  // namespace

conninfo read_conninfo(const std::string& url) {
  try {
    return read(url);
  } catch (const wrong& one) {
    return {.complaint = one.what};
  }
}

std::vector<keywords> tries_for(const host& at) {
  keywords base{{"port", at.port}};
  if (!at.name.empty()) base["host"] = at.name;
  if (!at.address.empty()) base["hostaddr"] = at.address;
  if (!at.address.empty() || at.name.empty() || is_socket_folder(at.name)) return {base};
  addrinfo asked{};
  asked.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failed = getaddrinfo(at.name.c_str(), nullptr, &asked, &found); failed != 0)
    throw unavailable(unavailable::reason::away,
                      "cannot look up the host \"" + at.name + "\": " + gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  std::vector<keywords> tries;
  for (const auto* one = found; one; one = one->ai_next) {
    char numeric[NI_MAXHOST];
    if (getnameinfo(one->ai_addr, one->ai_addrlen, numeric, sizeof(numeric), nullptr, 0, NI_NUMERICHOST) != 0) continue;
    tries.push_back(base);
    tries.back()["hostaddr"] = numeric;
  }
  return tries;
}

PGconn* begin_connecting(const keywords& to) {
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : to) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  return PQconnectStartParams(keys.data(), values.data(), 0);
}

std::string first_line(const char* text) {
  constexpr std::size_t longest = 300;
  const std::string_view all = text ? text : "", line = all.substr(0, all.find('\n'));
  return std::string(shortened(line, longest)) + (line.size() > longest ? "…" : "");
}

/// A typing error in a keyword of libpq is no secret.
bool is_almost_a_keyword(const std::string& word) {
  constexpr std::size_t shortest = 5, edits_max = 2;
  const options all(PQconndefaults());
  for (const auto* one = all.get(); word.size() >= shortest && one && one->keyword; ++one)
    if (edit_distance(word, one->keyword) <= edits_max) return true;
  return false;
}

std::string without_secrets(const std::string& text, const std::string& url) {
  const auto shown = mask_url(url);
  const bool is_url = url.find("://") != std::string::npos;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto open = text.find('"', at);
    const auto close = open == std::string::npos ? open : text.find('"', open + 1);
    if (close == std::string::npos) return out + text.substr(at);
    const auto quoted = text.substr(open + 1, close - open - 1);
    const bool known = quoted == "=" || is_almost_a_keyword(quoted) ||
                       (is_url ? shown.find(quoted) != std::string::npos : is_key_in(url, quoted));
    out += text.substr(at, open + 1 - at) + (known ? quoted : "…") + '"';
    at = close + 1;
  }
  return out;
}

}  // namespace amc::message_store::postgresql
