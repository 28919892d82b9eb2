#pragma once

#include <span>
#include <string_view>

#include "api/context.hpp"
#include "api/visitor.hpp"

/// What there is at each path, a resource in a file of its own, and the one table of them.
namespace amc::api {

// root.cpp: the seed's contract
task<http::response> post_root(context& api, http::request& asked, visitor& who);
task<http::response> put_root(context& api, http::request& asked, visitor& who);
task<http::response> get_root(context& api, http::request& asked, visitor& who);

// messages.cpp
task<http::response> post_message(context& api, http::request& asked, visitor& who);
task<http::response> post_message_to_queue(context& api, http::request& asked, visitor& who);
task<http::response> list_messages(context& api, http::request& asked, visitor& who);
task<http::response> get_message(context& api, http::request& asked, visitor& who);
task<http::response> put_message(context& api, http::request& asked, visitor& who);
task<http::response> delete_message(context& api, http::request& asked, visitor& who);
task<http::response> get_history(context& api, http::request& asked, visitor& who);
task<http::response> get_explanation(context& api, http::request& asked, visitor& who);  // explaining.cpp

// message_operations.cpp
task<http::response> retry_message(context& api, http::request& asked, visitor& who);
task<http::response> erase_message(context& api, http::request& asked, visitor& who);
task<http::response> run_message_now(context& api, http::request& asked, visitor& who);
task<http::response> move_message(context& api, http::request& asked, visitor& who);

// work.cpp: for services
task<http::response> post_claims(context& api, http::request& asked, visitor& who);
task<http::response> post_leases(context& api, http::request& asked, visitor& who);
task<http::response> post_releases(context& api, http::request& asked, visitor& who);
task<http::response> post_failures(context& api, http::request& asked, visitor& who);
task<http::response> post_answers(context& api, http::request& asked, visitor& who);

// receive.cpp
task<http::response> post_receive(context& api, http::request& asked, visitor& who);

// operators.cpp
task<http::response> get_queues(context& api, http::request& asked, visitor& who);
task<http::response> get_queue(context& api, http::request& asked, visitor& who);
task<http::response> get_queue_rates(context& api, http::request& asked, visitor& who);
task<http::response> get_configuration(context& api, http::request& asked, visitor& who);
task<http::response> get_retries(context& api, http::request& asked, visitor& who);
task<http::response> post_retries(context& api, http::request& asked, visitor& who);

// queue_operations.cpp
task<http::response> post_pause(context& api, http::request& asked, visitor& who);
task<http::response> post_resume(context& api, http::request& asked, visitor& who);
task<http::response> post_purge(context& api, http::request& asked, visitor& who);
task<http::response> get_purge(context& api, http::request& asked, visitor& who);

// health.cpp
task<http::response> get_metrics(context& api, http::request& asked, visitor& who);
task<http::response> get_healthz(context& api, http::request& asked, visitor& who);
task<http::response> get_readyz(context& api, http::request& asked, visitor& who);

// description.cpp
task<http::response> get_description(context& api, http::request& asked, visitor& who);

// page.cpp: the page for people
task<http::response> redirect_to_page(context& api, http::request& asked, visitor& who);
task<http::response> get_page(context& api, http::request& asked, visitor& who);
task<http::response> get_page_asset(context& api, http::request& asked, visitor& who);
task<http::response> get_session(context& api, http::request& asked, visitor& who);
task<http::response> post_session(context& api, http::request& asked, visitor& who);
task<http::response> delete_session(context& api, http::request& asked, visitor& who);

/// The right that an endpoint needs once access is configured, and where. There is no default.
class needs {
 public:
  enum class at {
    nothing,     ///< open to everybody
    known,       ///< to everybody who is known
    path,        ///< the queue that the path names
    message,     ///< the queue of the message that is asked for: decided with the change
    body,        ///< the queue that the body leads to; without the right to any there is no need to read it
    somewhere,   ///< any queue: the answer is about those
    everywhere,  ///< every queue
  };
  static constexpr needs none() { return {right::read, at::nothing}; }
  static constexpr needs somebody() { return {right::read, at::known}; }
  constexpr needs(right what, at where) : what_(what), where_(where) {}

  bool is_open() const { return where_ == at::nothing; }
  right what() const { return what_; }
  at where() const { return where_; }

 private:
  right what_;
  at where_;
};

struct route {
  std::string_view path;  ///< "*" stands for one segment
  std::string_view method;
  needs right_to;
  task<http::response> (*call)(context& api, http::request& asked, visitor& who);
  std::span<const std::string_view> parameters{};  ///< that its query may have
};

std::span<const route> routes();
bool matches(const route& r, std::string_view path);
/// Of those that there are, the one that takes the fewest edits.
std::string nearest_path(std::string_view path);

}  // namespace amc::api
