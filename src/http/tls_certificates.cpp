#include "http/tls_certificates.hpp"

#include "core/error.hpp"
#include "core/log.hpp"

namespace amc::http {

tls_certificates::tls_certificates(const environment& env, tls_files files)
    : files_(std::move(files)),
      watched_(env, {files_.certificate, files_.key}, [this] { read_again(); }),
      identity_(std::make_shared<const tls_identity>(files_)) {}

void tls_certificates::read_again() try {
  identity_ = std::make_shared<const tls_identity>(files_);
  log::info("http", "read again: the certificate in " + files_.certificate);
} catch (const config_error& wrong) {
  log::error("http", std::string("the certificate stays as it was: ") + wrong.what());
}

}  // namespace amc::http
