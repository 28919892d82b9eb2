#include "core/work.hpp"

#include <algorithm>

namespace amc {

bool is_queue_name(std::string_view name) {
  return is_plain_name(name) && name != "." && name != "..";
}

std::size_t content::size() const {
  if (form != content_form::bytes) return text.size();
  const auto padding =
      std::count(text.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(2, text.size())), text.end(), '=');
  return text.size() / 4 * 3 - static_cast<std::size_t>(padding);
}

}  // namespace amc
