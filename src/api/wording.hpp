#pragma once

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <span>
#include <string>
#include <string_view>

#include "broker/activity.hpp"
#include "core/access.hpp"
#include "core/error.hpp"
#include "core/message.hpp"
#include "http/message.hpp"
#include "message_store/store.hpp"

/// How the HTTP API words its answers.
namespace amc::api {

/// RFC 9457 with the seed's two members; the seed's own path answers the same as plain JSON.
http::response problem(int status, std::string detail, bool root = false);
http::response refused(const error& why, bool root = false);
http::response json_reply(int status, std::string body);

/// A text in quotes for a detail: what cannot be shown is escaped, and a long one is cut.
std::string in_quotes(std::string_view text);

/// `unknown attribute "stauts"; the nearest known one is "status"`.
std::string unknown_name(std::string_view kind, std::string_view name, std::span<const std::string_view> known);

/// id, what it says, revision, status. At the root what it says is always a text: of a value its JSON, of bytes their
/// base64.
http::response represent(const message& m, int status, bool root);
/// In JSON, with everything that an operator may want to know, as far as who asks may read it.
std::string in_full(const message& m, const principal_ptr& by = {});
/// In JSON, as much as who asks may know: everything, what an owner may, or that it is there.
std::string shown_to(const principal_ptr& by, const message& m);

/// Since when a queue is paused, and by whom, as data; null where it is not.
boost::json::value paused_told(const paused_queue* how);

/// Who receives from a queue, as data.
boost::json::array services_told(std::span<const broker::activity::service> services);

std::string entity_tag(const message& m);

}  // namespace amc::api
