#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/message.hpp"
#include "core/work.hpp"

/// How requests say what a message says, and how answers tell it.
namespace amc::api {

/// What an object says. Of a value that is no text, its JSON is taken as it stands in `written`, the JSON of the
/// object. The refusal of one that says nothing is the seed's.
result<content> content_in(const boost::json::object& fields, std::string_view written);

/// `message`, a text: all that the seed knows.
result<content> text_in(const boost::json::object& fields);

/// What the message says, as the members that `content_in` reads: those that say something. A value is told as it was
/// sent.
void add_content(json_object_text& to, const message& m);

/// A claimed row, as whoever works on it sees it: its claim, and what the message says.
void add_claim(json_object_text& to, const message& claimed);

}  // namespace amc::api
