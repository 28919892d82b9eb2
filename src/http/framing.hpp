#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace amc::http {

struct framing_limits {
  std::size_t header_max_bytes = 0;
  std::size_t body_max_bytes = 0;
};

/// Why bytes are no request: the status to say so with. Nothing that follows them can be read.
struct malformed {
  // The constructor keeps g++ 12 from destroying temporaries in a co_await twice, as it does with aggregates.
  malformed(int answer_status, std::string answer_detail) : status(answer_status), detail(std::move(answer_detail)) {}
  int status;
  std::string detail;
  std::string target{};  ///< empty where none could be read
  bool head = false;     ///< the answer may have no body
};

/// A request, and what its header says about the connection.
struct framed_request {
  http::request request{.target = ""};  ///< no target before its header was read
  bool http_10 = false;
  bool keep_alive = false;
};

/// Makes requests of the bytes of one connection, one after the other. Knows nothing of sockets and time. Takes only
/// what can be read in one way (docs/decisions/0006), and holds no more than the limits allow, whatever is sent.
class request_reader {
 public:
  enum class state {
    idle,      ///< not a byte of a request is there
    header,    ///< a part of a header
    body,      ///< a header, and a part of its body
    complete,  ///< `take` it
    refused,   ///< see `fault`
  };

  explicit request_reader(framing_limits limits) : limits_(limits) {}

  /// How many more bytes it takes now. Never 0 after an `advance` to idle, header or body.
  std::size_t room() const;
  /// What has arrived; at most `room()`.
  void feed(std::string_view bytes);
  /// Goes as far as what was fed allows: up to the end of one request.
  state advance();

  /// Where it is complete: the request, once. The next one begins after it.
  framed_request take();
  const malformed& fault() const { return *fault_; }

  /// Within a body: what is known of its request.
  const http::request& under_way() const { return under_way_.request; }
  /// Within a body of which nothing has come yet: whether the client waits to hear that it is wanted.
  bool awaits_continue() const { return awaits_continue_ && body_bytes() == 0 && rest().empty(); }
  /// Says why the request under way is not carried out.
  malformed refusal(int status, std::string detail) const;
  /// Of the body under way; what frames it does not count.
  std::size_t body_bytes() const { return under_way_.request.body.size(); }

 private:
  enum class chunk { size, data, end_of_data, end_of_body };

  std::string_view rest() const { return std::string_view(pending_).substr(begin_); }
  void refuse(const malformed& why);
  void read_header();
  void parse_header(std::string_view raw);
  void read_body();
  void read_chunks();
  void read_chunk_size();
  bool passed_line_end(const char* complaint);
  void take_body(std::uint64_t up_to);

  framing_limits limits_;
  std::string pending_;
  std::size_t begin_ = 0;     ///< of what was not read yet, in `pending_`
  std::size_t searched_ = 0;  ///< of the rest: no header ends there
  state state_ = state::idle;
  framed_request under_way_;
  bool awaits_continue_ = false;
  bool chunked_ = false;
  chunk chunk_ = chunk::size;
  std::uint64_t left_ = 0;  ///< bytes still to come, of the body or of the chunk
  std::size_t extensions_ = 0;
  std::optional<malformed> fault_;
};

}  // namespace amc::http
