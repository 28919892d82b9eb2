#include "http/tls_certificates.hpp"

#include "core/error.hpp"
#include "core/log.hpp"

namespace amc::http {
namespace {

std::vector<std::string> those_given(const tls_files& files) {
  std::vector<std::string> given;
  for (const auto& file : {files.certificate, files.key, files.client_ca, files.revoked})
    if (!file.empty()) given.push_back(file);
  return given;
}

}  // namespace

tls_certificates::tls_certificates(const environment& env, tls_files files)
    : files_(std::move(files)),
      watched_(env, those_given(files_), [this] { read_again(); }),
      identity_(std::make_shared<const tls_identity>(files_)) {}

void tls_certificates::read_again() try {
  identity_ = std::make_shared<const tls_identity>(files_);
  log::info("http", "read again: the certificate in " + files_.certificate);
} catch (const config_error& wrong) {
  log::error("http", std::string("the certificate stays as it was: ") + wrong.what());
}

}  // namespace amc::http
