#include "message_store/postgresql/reader.hpp"

#include <boost/json/parse.hpp>
#include <map>
#include <sstream>
#include <stdexcept>

#include "message_store/postgresql/asked.hpp"
#include "message_store/postgresql/rows.hpp"
#include "message_store/postgresql/session.hpp"
#include "message_store/postgresql/statements.hpp"

namespace amc::message_store::postgresql {
namespace {

/// [revision, "form", "content type", "text"]; nothing where it is something else.
std::optional<past_content> content_in(const std::string& line) try {
  const auto item = boost::json::parse(line);
  return past_content{checked_count(item.at(0).to_number<std::int64_t>()), std::string(item.at(3).as_string()),
                      checked_form(std::string_view(item.at(1).as_string())), std::string(item.at(2).as_string())};
} catch (const std::runtime_error&) {  // no JSON, or a form that there is not
  return {};
} catch (const std::logic_error&) {  // of another shape
  return {};
}

class reader : public store_reader {
 public:
  reader(const postgresql_options& options, std::shared_ptr<unreadable_rows> faults)
      : faults_(std::move(faults)), session_(options, "reader") {}

  message_page list(const list_filter& filter) override {
    constexpr int looked_at_max = 10'000;
    std::optional<std::string> queue, permitted;
    if (!filter.queue.empty()) queue = filter.queue;
    if (filter.permitted) permitted = like_patterns(*filter.permitted);
    parameters p;
    p.add(to_string(filter.after)).add(std::to_string(looked_at_max)).add_if(filter.status).add_if(queue);
    p.add(std::to_string(filter.limit)).add(std::to_string(filter.text_bytes_max));
    p.add_if(permitted);
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

  told_past past_of(const uuid& id) override {
    const auto results = session_.run({{nullptr, say().past.c_str(), parameters().add(to_string(id))}});
    const auto* r = results[0].get();
    told_past told;
    if (PQntuples(r) == 0) return told;
    constexpr int first_of_row = 1;
    told.of = found_row_at(r, 0, first_of_row, columns, *faults_);
    std::istringstream lines(text_at(r, 0, 0));
    for (std::string line; std::getline(lines, line);) {
      if (auto read = content_in(line))
        told.contents.push_back(*std::move(read));
      else
        told.unreadable = true;
    }
    return told;
  }

  place_told place_of(const place_question& which) override {
    const auto now = session_.clock_now();
    parameters row, queue;
    row.add_if(now).add(which.queue).add(std::to_string(which.ring_again.count()));
    row.add(std::to_string(which.due.time_since_epoch().count())).add(to_string(which.id));
    row.add(std::to_string(which.limit));
    queue.add_if(now).add(which.queue).add(std::to_string(holders_looked_at));
    queue.add(std::to_string(held_looked_at));
    const auto results = session_.run(
        {{nullptr, say().before.c_str(), std::move(row)}, {nullptr, say().holders.c_str(), std::move(queue)}});
    place_told told;
    told.before = static_cast<std::size_t>(number_at(results[0].get(), 0, 0));
    const auto* holders = results[1].get();
    for (int at = 0; at < PQntuples(holders); ++at) told.holders.push_back(text_at(holders, at, 0));
    return told;
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
