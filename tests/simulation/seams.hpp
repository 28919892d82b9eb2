#pragma once

#include <functional>
#include <memory>

#include "http/client.hpp"
#include "message_store/store.hpp"
#include "queue_system/platform.hpp"
#include "service/broker_client.hpp"

namespace amc::simulation {

class process;

/// Where a bug can be planted from outside: what a process is given can be wrapped on its way. Absent ones wrap
/// nothing.
struct seams {
  std::function<std::unique_ptr<store>(std::unique_ptr<store>, process&, platform&)> wrap_store{};
  std::function<std::unique_ptr<store_reader>(std::unique_ptr<store_reader>)> wrap_reader{};
  std::function<void(message&)> note_past{};  ///< what the database notes of a revision that another follows
  std::function<std::unique_ptr<change_feed>(std::unique_ptr<change_feed>)> wrap_feed{};
  std::function<std::unique_ptr<platform>(std::unique_ptr<platform>, process&)> wrap_engine{};
  std::function<std::shared_ptr<http::caller>(std::shared_ptr<http::caller>, process&)> wrap_caller{};
  std::function<std::shared_ptr<service::broker_client>(std::shared_ptr<service::broker_client>, process&)>
      wrap_client{};
  /// What a service asks of the broker in its own process.
  std::function<std::shared_ptr<service::receiving_client>(std::shared_ptr<service::receiving_client>)>
      wrap_receiving{};
  bool hears_what_is_left = true;  ///< a process that has moved to another engine hears the one before
};

}  // namespace amc::simulation
