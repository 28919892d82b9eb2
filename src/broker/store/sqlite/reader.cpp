#include "broker/store/sqlite/reader.hpp"

#include <map>

#include "broker/store/sqlite/database.hpp"
#include "broker/store/sqlite/rows.hpp"
#include "core/uuid_source.hpp"

namespace amc::broker::sqlite {
namespace {

class reader : public store_reader {
 public:
  explicit reader(sqlite_options options)
      : now_(std::move(options.now)), file_(std::move(options.path), database::use::reading) {}

  message_page list(const list_filter& filter) override {
    constexpr int looked_at_max = 10'000;
    message_page page;
    auto& s = filter.status == status::dead ? list_dead_ : list_;
    s.bind(1, filter.after);
    s.bind(2, std::int64_t{looked_at_max});
    uuid last{};
    int looked_at = 0;
    bool full = false;
    while (!full && file_.step(s)) {
      ++looked_at;
      last = s.id(0);
      auto found = row_at(s);
      const bool fits =
          (!filter.status || found->status == *filter.status) && (filter.queue.empty() || found->queue == filter.queue);
      if (fits) page.rows.push_back(std::move(found));
      full = page.rows.size() >= filter.limit;
    }
    s.reset();
    if (full || looked_at == looked_at_max) page.next = last;
    return page;
  }

  std::vector<queue_counts> counts() override {
    std::map<std::string, queue_counts> queues;
    pending_.bind(1, now_());
    while (file_.step(pending_)) {
      auto& q = queues[pending_.text(0)];
      q.pending = static_cast<std::size_t>(pending_.number(1));
      q.due = static_cast<std::size_t>(pending_.number(2));
      q.held = static_cast<std::size_t>(pending_.number(3));
      q.oldest = time_of(pending_.id(4));
    }
    while (file_.step(dead_)) queues[dead_.text(0)].dead = static_cast<std::size_t>(dead_.number(1));
    std::vector<queue_counts> all;
    for (auto& [name, q] : queues) {
      q.queue = name;
      all.push_back(q);
    }
    return all;
  }

 private:
  std::function<timestamp()> now_;
  database file_;
  statement list_{file_.handle(), "SELECT " + columns + " FROM message WHERE id > ?1 ORDER BY id LIMIT ?2"};
  statement list_dead_{file_.handle(),
                       "SELECT " + columns + " FROM message WHERE status = 'dead' AND id > ?1 ORDER BY id LIMIT ?2"};
  statement pending_{file_.handle(),
                     "SELECT queue, count(*), sum(due <= ?1), sum(held), min(id) FROM message "
                     "WHERE status = 'pending' GROUP BY queue"};
  statement dead_{file_.handle(), "SELECT queue, count(*) FROM message WHERE status = 'dead' GROUP BY queue"};
};

}  // namespace

std::unique_ptr<store_reader> make_reader(sqlite_options options) {
  return std::make_unique<reader>(std::move(options));
}

}  // namespace amc::broker::sqlite
