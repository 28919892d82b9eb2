#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/access.hpp"
#include "core/error.hpp"

/// The file that says which tokens there are: a YAML list. It has no secret in it: of each token its SHA-256.
///   - name: billing
///     sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
///     may: [send:orders, serve:invoices, read:team-*]
///     expires: 2027-02-24T12:00:00Z
///     quota: {requests_per_s: 50, parked_max: 10}
///   - name: shipping
///     certificate: dns:shipping.example   # in the place of sha256: a name in the certificate that a client shows
///     may: [serve:orders]
/// Without `expires` a token lasts for as long as its entry is there; what `quota` does not say broker.access.quota
/// says. Entries of one name are one principal.
namespace amc::access {

/// What a token is known by: 32 bytes.
std::string digest_of(std::string_view token);

/// "send:orders" adds to what a principal may. Says what is wrong with any other text; empty: nothing.
std::string add_right(principal& to, std::string_view text);

/// All tokens of a file, as it was read once; never changed.
class token_table {
 public:
  /// Throws config_error that begins with FILE:LINE.
  static token_table parse(std::string_view yaml, const std::string& file);
  /// Throws config_error for a file that cannot be read, or is larger than 1 MiB.
  static token_table read(const std::string& file);

  /// Who has the token with this digest; null: nobody. Takes as long whichever it is, and whether it is any.
  principal_ptr find(std::string_view digest) const;
  /// Whose certificate has one of these names (http::peer_certificate); of several, the first in the file. Null:
  /// nobody.
  principal_ptr find_certificate(const std::vector<std::string>& names) const;
  std::size_t size() const { return all_.size(); }

 private:
  std::vector<principal_ptr> all_;  ///< each with its token's digest, or its certificate's name, as its credential
};

}  // namespace amc::access
