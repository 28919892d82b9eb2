#include "message_store/postgresql/reader.hpp"

#include <map>

#include "message_store/postgresql/asked.hpp"
#include "message_store/postgresql/rows.hpp"
#include "message_store/postgresql/session.hpp"
#include "message_store/postgresql/statements.hpp"

namespace amc::message_store::postgresql {
namespace {

class reader : public store_reader {
 public:
  reader(const postgresql_options& options, std::shared_ptr<unreadable_rows> faults)
      : faults_(std::move(faults)), session_(options, "reader") {}

  message_page list(const list_filter& filter) override {
    constexpr int looked_at_max = 10'000;
    std::optional<std::string> queue;
    if (!filter.queue.empty()) queue = filter.queue;
    parameters p;
    p.add(to_string(filter.after)).add(std::to_string(looked_at_max)).add_if(filter.status).add_if(queue);
    p.add(std::to_string(filter.limit)).add(std::to_string(filter.text_bytes_max));
    p.add_if(filter.permitted ? std::optional(like_patterns(*filter.permitted)) : std::nullopt);
    const auto& sql = filter.status == status::dead ? say().list_dead : say().list;
    message_page page;
    std::vector<pg_result> results;
    try {
      results = session_.run({{nullptr, sql.c_str(), std::move(p)}});
    } catch (const unfit_input& failed) {
      page.unfit = failed.what();
      return page;
    }
    const auto* r = results[0].get();
    std::size_t fitting = 0;  // unreadable ones included
    uuid last{};
    for (int at = 0; at < PQntuples(r); ++at) {
      if (PQgetisnull(r, at, look_columns)) continue;
      ++fitting;
      last = id_at(r, at, look_columns);
      auto found = found_row_at(r, at, look_columns, columns, *faults_);
      if (!found.unreadable) page.rows.push_back(std::move(found.now));
    }
    const bool more_fits = *PQgetvalue(r, 0, 0) == 't';
    if (more_fits || fitting == filter.limit)
      page.next = last;
    else if (number_at(r, 0, 1) == looked_at_max)
      page.next = parse_uuid(text_at(r, 0, 2));
    return page;
  }

  std::size_t pending_of(const std::string& owner, std::size_t at_most) override {
    const auto results =
        session_.run({{nullptr, say().owned.c_str(), parameters().add(owner).add(std::to_string(at_most))}});
    return static_cast<std::size_t>(number_at(results[0].get(), 0, 0));
  }

  std::vector<queue_counts> counts() override {
    const auto results = session_.run({{nullptr, say().counts.c_str(), parameters().add_if(session_.clock_now())}});
    const auto* r = results[0].get();
    std::map<std::string, queue_counts> queues;
    for (int at = 0; at < PQntuples(r); ++at) {
      auto& q = queues[text_at(r, at, 0)];
      q.queue = text_at(r, at, 0);
      if (*PQgetvalue(r, at, 1) == 'f') {
        q.dead = static_cast<std::size_t>(number_at(r, at, 2));
        continue;
      }
      q.pending = static_cast<std::size_t>(number_at(r, at, 2));
      q.due = static_cast<std::size_t>(number_at(r, at, 3));
      q.held = static_cast<std::size_t>(number_at(r, at, 4));
      if (!PQgetisnull(r, at, 5)) q.oldest = time_at(r, at, 5);
    }
    std::vector<queue_counts> all;
    for (const auto& [name, q] : queues) all.push_back(q);
    return all;
  }

 private:
  std::shared_ptr<unreadable_rows> faults_;
  session session_;
};

}  // namespace

std::unique_ptr<store_reader> make_reader(const postgresql_options& options, std::shared_ptr<unreadable_rows> faults) {
  return std::make_unique<reader>(options, std::move(faults));
}

}  // namespace amc::message_store::postgresql
