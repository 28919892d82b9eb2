#include "core/work.hpp"

#include <algorithm>

namespace amc {

std::size_t content::size() const {
  if (form != content_form::base64) return text.size();
  const auto padding =
      std::count(text.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(2, text.size())), text.end(), '=');
  return text.size() / 4 * 3 - static_cast<std::size_t>(padding);
}

}  // namespace amc
