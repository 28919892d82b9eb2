#pragma once

#include <memory>
#include <string>

#include "access/credentials.hpp"
#include "access/identity.hpp"
#include "access/token_file.hpp"
#include "core/environment.hpp"
#include "core/task.hpp"
#include "core/watched_files.hpp"

namespace amc::access {

/// Recognizes who asks by the token in `Authorization: Bearer TOKEN`, or, where there is no such field, by the
/// certificate that its connection has shown. The file of tokens is read again within a second
/// of its change, whole or not at all: one that is wrong in any way is logged, and what was read before stays. What is
/// refused is logged once a second at most. For one thread.
class token_identity : public identity {
 public:
  /// Throws config_error for a file that is wrong.
  token_identity(const environment& env, std::string file, std::shared_ptr<refused_credentials> refused);

  result<principal_ptr> identify(const http::request& asked, const http::peer& from) override;
  principal_ptr again(const principal& known) const override;

  void run() override { watched_.run(); }
  task<void> stop() override { return watched_.stop(); }
  /// Looks once for changes of the file.
  void look() { watched_.look(); }

 private:
  void read_again();
  result<principal_ptr> identify(const http::peer& from);
  bool is_expired(const principal& who) const;

  environment env_;
  std::string file_;
  std::shared_ptr<refused_credentials> refused_;
  watched_files watched_;  ///< before it is read: what is written meanwhile is a change
  std::shared_ptr<const token_table> tokens_;
};

}  // namespace amc::access
