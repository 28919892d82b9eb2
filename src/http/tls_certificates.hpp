#pragma once

#include <memory>

#include "core/environment.hpp"
#include "core/task.hpp"
#include "core/watched_files.hpp"
#include "http/tls.hpp"

namespace amc::http {

/// The certificate and key of a server, and whom it believes clients' certificates to, read again within a second of
/// their change, all or nothing: what is wrong is logged, and the old ones stay. Connections that there are keep
/// theirs. For one thread.
class tls_certificates {
 public:
  /// Throws config_error.
  tls_certificates(const environment& env, tls_files files);

  std::shared_ptr<const tls_identity> now() const { return identity_; }

  /// Looks for changes, until it is stopped.
  void run() { watched_.run(); }
  task<void> stop() { return watched_.stop(); }

 private:
  void read_again();

  tls_files files_;
  watched_files watched_;  ///< before they are read: what is written meanwhile is a change
  std::shared_ptr<const tls_identity> identity_;
};

}  // namespace amc::http
