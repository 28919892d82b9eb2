#include "message_store/sqlite/reader.hpp"

#include <array>
#include <map>
#include <thread>

#include "core/kept_bytes.hpp"
#include "core/uuid_source.hpp"
#include "message_store/sqlite/database.hpp"
#include "message_store/sqlite/rows.hpp"

namespace amc::message_store::sqlite {
namespace {

using clock = std::chrono::steady_clock;

class reader : public store_reader {
 public:
  reader(sqlite_options options, std::shared_ptr<unreadable_rows> faults)
      : now_(std::move(options.now)),
        faults_(std::move(faults)),
        file_(std::move(options.path), database::use::reading) {}

  message_page list(const list_filter& filter) override {
    constexpr int looked_at_max = 10'000;
    message_page page;
    auto& look = filter.status == status::dead ? look_at_dead_ : look_;
    const ending in_the_end(look);
    look.bind(1, filter.after);
    look.bind(2, std::int64_t{looked_at_max});
    std::size_t text_bytes = 0;
    uuid last = filter.after;
    int looked_at = 0;
    while (page.rows.size() < filter.limit && file_.step(look)) {
      ++looked_at;
      auto found = fitting(look, filter, last);
      if (!found) continue;
      text_bytes += kept_bytes(*found);
      if (!page.rows.empty() && text_bytes > filter.text_bytes_max) {
        page.next = page.rows.back()->id;
        return page;
      }
      page.rows.push_back(std::move(found));
    }
    if (page.rows.size() >= filter.limit || looked_at == looked_at_max) page.next = last;
    return page;
  }

  std::size_t pending_of(const std::string& owner, std::size_t at_most) override {
    const ending in_the_end(owned_);
    owned_.bind(1, owner);
    owned_.bind(2, static_cast<std::int64_t>(at_most));
    file_.step(owned_);
    return static_cast<std::size_t>(owned_.number(0));
  }

  std::vector<queue_counts> counts() override {
    std::this_thread::sleep_until(rested_);
    const auto begun = clock::now();
    auto all = count();
    // The log cannot start anew during a look, and grows: after a long one the owner is left alone for a moment.
    constexpr clock::duration rest_max = milliseconds(500);
    const auto ended = clock::now();
    rested_ = ended + std::min(ended - begun, rest_max);
    return all;
  }

  told_past past_of(const uuid& id) override {
    told_past told;
    const ending found(find_);
    find_.bind(1, id);
    if (!file_.step(find_)) return told;
    try {
      told.of.now = row_at(find_, all_columns);
    } catch (const row_fault& fault) {
      faults_->note(find_.name_of_row(0), fault);
      told.of.unreadable = true;
    }
    // While the row is being looked at, the file stays as it was.
    const ending in_the_end(past_);
    past_.bind(1, id);
    while (file_.step(past_)) {
      const auto read = [&] { told.contents.push_back({past_.count(0), past_.text(3), past_.form(1), past_.text(2)}); };
      if (!reads(read)) told.unreadable = true;
    }
    return told;
  }

  place_told place_of(const place_question& which) override {
    place_told told;
    const auto now = now_();
    {
      const ending in_the_end(before_);
      before_.bind(1, which.queue);
      before_.bind(2, now);
      before_.bind(3, static_cast<std::int64_t>(which.ring_again.count()));
      before_.bind(4, which.due);
      before_.bind(5, which.id);
      before_.bind(6, static_cast<std::int64_t>(which.limit));
      if (file_.step(before_)) told.before = static_cast<std::size_t>(before_.number(0));
    }
    const ending in_the_end(holders_);
    holders_.bind(1, which.queue);
    holders_.bind(2, now);
    holders_.bind(3, static_cast<std::int64_t>(holders_looked_at));
    holders_.bind(4, static_cast<std::int64_t>(held_looked_at));
    while (file_.step(holders_)) reads([&] { told.holders.push_back(holders_.text(0)); });
    return told;
  }

 private:
  /// The row that the look has come to, if it is to be listed. Null too for one that cannot be read. Its id is the
  /// last.
  row fitting(const statement& look, const list_filter& filter, uuid& last) {
    try {
      last = look.id(0);
      const auto seen = row_at(look, filter_columns);
      if (filter.status && seen->status != *filter.status) return nullptr;
      if (!filter.queue.empty() && seen->queue != filter.queue) return nullptr;
      if (filter.permitted && !filter.permitted->has(seen->queue.empty() ? last_queue(last) : seen->queue))
        return nullptr;
      return find(last);
    } catch (const row_fault& fault) {
      faults_->note(look.name_of_row(0), fault);
      return nullptr;
    }
  }

  /// Of a row that is in none. Stands behind the text, and so is read where it is asked for.
  std::string last_queue(const uuid& id) {
    const ending in_the_end(last_queue_);
    last_queue_.bind(1, id);
    file_.step(last_queue_);
    return last_queue_.text(0);
  }

  /// A row that the look has found, and so is there: both see the file as it was when the look began.
  row find(const uuid& id) {
    const ending in_the_end(find_);
    find_.bind(1, id);
    file_.step(find_);
    return row_at(find_, all_columns);
  }

  std::vector<queue_counts> count() {
    const ending in_the_end(counts_);
    std::map<std::string, queue_counts> queues;
    counts_.bind(1, now_());
    while (file_.step(counts_)) {
      std::string name;
      if (!reads([&] { name = counts_.text(0); })) continue;  // its rows are named where they are met
      auto& q = queues[name];
      q.queue = name;
      const auto rows = static_cast<std::size_t>(counts_.number(2));
      if (counts_.number(1) == 0) {
        q.dead = rows;
        continue;
      }
      q.pending = rows;
      q.due = static_cast<std::size_t>(counts_.number(3));
      q.held = static_cast<std::size_t>(counts_.number(4));
      if (!counts_.is_null(5)) reads([&] { q.oldest = time_of(counts_.id(5)); });
    }
    std::vector<queue_counts> all;
    for (const auto& [name, q] : queues) all.push_back(q);
    return all;
  }

  template <class Read>
  static bool reads(const Read& read) {
    try {
      read();
      return true;
    } catch (const row_fault&) {
      return false;
    }
  }

  std::function<timestamp()> now_;
  std::shared_ptr<unreadable_rows> faults_;
  database file_;
  clock::time_point rested_{};
  /// What stands behind a text in a row is as far away as the text is long: these stand before it.
  static constexpr std::array filter_columns{column_of(&message::id), column_of(&message::status),
                                             column_of(&message::queue)};
  statement look_{file_.handle(),
                  "SELECT " + names(filter_columns) + " FROM message WHERE id > ?1 ORDER BY id LIMIT ?2"};
  /// By the index of the dead: there may be few among millions.
  statement look_at_dead_{file_.handle(),
                          "SELECT " + names(filter_columns) +
                              " FROM message WHERE id IN (SELECT id FROM message INDEXED BY message_dead "
                              "WHERE status = 'dead' AND id > ?1 ORDER BY id LIMIT ?2) ORDER BY id"};
  statement find_{file_.handle(), "SELECT " + names(columns) + " FROM message WHERE id = ?1"};
  statement past_{file_.handle(),
                  "SELECT revision, form, content_type, text FROM past_content WHERE id = ?1 ORDER BY revision"};
  statement last_queue_{file_.handle(), "SELECT last_queue FROM message WHERE id = ?1"};
  statement owned_{file_.handle(),
                   "SELECT count(*) FROM (SELECT 1 FROM message INDEXED BY message_owned "
                   "WHERE status = 'pending' AND owner <> '' AND owner = ?1 LIMIT ?2)"};
  statement counts_{file_.handle(),
                    "SELECT queue, 1, count(*), sum(due <= ?1), sum(held AND due > ?1), "
                    "min(CASE WHEN NOT held OR due <= ?1 THEN id END) FROM message "
                    "WHERE status = 'pending' GROUP BY queue UNION ALL "
                    "SELECT queue, 0, count(*), 0, 0, NULL FROM message WHERE status = 'dead' GROUP BY queue"};
  /// From the index alone. Rung rows come before those that are due.
  statement before_{file_.handle(),
                    "SELECT count(*) FROM (SELECT 1 FROM message WHERE status = 'pending' AND queue = ?1 AND due > ?2 "
                    "AND due <= ?2 + ?3 AND NOT held AND (?4 <= ?2 OR (due, id) < (?4, ?5)) UNION ALL "
                    "SELECT 1 FROM message WHERE status = 'pending' AND queue = ?1 AND due <= min(?2, ?4) "
                    "AND ?4 <= ?2 AND (due, id) < (?4, ?5) LIMIT ?6)"};
  statement holders_{
      file_.handle(),
      "SELECT DISTINCT holder FROM message WHERE id IN (SELECT id FROM (SELECT id, unanswered FROM message "
      "WHERE status = 'pending' AND queue = ?1 AND due > ?2 AND held ORDER BY due LIMIT ?4) "
      "WHERE unanswered > 0 LIMIT ?3) ORDER BY holder"};
};

}  // namespace

std::unique_ptr<store_reader> make_reader(sqlite_options options, std::shared_ptr<unreadable_rows> faults) {
  return std::make_unique<reader>(std::move(options), std::move(faults));
}

}  // namespace amc::message_store::sqlite
