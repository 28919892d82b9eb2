#include <algorithm>

#include "api/resources.hpp"

namespace amc::api {
namespace {

constexpr route table[] = {
    {"/", "POST", post_root},
    {"/", "PUT", put_root},
    {"/", "GET", get_root},
    {"/messages", "POST", post_message},
    {"/messages", "GET", list_messages},
    {"/messages/*", "GET", get_message},
    {"/messages/*", "PUT", put_message},
    {"/messages/*", "DELETE", delete_message},
    {"/messages/*/retry", "POST", retry_message},
    {"/claims", "POST", post_claims},
    {"/leases", "POST", post_leases},
    {"/releases", "POST", post_releases},
    {"/failures", "POST", post_failures},
    {"/answers", "POST", post_answers},
    {"/queues", "GET", get_queues},
    {"/retries", "GET", get_retries},
    {"/retries", "POST", post_retries},
    {"/metrics", "GET", get_metrics},
    {"/healthz", "GET", get_healthz},
    {"/readyz", "GET", get_readyz},
};

}  // namespace

std::span<const route> routes() {
  return table;
}

bool matches(const route& r, std::string_view path) {
  const auto star = r.path.find('*');
  if (star == std::string_view::npos) return path == r.path;
  if (!path.starts_with(r.path.substr(0, star))) return false;
  path.remove_prefix(star);
  const auto segment = std::min(path.find('/'), path.size());
  return segment > 0 && path.substr(segment) == r.path.substr(star + 1);
}

}  // namespace amc::api
