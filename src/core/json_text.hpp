#pragma once

#include <string_view>
#include <vector>

/// Parts of JSON as they were written: a value that is read and written again may have lost digits. What is given must
/// be valid JSON.
namespace amc {

/// The value of a member of an object, without the white space around it; empty where there is none.
std::string_view member_text(std::string_view object, std::string_view name);

/// The items of an array.
std::vector<std::string_view> item_texts(std::string_view array);

/// Behind the string that begins at `begin`.
std::size_t end_of_json_string(std::string_view text, std::size_t begin);

}  // namespace amc
