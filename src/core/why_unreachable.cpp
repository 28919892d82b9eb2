#include "core/why_unreachable.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace amc {

std::string why_unreachable(const std::string& host, const std::string& port, milliseconds longest) {
  namespace asio = boost::asio;
  asio::io_context context;
  boost::system::error_code failed;
  const auto found = asio::ip::tcp::resolver(context).resolve(host, port, failed);
  if (failed) return failed.message();
  failed = asio::error::timed_out;
  asio::ip::tcp::socket socket(context);
  asio::async_connect(socket, found, [&](boost::system::error_code how, const auto&) { failed = how; });
  context.run_for(longest);
  return failed ? failed.message() : "the server ended the connection";
}

}  // namespace amc
