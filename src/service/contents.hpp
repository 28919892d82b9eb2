#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_text.hpp"
#include "core/work.hpp"

/// What messages say, in the JSON of a broker's API, as its clients write and read it.
namespace amc::service {

/// What is told to a broker: bytes as base64.
content told_content(const std::string& said, content_form form, std::string content_type,
                     std::optional<std::vector<header>> headers);

/// Why no request can say this, if that is so: "is no JSON: …".
std::optional<std::string> why_unfit(std::string_view text, content_form form,
                                     const std::optional<std::vector<header>>& headers);

/// Adds what is said to an object.
void add_content(json_object_text& to, const content& said);

/// What is said; of bytes these themselves.
struct read_content {
  std::string text{};
  content_form form = content_form::text;
  std::string content_type{};
  std::vector<header> headers{};
};

/// From an object without the value of its message where that is no text: `value` has its JSON, as it was written.
/// Throws std::exception where it is not what a broker tells.
read_content content_of(const boost::json::object& item, std::string_view value);

/// The reason that an answer gives, of those that the API words; empty where it gives none.
std::string detail_of(const boost::json::value& body);

}  // namespace amc::service
