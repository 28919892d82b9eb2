#include "http/tls_certificates.hpp"

#include "core/error.hpp"
#include "core/log.hpp"

namespace amc::http {

tls_certificates::tls_certificates(const environment& env, tls_files files)
    : files_(std::move(files)),
      certificate_seen_(signature_of(files_.certificate)),
      key_seen_(signature_of(files_.key)),
      identity_(std::make_shared<const tls_identity>(files_)),
      clock_(env),
      tasks_(env.executor) {}

task<void> tls_certificates::stop() {
  stopping_ = true;
  clock_.poke();
  co_await tasks_.drain();
}

task<void> tls_certificates::loop() {
  constexpr milliseconds look_interval{250};
  while (!stopping_) {
    co_await clock_.sleep(look_interval);
    if (!stopping_) look();
  }
}

void tls_certificates::look() {
  const auto certificate = signature_of(files_.certificate), key = signature_of(files_.key);
  if (certificate == certificate_seen_ && key == key_seen_) return;
  certificate_seen_ = certificate;
  key_seen_ = key;
  try {
    identity_ = std::make_shared<const tls_identity>(files_);
    log::info("http", "read again: the certificate in " + files_.certificate);
  } catch (const config_error& wrong) {
    log::error("http", std::string("the certificate stays as it was: ") + wrong.what());
  }
}

}  // namespace amc::http
