#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/task.hpp"

namespace amc::http {

/// What a name was found to be, or why it was not.
struct addresses {
  std::vector<boost::asio::ip::tcp::endpoint> found{};
  std::string failed{};  ///< empty where some were found
};

/// By the system's own means. Blocks, for half a minute where name servers do not answer, and nothing can interrupt it.
addresses look_up(const std::string& host, const std::string& port);

/// Looks a name up on a thread that nobody waits for, so that whoever has less time goes on without it. Those who ask
/// while it runs share it: there is one such thread at most. For one thread; destroy it before its executor's context.
class name_look_up {
 public:
  using blocking_look_up = std::function<addresses(const std::string& host, const std::string& port)>;

  name_look_up(boost::asio::any_io_executor executor, std::string host, std::string port, blocking_look_up how);
  ~name_look_up();
  name_look_up(const name_look_up&) = delete;
  name_look_up& operator=(const name_look_up&) = delete;

  /// Sets `asker` when the addresses are known, if it is still there. Throws `unavailable` where no thread can be had.
  void tell(const std::shared_ptr<one_shot<addresses>>& asker);

 private:
  struct inquiry;

  boost::asio::any_io_executor executor_;
  std::string host_, port_;
  blocking_look_up how_;
  std::shared_ptr<inquiry> under_way_;
};

}  // namespace amc::http
