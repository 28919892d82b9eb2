#pragma once

#include <functional>

#include "core/back_off.hpp"
#include "message_store/postgresql/connection.hpp"

namespace amc::message_store::postgresql {

/// A connection that is made when it is needed, with the settings that the store's statements are made for, and made
/// anew when it was lost. Behind a pooler the settings travel with each transaction. For one thread. Throws
/// `unavailable`.
class session {
 public:
  /// `prepare`, where there is one, is called with each new connection; it may throw server_error.
  using preparation = std::function<void(connection& fresh)>;
  session(postgresql_options options, std::string role, preparation prepare = {})
      : options_(std::move(options)), role_(std::move(role)), prepare_(std::move(prepare)) {}

  struct how {
    bool durable = true;                           ///< synced before this returns
    std::optional<connection::call> afterwards{};  ///< as connection::run takes it
  };

  /// As connection::run; what a passing error has undone is run again. Throws unfit_input where the fault is the
  /// input's, and keeps the connection.
  std::vector<pg_result> run(const std::vector<connection::call>& calls, const how& options);
  std::vector<pg_result> run(const std::vector<connection::call>& calls) { return run(calls, how()); }

  /// What the statements take for now; nothing: the server's own clock.
  std::optional<timestamp> clock_now() const;

 private:
  enum class lasting { this_transaction, the_session };

  std::unique_ptr<connection> connect();
  bool notices_pooler(const server_error& failed);
  connection::call settings(lasting how_long, bool durable) const;

  postgresql_options options_;
  std::string role_;
  preparation prepare_;
  bool hidden_pooler_ = false;
  reconnecting<connection> link_;
};

}  // namespace amc::message_store::postgresql
