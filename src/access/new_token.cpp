#include "access/new_token.hpp"

#include <openssl/rand.h>

#include <charconv>

#include "access/token_file.hpp"
#include "core/base64.hpp"
#include "core/config.hpp"
#include "core/hex.hpp"
#include "core/time_text.hpp"

namespace amc::access {
namespace {

std::string in_hex(std::string_view bytes) {
  std::string text;
  for (const unsigned char byte : bytes) append_hex(text, byte);
  return text;
}

std::string in_quotes(const std::string& right) {
  std::string text = "\"";
  for (const char c : right) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

}  // namespace

new_token make_token(const std::string& name, const std::vector<std::string>& rights,
                     const std::optional<timestamp>& expires) {
  if (!principal::is_name(name))
    throw config_error(repeated(name) + " is no name: 1 to 100 characters of A-Z a-z 0-9 . _ -");
  if (rights.empty()) throw config_error("say what the token may: --may send:orders,serve:invoices,read:team-*");
  principal checked;
  std::string list;
  for (const auto& r : rights) {
    if (const auto wrong = add_right(checked, r); !wrong.empty()) throw config_error("--may: " + wrong);
    list += (list.empty() ? "" : ", ") + in_quotes(r);
  }
  constexpr int token_bytes = 32;
  std::string random(token_bytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), token_bytes) != 1)
    throw startup_error("the kernel gives no random bytes");
  new_token made{.token = "amc_" + to_base64url(random)};
  made.entry = "- name: \"" + name + "\"\n  sha256: \"" + in_hex(digest_of(made.token)) + "\"\n  may: [" + list + "]\n";
  if (expires) made.entry += "  expires: \"" + to_rfc3339(*expires) + "\"\n";
  return made;
}

std::optional<milliseconds> parse_lifetime(const std::string& text) {
  if (text == "never") return {};
  std::int64_t count = 0;
  const auto* end = text.data() + text.size();
  const auto [behind, failed] = std::from_chars(text.data(), end, count);
  constexpr std::int64_t most = 100'000;
  const bool is_count = failed == std::errc() && behind + 1 == end && count > 0 && count <= most;
  if (is_count && *behind == 'd') return std::chrono::hours(24 * count);
  if (is_count && *behind == 'h') return std::chrono::hours(count);
  if (is_count && *behind == 'm') return std::chrono::minutes(count);
  throw config_error("--expires: " + repeated(text) + " is none of 90d, 12h, 30m, never");
}

}  // namespace amc::access
