#pragma once

#include <boost/system/result.hpp>
#include <optional>
#include <string>

#include "api/context.hpp"
#include "api/visitor.hpp"

/// What the root and /messages have in common.
namespace amc::api {

task<http::response> accept(context& api, http::request& asked, visitor& who, int accepted_status, bool root,
                            std::optional<std::string> queue = {});
task<http::response> read(context& api, http::request& asked, visitor& who, std::string id, bool root);
/// The message of an id, for who may read what became of it; or the answer to anybody else, and to what is no id.
task<boost::system::result<row, http::response>> found_to_read(context& api, const visitor& who, std::string id);
http::response not_found(const std::string& id, bool root);
/// The answer to who may not read what became of a message, or of what there is none; and a log line about it.
http::response not_to_be_read(const visitor& who, const error& why, const std::string& id);

/// The refusal of an `If-Match` that cannot be read; nothing where there is none.
std::optional<http::response> match_fault(const http::request& asked, bool root);

/// The revision that a change is to be about, which its guard will hold; nothing: any. 0, which no message has, where
/// the tags of `If-Match` name none that a pending message could have. Of several the one that the message has now, if
/// it is one of them.
task<std::optional<int>> matched_revision(context& api, const http::request& asked, uuid id);

/// The refusal of a change that was to be about this revision.
http::response unmatched(const error& why, std::optional<int> revision, bool root);

}  // namespace amc::api
