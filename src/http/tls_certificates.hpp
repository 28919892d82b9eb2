#pragma once

#include <memory>

#include "core/environment.hpp"
#include "core/file_signature.hpp"
#include "core/task.hpp"
#include "http/tls.hpp"

namespace amc::http {

/// The certificate and key of a server, read again within a second of their change, both or neither: a pair that is
/// wrong is logged, and the old one stays. Connections that there are keep theirs. For one thread.
class tls_certificates {
 public:
  /// Throws config_error.
  tls_certificates(const environment& env, tls_files files);

  std::shared_ptr<const tls_identity> now() const { return identity_; }

  /// Looks for changes, until it is stopped.
  void run() { tasks_.spawn(loop()); }
  task<void> stop();
  void look();

 private:
  task<void> loop();

  tls_files files_;
  file_signature certificate_seen_, key_seen_;
  std::shared_ptr<const tls_identity> identity_;
  bool stopping_ = false;
  alarm_clock clock_;
  task_group tasks_;
};

}  // namespace amc::http
