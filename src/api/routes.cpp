#include <algorithm>

#include "api/reading.hpp"
#include "api/resources.hpp"
#include "core/text.hpp"

namespace amc::api {
namespace {

constexpr std::string_view root_parameters[] = {"id"};
constexpr std::string_view list_parameters[] = {"status", "queue", "limit", "after"};

constexpr route table[] = {
    {"/", "POST", post_root},
    {"/", "PUT", put_root, root_parameters},
    {"/", "GET", get_root, root_parameters},
    {"/messages", "POST", post_message},
    {"/messages", "GET", list_messages, list_parameters},
    {"/messages/*", "GET", get_message},
    {"/messages/*", "PUT", put_message},
    {"/messages/*", "DELETE", delete_message},
    {"/messages/*/retry", "POST", retry_message},
    {"/claims", "POST", post_claims},
    {"/leases", "POST", post_leases},
    {"/releases", "POST", post_releases},
    {"/failures", "POST", post_failures},
    {"/answers", "POST", post_answers},
    {"/queues/*/messages", "POST", post_message_to_queue},
    {"/queues/*/receive", "POST", post_receive},
    {"/queues", "GET", get_queues},
    {"/retries", "GET", get_retries},
    {"/retries", "POST", post_retries},
    {"/metrics", "GET", get_metrics},
    {"/healthz", "GET", get_healthz},
    {"/readyz", "GET", get_readyz},
    {"/openapi.json", "GET", get_description},
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

std::string nearest_path(std::string_view path) {
  constexpr std::size_t compared_max_bytes = 100;
  path = shortened(path, compared_max_bytes);
  std::vector<std::string> known;
  for (const auto& r : table) {
    std::string candidate(r.path);
    if (const auto star = candidate.find('*'); star != std::string::npos) {
      // What stands there in the path is as good as anything.
      const auto before = r.path.substr(0, star);
      const auto own = segment(path, static_cast<std::size_t>(std::count(before.begin(), before.end(), '/')));
      candidate.replace(star, 1, own.empty() ? "{id}" : own);
    }
    known.push_back(std::move(candidate));
  }
  return nearest(path, known);
}

}  // namespace amc::api
