#include "message_store/postgresql/rows.hpp"

#include "message_store/postgresql/values.hpp"

namespace amc::message_store::postgresql {

std::shared_ptr<message> row_at(const PGresult* r, int at, int first, std::span<const column> selected) {
  auto found = std::make_shared<message>();
  for (const auto& c : selected) {
    std::visit([&](auto member) { read(r, at, first, (*found).*member); }, c.value);
    ++first;
  }
  return found;
}

}  // namespace amc::message_store::postgresql
