#pragma once

#include <span>
#include <string_view>

#include "api/context.hpp"

/// What there is at each path, a resource in a file of its own, and the one table of them.
namespace amc::api {

// root.cpp: the seed's contract
task<http::response> post_root(context& api, http::request& asked);
task<http::response> put_root(context& api, http::request& asked);
task<http::response> get_root(context& api, http::request& asked);

// messages.cpp
task<http::response> post_message(context& api, http::request& asked);
task<http::response> post_message_to_queue(context& api, http::request& asked);
task<http::response> list_messages(context& api, http::request& asked);
task<http::response> get_message(context& api, http::request& asked);
task<http::response> put_message(context& api, http::request& asked);
task<http::response> delete_message(context& api, http::request& asked);
task<http::response> retry_message(context& api, http::request& asked);

// work.cpp: for services
task<http::response> post_claims(context& api, http::request& asked);
task<http::response> post_leases(context& api, http::request& asked);
task<http::response> post_releases(context& api, http::request& asked);
task<http::response> post_failures(context& api, http::request& asked);
task<http::response> post_answers(context& api, http::request& asked);

// receive.cpp
task<http::response> post_receive(context& api, http::request& asked);

// operators.cpp
task<http::response> get_queues(context& api, http::request& asked);
task<http::response> get_retries(context& api, http::request& asked);
task<http::response> post_retries(context& api, http::request& asked);

// health.cpp
task<http::response> get_metrics(context& api, http::request& asked);
task<http::response> get_healthz(context& api, http::request& asked);
task<http::response> get_readyz(context& api, http::request& asked);

// description.cpp
task<http::response> get_description(context& api, http::request& asked);

struct route {
  std::string_view path;  ///< "*" stands for one segment
  std::string_view method;
  task<http::response> (*call)(context& api, http::request& asked);
  std::span<const std::string_view> parameters{};  ///< that its query may have
};

std::span<const route> routes();
bool matches(const route& r, std::string_view path);
/// Of those that there are, the one that takes the fewest edits.
std::string nearest_path(std::string_view path);

}  // namespace amc::api
