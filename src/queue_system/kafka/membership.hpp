#pragma once

#include <optional>
#include <string>

#include "queue_system/kafka/client.hpp"

namespace amc::queue_system::kafka {

/// Asks over a connection of its own, to any of the servers, whether a consumer group has a certain member. A server
/// that is cut off from the others goes on answering its clients as if it still led their group and their partitions;
/// and a client asks the one that it uses most. So a member of it hears nothing, and not of that. For one thread.
class membership {
 public:
  /// Begins to ask. Nothing is thrown, whatever becomes of it.
  membership(const kafka_options& options, const std::string& group, std::string member);

  const std::string& member() const { return member_; }
  enum class answer { awaited, has, has_not, unknown };
  /// What has been answered by now; it waits for nothing. `unknown`: nothing has, in time.
  answer heard();

 private:
  answer answer_in(const event& what) const;

  std::string member_;
  std::optional<client> link_;  ///< nothing where there cannot be one
};

}  // namespace amc::queue_system::kafka
