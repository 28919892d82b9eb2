#pragma once

#include <map>
#include <memory>
#include <string>

#include "access/identity.hpp"
#include "core/environment.hpp"

namespace amc::access {

struct page_sessions_options {
  std::size_t max = 0;  ///< at once; a new one ends the one that was used longest ago, of the same credential if any
  milliseconds lifetime{};  ///< from the sign-in on
};

/// Recognizes a browser that has signed in with a credential by its cookie: a random name of 256 bits, which no script
/// can read. A request with a field `Authorization` is not asked for its cookie, and all else is left to the identity
/// behind. A session ends with its time, with its credential, when somebody signs out, and with the process: they are
/// kept in memory alone, by the digests of their names. For one thread.
class page_sessions : public identity {
 public:
  page_sessions(const environment& env, std::shared_ptr<identity> behind, page_sessions_options options);

  result<principal_ptr> identify(const http::request& asked, const http::peer& from) override;
  principal_ptr again(const principal& known) const override { return behind_->again(known); }

  /// Signs in who has been recognized. Returns the value of `Set-Cookie`; it is `Secure` where the page came over TLS.
  std::string begin(const http::request& asked, principal_ptr who);
  /// Signs out, if there is a session. Returns the value of `Set-Cookie`.
  std::string end(const http::request& asked);

  std::size_t size() const { return all_.size(); }

 private:
  struct session {
    principal_ptr who;
    timers::time_point ends;
    std::uint64_t used = 0;  ///< the number of its latest request
  };

  principal_ptr signed_in(const http::request& asked);
  void make_room(const principal& for_whom);

  environment env_;
  std::shared_ptr<identity> behind_;
  page_sessions_options options_;
  std::map<std::string, session> all_;  ///< by the digests of their names
  std::uint64_t requests_ = 0;
};

}  // namespace amc::access
