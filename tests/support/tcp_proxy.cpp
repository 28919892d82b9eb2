#include "tests/support/tcp_proxy.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace amc::tests {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

tcp_proxy::tcp_proxy(std::uint16_t target, std::uint64_t seed)
    : target_(target), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), random_(seed) {
  auto address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("the proxy cannot listen");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { loop(); });
}

tcp_proxy::~tcp_proxy() {
  stopping_ = true;
  thread_.join();
  close(listener_);
  for (const auto& p : pairs_) {
    close(p.client);
    close(p.server);
  }
}

void tcp_proxy::cut_replies_within(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  within_ = bytes;
  for (auto& p : pairs_) p.left = next_cut();
}

void tcp_proxy::misquote(std::string said, std::string instead, int times) {
  if (said.size() != instead.size()) throw std::logic_error("\"" + instead + "\" is not as long as \"" + said + "\"");
  const std::lock_guard lock(mutex_);
  said_ = std::move(said);
  instead_ = std::move(instead);
  misquotes_ = times;
}

std::size_t tcp_proxy::next_cut() {
  if (within_ == 0) return SIZE_MAX;
  return std::uniform_int_distribution<std::size_t>(0, within_)(random_);
}

void tcp_proxy::loop() {
  while (!stopping_) {
    std::vector<pollfd> watched{{listener_, POLLIN, 0}};
    {
      const std::lock_guard lock(mutex_);
      for (const auto& p : pairs_) {
        watched.push_back({p.client, POLLIN, 0});
        watched.push_back({p.server, POLLIN, 0});
      }
    }
    if (poll(watched.data(), watched.size(), 10) <= 0) continue;
    const std::lock_guard lock(mutex_);
    std::size_t at = 1;
    for (auto p = pairs_.begin(); p != pairs_.end() && at < watched.size(); at += 2) {
      const bool asked = watched[at].revents == 0 || forward(p->client, p->server, nullptr);
      const bool answered = watched[at + 1].revents == 0 || forward(p->server, p->client, &p->left);
      if (asked && answered) {
        ++p;
        continue;
      }
      close(p->client);
      close(p->server);
      p = pairs_.erase(p);
    }
    if (watched[0].revents != 0) take();
  }
}

void tcp_proxy::take() {
  const int client = accept(listener_, nullptr, nullptr);
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = loopback(target_);
  if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(client);
    close(server);
    return;
  }
  const int at_once = 1;
  for (const int socket : {client, server}) setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  pairs_.push_back({client, server, next_cut()});
}

/// False when the connection is over: by itself, or because it is cut here.
bool tcp_proxy::forward(int from, int to, std::size_t* left) {
  char bytes[16'384];
  auto got = recv(from, bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  if (left) change(bytes, static_cast<std::size_t>(got));
  const bool cut = left && static_cast<std::size_t>(got) > *left;
  if (cut) got = static_cast<ssize_t>(*left);
  if (left && *left != SIZE_MAX) *left -= static_cast<std::size_t>(got);
  for (ssize_t sent = 0; sent < got;) {
    const auto more = send(to, bytes + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
    if (more <= 0) return false;
    sent += more;
  }
  if (cut) ++cuts_;
  return !cut;
}

void tcp_proxy::change(char* bytes, std::size_t count) {
  if (misquotes_ == 0) return;
  const auto at = std::string_view(bytes, count).find(said_);
  if (at == std::string_view::npos) return;
  std::copy(instead_.begin(), instead_.end(), bytes + at);
  --misquotes_;
}

}  // namespace amc::tests
