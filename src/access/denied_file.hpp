#pragma once

#include <set>
#include <string>
#include <string_view>

namespace amc::access {

/// The file that says which JWTs are refused although their issuer has signed them: YAML, read once, never changed.
///   jti: ["2f1c…"]     tokens, by their ids
///   sub: [mallory]     everybody's of that name
class denied_list {
 public:
  /// Throws config_error that begins with FILE:LINE.
  static denied_list parse(std::string_view yaml, const std::string& file);
  /// Throws config_error for a file that cannot be read, or is larger than 1 MiB.
  static denied_list read(const std::string& file);

  bool has_token(std::string_view id) const { return tokens_.contains(id); }
  bool has_subject(std::string_view name) const { return subjects_.contains(name); }
  std::size_t size() const { return tokens_.size() + subjects_.size(); }

 private:
  std::set<std::string, std::less<>> tokens_, subjects_;
};

}  // namespace amc::access
