#include "message_store/postgresql/session.hpp"

#include "core/log.hpp"

namespace amc::message_store::postgresql {
namespace {

// $1: for this transaction only; $2 statement_timeout, in milliseconds; $3: synced. What is durable is synced whatever
// the server's default. One plan for every batch and size of the table: row by row, by the id, in the order that was
// asked for. Nobody waits for a lock, or for an answer, longer than that.
constexpr const char* settings_sql = R"sql(
SELECT set_config('plan_cache_mode', 'force_generic_plan', $1::boolean), set_config('enable_hashjoin', 'off', $1::boolean),
       set_config('enable_mergejoin', 'off', $1::boolean), set_config('enable_seqscan', 'off', $1::boolean),
       set_config('jit', 'off', $1::boolean), set_config('lock_timeout', '5s', $1::boolean),
       set_config('statement_timeout', $2, $1::boolean),
       set_config('synchronous_commit', CASE WHEN NOT $3::boolean THEN 'off'
         WHEN current_setting('synchronous_commit') = 'off' THEN 'on' ELSE current_setting('synchronous_commit') END,
         $1::boolean))sql";
constexpr const char* not_synced_sql = "SELECT set_config('synchronous_commit', 'off', true)";

}  // namespace

std::vector<pg_result> session::run(const std::vector<connection::call>& calls, const how& options) {
  constexpr int tries = 5;
  for (int attempt = 1;; ++attempt) {
    try {
      if (link_.current() && link_.current()->was_cut()) link_.drop();
      auto& link = link_.get([&] { return connect(); });
      std::optional<connection::call> before;
      if (link.is_pooled())
        before = settings(lasting::this_transaction, options.durable);
      else if (!options.durable)
        before = connection::call{nullptr, not_synced_sql};
      return link.run(calls, options.afterwards, before);
    } catch (const server_error& failed) {
      // The transaction has been undone, whole: running it again is safe.
      if (!failed.leaves_the_connection()) link_.drop();
      if (failed.is_of_the_input()) throw unfit_input(failed.told());
      if (notices_pooler(failed)) continue;
      if (!failed.is_passing() || attempt == tries) throw failed.as_unavailable();
    } catch (const unavailable&) {
      link_.drop();
      throw;
    }
  }
}

std::optional<timestamp> session::clock_now() const {
  if (!options_.now) return {};
  return options_.now();
}

std::unique_ptr<connection> session::connect() {
  for (;;) {
    auto fresh = std::make_unique<connection>(options_, role_);
    if (hidden_pooler_) fresh->assume_pooler();
    try {
      if (!fresh->is_pooled()) fresh->run({settings(lasting::the_session, true)});
      if (prepare_) prepare_(*fresh);
      return fresh;
    } catch (const server_error& failed) {
      if (!notices_pooler(failed)) throw failed.as_unavailable();
    }
  }
}

/// By a statement that was prepared and is not there, or by one that another has prepared.
bool session::notices_pooler(const server_error& failed) {
  if (failed.sqlstate != "26000" && failed.sqlstate != "42P05") return false;
  if (std::exchange(hidden_pooler_, true)) return false;
  log::warning("store",
               "statements that were prepared get lost, as behind a pooler: from now on each call brings its own");
  return true;
}

connection::call session::settings(lasting how_long, bool durable) const {
  parameters p;
  p.add(how_long == lasting::this_transaction ? "t" : "f");
  p.add(std::to_string(options_.answer_timeout.count())).add(durable ? "t" : "f");
  return {nullptr, settings_sql, std::move(p)};
}

}  // namespace amc::message_store::postgresql
