#include "message_store/postgresql/postgresql.hpp"

#include <libpq-fe.h>

#include "tests/benchmarks/probes/store_driver.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/postgresql.hpp"

namespace amc::benchmarks {
namespace {

using pg_result = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// One connection with the two statements that a plain client would send: all rows of a batch in one, which is a
/// transaction by itself.
class raw_connection {
 public:
  explicit raw_connection(const std::string& url) : link_(PQconnectdb(url.c_str())) {
    require(PQstatus(link_) == CONNECTION_OK, std::string("raw libpq: ") + PQerrorMessage(link_));
    // As the driver: a plan made for the empty table would read all of it later.
    expect(PQexec(link_,
                  "SET synchronous_commit = on; SET plan_cache_mode = force_generic_plan;"
                  "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; "
                  "SET jit = off"));
    expect(PQprepare(link_, "insert",
                     "INSERT INTO amc_message (id, revision, status, queue, due, held, claim, unanswered, failures, "
                     "created_at, updated_at, text) SELECT id, 1, 'pending', 'topic-a', $2::bigint + 30000, false, 0, "
                     "0, 0, $2::bigint, $2::bigint, $3::text FROM unnest($1::uuid[]) AS asked(id)",
                     0, nullptr));
    expect(PQprepare(link_, "update",
                     "UPDATE amc_message m SET text = $3::text, revision = revision + 1, queue = 'topic-b', "
                     "due = $2::bigint + 30000, held = false, unanswered = 0, failures = 0, updated_at = $2::bigint "
                     "FROM unnest($1::uuid[]) AS asked(id) "
                     "WHERE m.id = asked.id AND m.status = 'pending' AND m.revision = 1",
                     0, nullptr));
  }
  ~raw_connection() { PQfinish(link_); }
  raw_connection(const raw_connection&) = delete;
  raw_connection& operator=(const raw_connection&) = delete;

  void run(const char* statement, std::span<const uuid> ids, const char* text) {
    std::string array = "{";
    for (const auto& id : ids) array.append(array.size() > 1 ? "," : "").append(to_string(id));
    array += "}";
    const auto now = std::to_string(
        std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
    const char* values[] = {array.c_str(), now.c_str(), text};
    const auto done = expect(PQexecPrepared(link_, statement, 3, values, nullptr, nullptr, 0));
    require(PQcmdTuples(done.get()) == std::to_string(ids.size()), "raw libpq: a row was not changed");
  }

 private:
  pg_result expect(PGresult* came) {
    pg_result owned(came, PQclear);
    require(PQresultStatus(came) == PGRES_COMMAND_OK, std::string("raw libpq: ") + PQerrorMessage(link_));
    return owned;
  }

  PGconn* link_;
};

/// As many connections as the store has.
class raw_postgresql {
 public:
  raw_postgresql(const std::string& url, std::size_t connections, amount work) : work_(work) {
    while (links_.size() < connections) links_.push_back(std::make_unique<raw_connection>(url));
  }

  double insert() {
    ids_ = make_ids(work_.count);
    return run("insert", first_text);
  }
  double update() { return run("update", second_text); }

 private:
  double run(const char* statement, const char* text) {
    const stopwatch watch;
    on_threads(links_.size(), ids_, [&](std::size_t lane, std::span<const uuid> part) {
      in_batches(part, work_.batch, [&](std::span<const uuid> ids) { links_[lane]->run(statement, ids, text); });
    });
    return watch.seconds();
  }

  amount work_;
  std::vector<std::unique_ptr<raw_connection>> links_;
  std::vector<uuid> ids_;
};

}  // namespace

std::vector<probe> postgresql_probes(amount work, std::size_t connections) {
  const auto database = std::make_shared<tests::postgresql_database>();
  auto options = message_store::postgresql_options_from(tests::configured());
  options.url = database->url();
  options.connections = connections;
  const auto driver = std::make_shared<store_driver>(message_store::open_postgresql(options), work);
  const auto raw = std::make_shared<raw_postgresql>(options.url, connections, work);
  return {{"postgresql insert", [raw, database] { return raw->insert(); }, [driver] { return driver->insert(); }},
          {"postgresql guarded update", [raw] { return raw->update(); }, [driver] { return driver->update(); }}};
}

}  // namespace amc::benchmarks
