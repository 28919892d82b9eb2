#pragma once

#include <string>

#include "api/context.hpp"

/// What the root and /messages have in common.
namespace amc::api {

task<http::response> accept(context& api, http::request& asked, int accepted_status, bool root,
                            std::optional<std::string> queue = {});
task<http::response> read(context& api, http::request& asked, std::string id, bool root);
http::response not_found(const std::string& id, bool root);

}  // namespace amc::api
