#include "access/credentials.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace amc::access {

authorization authorization_of(const http::request& asked) {
  using enum authorization::form;
  const std::string* field = nullptr;
  for (const auto& [name, value] : asked.headers) {
    if (!http::same_ignoring_case(name, "Authorization")) continue;
    if (field) return {several};
    field = &value;
  }
  if (!field) return {none};
  constexpr std::string_view scheme = "Bearer";
  const std::string_view text = *field;
  if (!http::same_ignoring_case(text.substr(0, scheme.size()), scheme)) return {other};
  const auto begin = text.find_first_not_of(' ', scheme.size());
  if (begin == scheme.size() || begin == std::string_view::npos) return {other};
  const auto said = text.substr(begin);
  const auto is_part = [](unsigned char c) { return c > ' ' && c < 0x7f && c != ',' && c != '"'; };
  if (!std::all_of(said.begin(), said.end(), is_part)) return {other};
  return {token, std::string(said)};
}

error refused_credentials::none(const http::peer& from) {
  note(from, "want of a token");
  return {errc::unidentified, "Send a token, in the field \"Authorization: Bearer TOKEN\"."};
}

error refused_credentials::unnamed(const http::peer& from) {
  const auto* shown = from.certificate();
  const auto names = shown ? joined(shown->names) : std::string();
  note(from, "a certificate that no entry names" + (names.empty() ? "" : " (" + names + ")"));
  return {errc::unidentified,
          "No entry of this broker has a name of this certificate; send a token instead, or have it added."};
}

error refused_credentials::wrong(const http::peer& from, const std::string& why) {
  note(from, why);
  return {errc::unidentified, "This token is not valid here: it is unknown, incomplete, expired, or sent twice."};
}

error refused_credentials::unfit(const http::peer& from, const std::string& why) {
  note(from, why);
  return {errc::unidentified, "This token is not valid here: it is " + why + "."};
}

void refused_credentials::note(const http::peer& from, const std::string& why) {
  lines_.warn((from.address().empty() ? "no network" : from.address()) + ": refused for " + why);
}

}  // namespace amc::access
