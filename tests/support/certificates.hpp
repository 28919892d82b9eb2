#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

struct x509_st;
struct evp_pkey_st;

namespace amc::tests {

/// Signs certificates for tests, into files of a folder.
class authority {
 public:
  /// Its own certificate is in FOLDER/NAME.pem.
  authority(std::filesystem::path folder, const std::string& name);
  ~authority();

  std::string file() const { return (folder_ / (name_ + ".pem")).string(); }
  /// FOLDER/NAME.pem and FOLDER/NAME.key take the places of those that are there; `names` like "DNS:a,IP:127.0.0.1".
  void sign(const std::string& name, const std::string& names);
  /// The list of what it has revoked is in FOLDER/OWN_NAME.crl from now on: this certificate, with those before it, or
  /// none.
  void revoke(const std::string& name);
  void revoke_nothing() const { write_list(); }

 private:
  struct pair;
  void write_list() const;
  std::filesystem::path folder_;
  std::string name_;
  std::unique_ptr<pair> own_;
  std::vector<std::uint32_t> revoked_;
};

}  // namespace amc::tests
