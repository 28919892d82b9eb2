#pragma once

#include <chrono>
#include <map>
#include <string>

#include "message_store/postgresql/connection.hpp"
#include "message_store/store.hpp"

/// How the processes that share a database tell one another what they have changed, and in which queues something has
/// come to wait, and who receives: NOTIFY, on a channel for each.
namespace amc::message_store::postgresql {

/// set_config lasts for this transaction only.
constexpr const char* notify_sql =
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify(channel, payload) "
    "FROM unnest($1::text[], $2::text[]) AS n(channel, payload)";

/// Names this opening of the store in its own notifications, so that it need not listen to itself.
std::string new_sender();

/// Tells that these rows may have changed, and that something waits in these queues that nothing rings. A transaction
/// of its own after the commit: PostgreSQL lets one transaction that notifies commit at a time, and this one waits for
/// no disk. The statement "notify" must be prepared.
connection::call notify_call(const std::string& sender, std::span<const uuid> ids, std::span<const std::string> queues);

/// Tells who receives through this opening of the store. The statement "notify" must be prepared.
connection::call receiving_call(const std::string& sender, std::span<const receiving> all);

/// Reads what these send.
change_feed::news parse_notification(const connection::notification& told, const std::string& own_sender);

/// Which queues are to be told of after a batch. Each once in a while: who is told looks again when that is over, and
/// what is lost is found by the next look of a receiver's broker.
class announcements {
 public:
  using clock = std::chrono::steady_clock;
  static constexpr milliseconds pause{5};
  std::vector<std::string> after(std::span<const change> batch, clock::time_point now);

 private:
  std::map<std::string, clock::time_point, std::less<>> last_;
};

std::unique_ptr<change_feed> make_change_feed(const postgresql_options& options, std::string own_sender);

}  // namespace amc::message_store::postgresql
