#include "api/resources.hpp"

/// OpenAPI 3.1: openapi.json, as it stands beside this file.
namespace amc::api {

extern const std::string_view openapi;  // made by cmake/embed.cmake

task<http::response> get_description(context&, http::request&, visitor&) {
  http::response reply{200, {{"Content-Type", "application/json"}}, std::string(openapi)};
  co_return reply;
}

}  // namespace amc::api
