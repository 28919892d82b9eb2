#include "http/message.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/url/parse_query.hpp>

namespace amc::http {

std::optional<std::string> headers::find(std::string_view name) const {
  std::optional<std::string> found;
  for (const auto& [key, value] : all_) {
    if (!boost::beast::iequals(key, name)) continue;
    if (found)
      *found += ", " + value;
    else
      found = value;
  }
  return found;
}

std::string_view request::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::optional<std::string> request::parameter(std::string_view name) const {
  const auto mark = target.find('?');
  if (mark == std::string::npos) return {};
  const auto query = boost::urls::parse_query(std::string_view(target).substr(mark + 1));
  if (!query) return {};
  for (const boost::urls::param_pct_view parameter : *query)
    if (parameter.key.decode() == name) return parameter.value.decode();
  return {};
}

}  // namespace amc::http
