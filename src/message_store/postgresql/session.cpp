#include "message_store/postgresql/session.hpp"

namespace amc::message_store::postgresql {

std::vector<pg_result> session::run(const std::vector<connection::call>& calls,
                                    const std::optional<connection::call>& afterwards) {
  constexpr int tries = 5;
  for (int attempt = 1;; ++attempt) {
    try {
      if (link_.current() && link_.current()->was_cut()) link_.drop();
      return link_.get([&] { return connect(); }).run(calls, afterwards);
    } catch (const server_error& failed) {
      // The transaction has been undone, whole: running it again is safe.
      if (!failed.leaves_the_connection()) link_.drop();
      if (failed.is_of_the_input()) throw unfit_input(failed.told());
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

std::unique_ptr<connection> session::connect() const {
  auto fresh = std::make_unique<connection>(options_, role_);
  try {
    // A server that stops this process's batch in the middle must not wait for it for ever. And a durable change is
    // synced whatever the server's default.
    fresh->script(
        "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '5s'; "
        // One plan for every batch and size of the table: row by row, by the id, in the order that was asked for.
        "SET plan_cache_mode = force_generic_plan; SET enable_hashjoin = off; SET enable_mergejoin = off; "
        "SET enable_seqscan = off; SET jit = off; "
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'");
    prepare_(*fresh);
  } catch (const server_error& failed) {
    throw failed.as_unavailable();
  }
  return fresh;
}

}  // namespace amc::message_store::postgresql
