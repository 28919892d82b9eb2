#include "message_store/postgresql/rows.hpp"

#include <cstdlib>

#include "message_store/postgresql/values.hpp"

namespace amc::message_store::postgresql {

std::shared_ptr<message> row_at(const PGresult* r, int at, int first, std::span<const column> selected) {
  auto found = std::make_shared<message>();
  for (const auto& c : selected) {
    try {
      if (c.value == column::member(&message::max_claims))  // the sign is for processes of schema 2
        found->max_claims = checked_count(std::abs(number_at(r, at, first)));
      else
        std::visit([&](auto member) { read(r, at, first, (*found).*member); }, c.value);
    } catch (const row_fault& fault) {
      throw row_fault(std::string(c.name) + ": " + fault.what());
    }
    ++first;
  }
  return found;
}

uuid id_at(const PGresult* r, int at, int first) {
  return parse_uuid(text_at(r, at, first)).value();
}

found_row found_row_at(const PGresult* r, int at, int first, std::span<const column> selected,
                       unreadable_rows& faults) {
  const auto id = id_at(r, at, first);
  try {
    row found = row_at(r, at, first, selected);
    faults.forget(id);
    return {.now = std::move(found)};
  } catch (const row_fault& fault) {
    faults.note(to_string(id), fault);
    return {.unreadable = true};
  }
}

}  // namespace amc::message_store::postgresql
