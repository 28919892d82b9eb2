#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "core/message.hpp"

namespace amc::message_store {

/// One row cannot be read, or takes no change: it holds what no version of AMC writes. `what()` says which column, and
/// what is wrong with it. It costs that row alone: thrown where a value is read, caught where rows are told apart.
class row_fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Values as rows keep them. Each throws row_fault, without the column's name, for what is out of its range.
int checked_count(std::int64_t value);                         ///< 0 … 2^31 - 1
bool checked_flag(std::int64_t value);                         ///< 0 or 1
timestamp checked_time(std::int64_t milliseconds_since_1970);  ///< of the years 0 to 9999
milliseconds checked_duration(std::int64_t value);             ///< not negative, and no longer than those years
status checked_status(std::string_view text);
content_form checked_form(std::string_view text);
std::string_view checked_text(std::string_view text);  ///< UTF-8

}  // namespace amc::message_store
