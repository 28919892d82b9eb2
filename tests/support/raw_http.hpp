#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace amc::tests {

/// An HTTP answer as a client that shares no code with the server reads it.
struct answer {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
  boost::json::value json() const;
};

/// A blocking connection that sends bytes as they are and reads one answer at a time.
class raw_connection {
 public:
  explicit raw_connection(std::uint16_t port);
  ~raw_connection();
  raw_connection(const raw_connection&) = delete;
  raw_connection& operator=(const raw_connection&) = delete;

  void send(const std::string& bytes) const;
  /// How many of the bytes could be sent without waiting.
  std::size_t send_some(const std::string& bytes) const;
  /// Tells the peer that nothing more is sent, and goes on reading.
  void finish_sending() const;
  /// Whether all that was sent has arrived in the peer's queue.
  bool delivered() const;
  /// Whether a read would not have to wait: for bytes, or for the end.
  bool readable() const;
  /// What is there, waiting until there is something; empty at the end.
  std::string read_some();
  /// Throws when the connection ends before a whole answer was read. `head`: the answer has no body.
  answer read(bool head = false);
  /// Whether the peer closes, within ten seconds, without sending anything more.
  bool closed();

  /// One request and its answer.
  answer ask(const std::string& method, const std::string& target, const std::string& body = "",
             const std::string& headers = "");

 private:
  friend class raw_listener;
  raw_connection() = default;
  bool fill();

  int descriptor_ = -1;
  std::string buffer_;
};

/// The other side: takes connections on a free port.
class raw_listener {
 public:
  raw_listener();
  ~raw_listener();
  raw_listener(const raw_listener&) = delete;
  raw_listener& operator=(const raw_listener&) = delete;

  std::uint16_t port() const { return port_; }
  /// Waits for one.
  std::unique_ptr<raw_connection> accept() const;

 private:
  int descriptor_;
  std::uint16_t port_ = 0;
};

/// One request on a connection of its own.
answer ask(std::uint16_t port, const std::string& method, const std::string& target, const std::string& body = "",
           const std::string& headers = "");

}  // namespace amc::tests
