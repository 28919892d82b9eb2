#include "message_store/sqlite/reader.hpp"

#include <map>
#include <thread>

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
    auto& s = filter.status == status::dead ? list_dead_ : list_;
    const ending in_the_end(s);
    s.bind(1, filter.after);
    s.bind(2, std::int64_t{looked_at_max});
    uuid last = filter.after;
    int looked_at = 0;
    bool full = false;
    while (!full && file_.step(s)) {
      ++looked_at;
      leave_out_unreadable(s, [&] {
        last = s.id(0);
        auto found = row_at(s);
        const bool fits = (!filter.status || found->status == *filter.status) &&
                          (filter.queue.empty() || found->queue == filter.queue);
        if (fits) page.rows.push_back(std::move(found));
      });
      full = page.rows.size() >= filter.limit;
    }
    if (full || looked_at == looked_at_max) page.next = last;
    return page;
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

 private:
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
      reads([&] { q.oldest = time_of(counts_.id(5)); });
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

  /// Nothing for a row that cannot be read.
  template <class Read>
  void leave_out_unreadable(const statement& s, const Read& read) const {
    try {
      read();
    } catch (const row_fault& fault) {
      faults_->note(s.name_of_row(0), fault);
    }
  }

  std::function<timestamp()> now_;
  std::shared_ptr<unreadable_rows> faults_;
  database file_;
  clock::time_point rested_{};
  statement list_{file_.handle(), "SELECT " + columns + " FROM message WHERE id > ?1 ORDER BY id LIMIT ?2"};
  /// By the index of the dead: there may be few among millions.
  statement list_dead_{file_.handle(), "SELECT " + columns +
                                           " FROM message WHERE id IN (SELECT id FROM message INDEXED BY message_dead "
                                           "WHERE status = 'dead' AND id > ?1 ORDER BY id LIMIT ?2) ORDER BY id"};
  statement counts_{file_.handle(),
                    "SELECT queue, 1, count(*), sum(due <= ?1), sum(held <> 0), min(id) FROM message "
                    "WHERE status = 'pending' GROUP BY queue UNION ALL "
                    "SELECT queue, 0, count(*), 0, 0, NULL FROM message WHERE status = 'dead' GROUP BY queue"};
};

}  // namespace

std::unique_ptr<store_reader> make_reader(sqlite_options options, std::shared_ptr<unreadable_rows> faults) {
  return std::make_unique<reader>(std::move(options), std::move(faults));
}

}  // namespace amc::message_store::sqlite
