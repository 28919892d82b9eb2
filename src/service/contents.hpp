#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/work.hpp"

/// What messages say, in the JSON of a broker's API, as its clients write and read it.
namespace amc::service {

/// The JSON of `item` with what is said in it.
std::string written_with(boost::json::object item, const content& said);

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

}  // namespace amc::service
