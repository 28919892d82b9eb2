#pragma once

#include <memory>
#include <string>

#include "http/client.hpp"

namespace amc::access {

/// Adds the token that is the first line of a file to each request; without a file this is `to` itself. The file is
/// read again when it changes, at most once a second. Throws config_error where it has none; what becomes of it later
/// is `unavailable` (away) for each request.
std::shared_ptr<http::caller> with_token(const environment& env, std::shared_ptr<http::caller> to, std::string file);

}  // namespace amc::access
