#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "access/credentials.hpp"
#include "access/denied_file.hpp"
#include "access/identity.hpp"
#include "access/jwk_fetcher.hpp"
#include "access/jwk_set.hpp"
#include "access/jwt.hpp"
#include "core/environment.hpp"
#include "core/watched_files.hpp"

namespace amc::access {

struct jwt_options {
  jwt_rules rules{};
  std::size_t token_max_bytes = 0;
  std::string keys_file{};    ///< a set of keys; empty: they come by a URL
  std::string denied_file{};  ///< empty: nothing is denied
  jwk_fetcher_options keys{};
  std::shared_ptr<http::caller> keys_server{};  ///< null: they come from the file
};

/// Recognizes who asks by the JWT in `Authorization: Bearer TOKEN`, with the keys of its issuer. Files are read again
/// within a second of their change, whole or not at all; keys that come by a URL are not there at the start. What has
/// been taken away acts at once: keys, and what is denied, also on requests that wait. For one thread.
class jwt_identity : public identity {
 public:
  /// Throws config_error for a file that is wrong.
  jwt_identity(const environment& env, jwt_options options, std::shared_ptr<refused_credentials> refused);

  result<principal_ptr> identify(const http::request& asked, const http::peer& from) override;
  principal_ptr again(const principal& known) const override;

  void run() override;
  task<void> stop() override;
  /// Looks once for changes of the files.
  void look();

 private:
  void read_keys();
  void read_denied();
  void take(jwk_set keys, const std::string& origin);
  result<principal_ptr> verify(const std::string& token, const http::peer& from);
  bool stands(const principal& known) const;

  environment env_;
  jwt_options options_;
  std::shared_ptr<refused_credentials> refused_;
  watched_files watched_keys_, watched_denied_;  ///< before they are read: what is written meanwhile is a change
  jwk_set keys_;
  denied_list denied_;
  std::optional<jwk_fetcher> fetcher_;
  /// Tokens that were verified, by their digests: a client sends the same one with each request.
  std::unordered_map<std::string, principal_ptr> verified_;
};

}  // namespace amc::access
