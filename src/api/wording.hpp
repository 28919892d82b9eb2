#pragma once

#include <boost/json/object.hpp>
#include <span>
#include <string>
#include <string_view>

#include "amc/error.hpp"
#include "amc/message.hpp"
#include "http/message.hpp"

/// How the HTTP API words its answers.
namespace amc::api {

/// RFC 9457 with the seed's two members; the seed's own path answers the same as plain JSON.
http::response problem(int status, std::string detail, bool root = false);
http::response refused(const error& why, bool root = false);
http::response json_reply(int status, const boost::json::value& body);

/// A text in quotes for a detail: what cannot be shown is escaped, and a long one is cut.
std::string in_quotes(std::string_view text);

/// `unknown attribute "stauts"; the nearest known one is "status"`.
std::string unknown_name(std::string_view kind, std::string_view name, std::span<const std::string_view> known);

/// id, message, revision, status.
http::response represent(const message& m, int status);
/// With everything that an operator may want to know.
boost::json::object in_full(const message& m);

std::string entity_tag(const message& m);

}  // namespace amc::api
