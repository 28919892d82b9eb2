#include "message_store/attempts.hpp"

#include <boost/json.hpp>

#include "message_store/row_fault.hpp"

namespace amc::message_store {
namespace json = boost::json;

std::string attempts_text(const std::vector<attempt>& attempts) {
  if (attempts.empty()) return "[]";
  json::array list;
  for (const auto& a : attempts) {
    json::object item{
        {"revision", a.revision}, {"claim", a.claim}, {"at", a.at.time_since_epoch().count()}, {"error", a.error}};
    list.push_back(std::move(item));
  }
  return json::serialize(list);
}

std::vector<attempt> parse_attempts(std::string_view text) {
  std::vector<attempt> attempts;
  if (text == "[]") return attempts;
  try {
    const auto list = json::parse(text);
    for (const auto& item : list.as_array())
      attempts.push_back(
          {checked_count(item.at("revision").to_number<std::int64_t>()), item.at("claim").to_number<std::int64_t>(),
           checked_time(item.at("at").to_number<std::int64_t>()), std::string(item.at("error").as_string())});
  } catch (const row_fault&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;  // not covered: no memory left, which is no fault of the row
  } catch (const std::exception& failed) {
    throw row_fault(std::string("not the list that is kept there: ") + failed.what());
  }
  return attempts;
}

}  // namespace amc::message_store
