#pragma once

#include <string>
#include <string_view>

namespace amc::queue_system {

/// What an engine takes for a name, beside ASCII's letters and digits.
struct name_rules {
  char escape = '=';              ///< begins what stands for another byte
  std::string_view plain = "-_";  ///< stay as they are
  std::size_t longest = 200;      ///< bytes of a name, 170 or more
};

/// A text of any bytes as a name: what is not plain becomes "=2E", the escape itself "==", and of what is too long
/// then, the begin, "=x" and its SHA-256. No two texts have one name. The empty text has the empty name.
std::string encoded_name(std::string_view text, const name_rules& rules = {});

}  // namespace amc::queue_system
