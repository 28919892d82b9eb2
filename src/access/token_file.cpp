#include "access/token_file.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "core/config.hpp"
#include "core/config_files.hpp"
#include "core/hex.hpp"
#include "core/text.hpp"
#include "core/time_text.hpp"
#include "core/yaml.hpp"

namespace amc::access {
namespace {

constexpr std::size_t digest_bytes = SHA256_DIGEST_LENGTH;

/// Nothing for what is not 64 hexadecimal digits.
std::optional<std::string> parse_digest(std::string_view hex) {
  if (hex.size() != 2 * digest_bytes) return {};
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

const std::string& text_of(const yaml::node& value, const std::string& name) {
  if (value.kind != yaml::node::type::scalar) throw yaml::refusal(value.line, "\"" + name + "\" must be a text");
  return value.scalar;
}

void set_credential(principal& to, credential_kind kind, std::string credential, int line) {
  if (!to.credential.empty()) throw yaml::refusal(line, "an entry has sha256 or certificate, and not both");
  to.kind = kind;
  to.credential = std::move(credential);
}

void read_rights(const yaml::node& value, principal& to) {
  if (value.kind != yaml::node::type::list)
    throw yaml::refusal(value.line, "\"may\" must be a list, such as [send:orders, read:team-*]");
  for (const auto& item : value.items)
    if (const auto wrong = add_right(to, text_of(item, "may")); !wrong.empty()) throw yaml::refusal(item.line, wrong);
}

std::size_t count_of(const yaml::node& value, const std::string& name) {
  const auto& digits = text_of(value, name);
  std::size_t count = 0;
  const auto* end = digits.data() + digits.size();
  const auto [behind, failed] = std::from_chars(digits.data(), end, count);
  constexpr std::size_t most = std::size_t{1} << 40;
  if (failed != std::errc() || behind != end || count > most)
    throw yaml::refusal(value.line, "\"" + name + "\" must be a whole number from 0 to " + std::to_string(most) +
                                        ", not " + repeated(digits));
  return count;
}

void read_quota(const yaml::node& value, quota& to) {
  if (value.kind != yaml::node::type::map)
    throw yaml::refusal(value.line, "\"quota\" must be a map, such as {requests_per_s: 50, parked_max: 10}");
  const std::pair<const char*, std::optional<std::size_t>*> known[] = {{"requests_per_s", &to.requests_per_s},
                                                                       {"bytes_per_s", &to.bytes_per_s},
                                                                       {"parked_max", &to.parked_max},
                                                                       {"pending_max", &to.pending_max}};
  for (const auto& [name, count] : value.pairs) {
    const auto found =
        std::find_if(std::begin(known), std::end(known), [&](const auto& one) { return one.first == name.scalar; });
    if (found == std::end(known))
      throw yaml::refusal(count.line, "unknown quota " + repeated(name.scalar) +
                                          "; known are: requests_per_s, bytes_per_s, parked_max, pending_max");
    *found->second = count_of(count, name.scalar);
  }
}

/// A name in a certificate, as http::peer_certificate has it.
std::string certificate_name(const yaml::node& value) {
  auto text = text_of(value, "certificate");
  const auto colon = std::min(text.find(':'), text.size());
  const auto kind = std::string_view(text).substr(0, colon);
  if ((kind != "dns" && kind != "uri" && kind != "email") || colon + 1 >= text.size())
    throw yaml::refusal(value.line,
                        "\"certificate\" must be one of its names, such as dns:billing.example, "
                        "uri:spiffe://example/billing or email:billing@example");
  if (kind == "dns")
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

void read_member(const std::string& name, const yaml::node& value, principal& to) {
  if (name == "name") {
    to.name = text_of(value, name);
    if (!principal::is_name(to.name))
      throw yaml::refusal(value.line,
                          "\"name\" must be 1 to 100 characters of A-Z a-z 0-9 . _ -, not " + repeated(to.name));
  } else if (name == "sha256") {
    const auto digest = parse_digest(text_of(value, name));
    if (!digest) throw yaml::refusal(value.line, "\"sha256\" must be the 64 hexadecimal digits of a token's SHA-256");
    set_credential(to, credential_kind::token, *digest, value.line);
  } else if (name == "certificate") {
    set_credential(to, credential_kind::certificate, certificate_name(value), value.line);
  } else if (name == "may") {
    read_rights(value, to);
  } else if (name == "expires") {
    to.expires_at = parse_rfc3339(text_of(value, name));
    if (!to.expires_at) throw yaml::refusal(value.line, "\"expires\" must be a time like 2027-02-24T12:00:00Z");
  } else if (name == "quota") {
    read_quota(value, to.own_quota);
  } else {
    throw yaml::refusal(
        value.line, "unknown entry " + repeated(name) + "; known are: name, sha256, certificate, may, expires, quota");
  }
}

principal_ptr entry_of(const yaml::node& item) {
  if (item.kind != yaml::node::type::map)
    throw yaml::refusal(item.line, "each entry is a map with name, sha256 or certificate, may");
  auto entry = std::make_shared<principal>();
  bool has_rights = false;
  for (const auto& [name, value] : item.pairs) {
    read_member(name.scalar, value, *entry);
    has_rights = has_rights || name.scalar == "may";
  }
  if (entry->name.empty() || entry->credential.empty() || !has_rights)
    throw yaml::refusal(item.line, "an entry has name, sha256 or certificate, and may");
  return entry;
}

}  // namespace

std::string digest_of(std::string_view token) {
  std::string digest(digest_bytes, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string add_right(principal& to, std::string_view text) {
  const auto colon = std::min(text.find(':'), text.size());
  const auto what = parse_right(text.substr(0, colon));
  const auto queue = text.substr(std::min(colon + 1, text.size()));
  if (!what || !queue_patterns::is_one(queue))
    return repeated(text) +
           " is no right; write send, serve, read or operate, a colon, and a queue or the beginning of queues' names: "
           "serve:orders, read:team-*, operate:*";
  to.queues[static_cast<std::size_t>(*what)].add(std::string(queue));
  return {};
}

token_table token_table::parse(std::string_view yaml, const std::string& file) {
  token_table table;
  try {
    const auto root = yaml::parse(yaml);
    if (root.kind != yaml::node::type::list)
      throw yaml::refusal(root.line, "a list of tokens is expected; \"[]\" is an empty one");
    std::set<std::string_view> credentials;
    for (const auto& item : root.items) {
      table.all_.push_back(entry_of(item));
      if (!credentials.insert(table.all_.back()->credential).second)
        throw yaml::refusal(item.line,
                            "an entry before it has the same sha256 or certificate; one credential is one entry");
    }
  } catch (const yaml::refusal& refused) {
    throw config_error(file + ":" + std::to_string(refused.line) + ": broker.access.tokens_file: " + refused.what());
  }
  return table;
}

token_table token_table::read(const std::string& file) {
  return parse(read_config_file(file, "broker.access.tokens_file"), file);
}

principal_ptr token_table::find(std::string_view digest) const {
  const principal_ptr* found = nullptr;
  for (const auto& entry : all_)
    if (entry->kind == credential_kind::token && digest.size() == digest_bytes &&
        CRYPTO_memcmp(entry->credential.data(), digest.data(), digest_bytes) == 0)
      found = &entry;
  return found ? *found : nullptr;
}

principal_ptr token_table::find_certificate(const std::vector<std::string>& names) const {
  for (const auto& entry : all_)
    if (entry->kind == credential_kind::certificate &&
        std::find(names.begin(), names.end(), entry->credential) != names.end())
      return entry;
  return nullptr;
}

}  // namespace amc::access
