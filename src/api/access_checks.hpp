#pragma once

#include "api/context.hpp"
#include "api/resources.hpp"
#include "api/visitor.hpp"

/// What is decided of a request before its path, body and all else are looked at, and once more when it has waited.
namespace amc::api {

/// Who asks. A refusal (401) where access is configured and nothing says so.
result<visitor> visitor_of(context& api, const http::request& asked);

/// The answer to who is not known.
http::response unidentified(const error& why, bool root);

/// The refusal that needs no look at a body or a message: the endpoint takes a right that the visitor has nowhere, or
/// not for the queue that the path names. Nothing for anybody else.
std::optional<error> refused_at_the_door(const visitor& who, const route& to, const http::request& asked);

/// For a request that has waited: looks up again what the visitor may. A refusal where it is not known any more.
std::optional<error> refused_by_now(context& api, visitor& who);

}  // namespace amc::api
