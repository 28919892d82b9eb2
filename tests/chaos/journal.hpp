#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace amc::chaos {

/// What a client was told about one text that it posted.
struct post {
  std::string token;  ///< stands in the text; no two posts share one
  std::string key;    ///< its Idempotency-Key; empty: none, and it is tried once
  std::string id;     ///< of the message, once anybody said that it is accepted
  bool sent = false;  ///< at least one try reached a broker, so it may be stored
};

/// A message as the list of all messages shows it in the end.
struct row {
  std::string id;
  std::string text;
  int revision = 0;
  std::string status;
};

std::string text_of(const std::string& token);

/// Holds what clients were told against what is stored in the end, when everything has finished: each accepted text is
/// one message, done, with one name and one "Bye!"; one of unknown outcome is at most one message; and there is no
/// other. Returns everything that does not fit.
std::vector<std::string> check(const std::vector<post>& posts, const std::vector<row>& rows);

/// Whether this is what `token` is to become.
bool is_finished(const std::string& text, const std::string& token);

}  // namespace amc::chaos
