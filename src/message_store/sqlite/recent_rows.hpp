#pragma once

#include <boost/functional/hash.hpp>
#include <boost/uuid/uuid_hash.hpp>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/kept_bytes.hpp"
#include "core/message.hpp"

namespace amc::message_store::sqlite {

/// A row, and what is known of its table of earlier contents.
struct recent_row {
  row now{};
  std::optional<std::size_t> past_bytes_max{};  ///< they have no more bytes than this, each with what it costs
};

/// Pending rows, whole, as the owner of a file has written them last: what is changed next is mostly among them, and
/// needs no reading. Keeps some thousand of those that were written last; how many bytes they have is bounded. For one
/// thread.
class recent_rows {
 public:
  /// Its row is null: not kept.
  recent_row find(const uuid& id) const {
    for (const auto* rows : {&young_, &old_})
      if (const auto found = rows->find(id); found != rows->end()) return found->second;
    return {};
  }

  /// Takes the place of what was kept of it. The row must be in the file with all that it has.
  void keep(recent_row written) {
    const auto& id = written.now->id;
    const auto bytes = bytes_of(*written.now);
    if (bytes > row_bytes_max) return drop(id);
    if (young_.size() >= rows_max || bytes_ + bytes > bytes_max) {
      old_ = std::exchange(young_, {});
      bytes_ = 0;
    }
    bytes_ += bytes;
    young_[id] = std::move(written);
  }

  void drop(const uuid& id) {
    young_.erase(id);
    old_.erase(id);
  }

  void drop_all() {
    young_.clear();
    old_.clear();
    bytes_ = 0;
  }

 private:
  using row_map = std::unordered_map<uuid, recent_row, boost::hash<uuid>>;

  // There are up to twice as many rows and bytes as these say.
  static constexpr std::size_t rows_max = 2'048;
  static constexpr std::size_t bytes_max = 2 << 20;
  static constexpr std::size_t row_bytes_max = 64 << 10;

  static std::size_t bytes_of(const message& m) {
    auto bytes = kept_bytes(m) + m.history.size() + m.idempotency_key.size();
    for (const auto& a : m.attempts) bytes += a.error.size();
    return bytes;
  }

  row_map young_, old_;
  std::size_t bytes_ = 0;  ///< written into the young ones
};

}  // namespace amc::message_store::sqlite
