#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amc::http {

struct header {
  std::string name;
  std::string value;
};

class headers {
 public:
  headers() = default;
  headers(std::initializer_list<header> all) : all_(all) {}

  void add(std::string name, std::string value) { all_.push_back({std::move(name), std::move(value)}); }
  /// The values of a field, joined by ", " when it came more than once; nothing when absent. Names ignore case.
  std::optional<std::string> find(std::string_view name) const;
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

 private:
  std::vector<header> all_;
};

struct request {
  std::string method = "GET";
  std::string target = "/";  ///< path and query, as on the wire
  http::headers headers{};
  std::string body{};

  /// The path, without the query.
  std::string_view path() const;
  /// The decoded value of a query parameter; nothing when absent or not decodable.
  std::optional<std::string> parameter(std::string_view name) const;
};

struct response {
  int status = 200;
  http::headers headers{};
  std::string body{};
};

}  // namespace amc::http
