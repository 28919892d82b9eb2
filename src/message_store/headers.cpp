#include "message_store/headers.hpp"

#include <boost/json.hpp>

#include "message_store/row_fault.hpp"

namespace amc::message_store {
namespace json = boost::json;

std::string headers_text(const std::vector<header>& headers) {
  if (headers.empty()) return {};
  json::array list;
  for (const auto& h : headers) list.push_back(json::array{h.name, h.value});
  return json::serialize(list);
}

std::vector<header> parse_headers(std::string_view text) {
  std::vector<header> headers;
  if (text.empty()) return headers;
  try {
    const auto list = json::parse(text);
    for (const auto& item : list.as_array())
      headers.push_back({std::string(item.at(0).as_string()), std::string(item.at(1).as_string())});
  } catch (const std::bad_alloc&) {
    throw;  // not covered: no memory left, which is no fault of the row
  } catch (const std::exception& failed) {
    throw row_fault(std::string("not the list that is kept there: ") + failed.what());
  }
  return headers;
}

}  // namespace amc::message_store
