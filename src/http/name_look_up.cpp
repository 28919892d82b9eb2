#include "http/name_look_up.hpp"

#include <netdb.h>

#include <cstring>
#include <system_error>
#include <thread>

#include "core/error.hpp"

namespace amc::http {

namespace asio = boost::asio;
using asio::ip::tcp;

addresses look_up(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  addresses all;
  if (const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &list); code != 0) {
    all.failed = "the name \"" + host + "\" cannot be looked up: " + gai_strerror(code);
    return all;
  }
  for (const auto* each = list; each; each = each->ai_next) {
    tcp::endpoint endpoint;
    if (each->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), each->ai_addr, each->ai_addrlen);
    endpoint.resize(each->ai_addrlen);
    all.found.push_back(endpoint);
  }
  freeaddrinfo(list);
  if (all.found.empty()) all.failed = "the name \"" + host + "\" has no address";
  return all;
}

/// What the thread and those who wait share.
struct name_look_up::inquiry {
  std::mutex mutex;
  asio::any_io_executor executor;  ///< empty once nobody is there to be told
  // Of the executor's thread. Whoever waits belongs to that thread too, and must not end on the other one.
  std::vector<std::weak_ptr<one_shot<addresses>>> askers;
  bool done = false;
};

name_look_up::name_look_up(asio::any_io_executor executor, std::string host, std::string port, blocking_look_up how)
    : executor_(std::move(executor)), host_(std::move(host)), port_(std::move(port)), how_(std::move(how)) {}

name_look_up::~name_look_up() {
  if (!under_way_) return;
  const std::lock_guard lock(under_way_->mutex);
  under_way_->executor = {};
}

void name_look_up::tell(const std::shared_ptr<one_shot<addresses>>& asker) {
  if (under_way_ && !under_way_->done) return under_way_->askers.push_back(asker);
  under_way_ = std::make_shared<inquiry>();
  under_way_->executor = executor_;
  under_way_->askers.push_back(asker);
  auto work = [shared = under_way_, how = how_, host = host_, port = port_] {
    auto all = how(host, port);
    // Held while it is handed over: until then the executor's context is there.
    const std::lock_guard lock(shared->mutex);
    if (!shared->executor) return;
    asio::post(std::exchange(shared->executor, {}), [shared, all = std::move(all)] {
      shared->done = true;
      for (const auto& each : std::exchange(shared->askers, {}))
        if (const auto waiting = each.lock()) waiting->set(all);
    });
  };
  try {
    std::thread(std::move(work)).detach();
  } catch (const std::system_error& failed) {
    under_way_.reset();
    throw unavailable(unavailable::reason::away, std::string("no thread to look a name up on: ") + failed.what());
  }
}

}  // namespace amc::http
