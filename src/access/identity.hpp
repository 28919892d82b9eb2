#pragma once

#include "core/access.hpp"
#include "core/error.hpp"
#include "core/task.hpp"
#include "http/message.hpp"

namespace amc::access {

/// Tells who asks: before the path of a request, its body, or anything else of it is looked at. For one thread.
class identity {
 public:
  virtual ~identity() = default;
  /// Never null. `from`: who sent it. Errors: unidentified.
  virtual result<principal_ptr> identify(const http::request& asked, const http::peer& from) = 0;
  /// What its credential allows by now; null where it is not known any more.
  virtual principal_ptr again(const principal& known) const = 0;

  /// Keeps up with what it goes by, until it is stopped.
  virtual void run() {}
  virtual task<void> stop() { co_return; }
};

}  // namespace amc::access
