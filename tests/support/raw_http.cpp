#include "tests/support/raw_http.hpp"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <stdexcept>

namespace amc::tests {

boost::json::value answer::json() const {
  return boost::json::parse(body);
}

raw_connection::raw_connection(std::uint16_t port) : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval longest{30, 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(descriptor_);
    throw std::runtime_error("cannot connect to port " + std::to_string(port));
  }
}

raw_connection::~raw_connection() {
  close(descriptor_);
}

void raw_connection::send(const std::string& bytes) const {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const auto count = ::send(descriptor_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;  // the peer has closed; what it said is still to be read
    sent += static_cast<std::size_t>(count);
  }
}

std::size_t raw_connection::send_some(const std::string& bytes) const {
  const auto count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

void raw_connection::finish_sending() const {
  shutdown(descriptor_, SHUT_WR);
}

bool raw_connection::delivered() const {
  int waiting = 0;
  return ioctl(descriptor_, SIOCOUTQ, &waiting) == 0 && waiting == 0;
}

bool raw_connection::readable() const {
  pollfd wanted{descriptor_, POLLIN, 0};
  return !buffer_.empty() || poll(&wanted, 1, 0) > 0;
}

std::string raw_connection::read_some() {
  if (buffer_.empty()) fill();
  return std::exchange(buffer_, {});
}

bool raw_connection::fill() {
  char chunk[16'384];
  const auto count = recv(descriptor_, chunk, sizeof chunk, 0);
  if (count > 0) buffer_.append(chunk, static_cast<std::size_t>(count));
  return count > 0;
}

answer raw_connection::read(bool head) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!fill()) throw std::runtime_error("the connection ended within a header: " + buffer_);
  answer got;
  const auto header = buffer_.substr(0, end + 2);
  got.status = std::stoi(header.substr(9, 3));
  for (auto line = header.find("\r\n") + 2; line < header.size(); line = header.find("\r\n", line) + 2) {
    const auto colon = header.find(':', line);
    auto name = header.substr(line, colon - line);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    got.headers[name] = header.substr(colon + 2, header.find("\r\n", line) - colon - 2);
  }
  const bool bodiless = head || got.status == 304 || got.status / 100 == 1;
  const std::size_t size = bodiless ? 0 : std::stoul(got.headers.at("content-length"));
  while (buffer_.size() < end + 4 + size)
    if (!fill()) throw std::runtime_error("the connection ended within a body");
  got.body = buffer_.substr(end + 4, size);
  buffer_.erase(0, end + 4 + size);
  return got;
}

bool raw_connection::closed() {
  const timeval longest{10, 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
  char byte = 0;
  const auto count = recv(descriptor_, &byte, 1, 0);
  return buffer_.empty() && (count == 0 || (count < 0 && errno == ECONNRESET));
}

answer raw_connection::ask(const std::string& method, const std::string& target, const std::string& body,
                           const std::string& headers) {
  send(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers +
       "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  return read(method == "HEAD");
}

raw_listener::raw_listener() : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(descriptor_, generic, size) != 0 || listen(descriptor_, 16) != 0 ||
      getsockname(descriptor_, generic, &size) != 0)
    throw std::runtime_error("cannot listen");
  port_ = ntohs(address.sin_port);
}

raw_listener::~raw_listener() {
  close(descriptor_);
}

std::unique_ptr<raw_connection> raw_listener::accept() const {
  std::unique_ptr<raw_connection> link(new raw_connection());
  link->descriptor_ = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
  return link;
}

answer ask(std::uint16_t port, const std::string& method, const std::string& target, const std::string& body,
           const std::string& headers) {
  return raw_connection(port).ask(method, target, body, headers);
}

}  // namespace amc::tests
