#include <algorithm>

#include "api/reading.hpp"
#include "api/resources.hpp"
#include "core/text.hpp"

namespace amc::api {
namespace {

constexpr std::string_view root_parameters[] = {"id"};
constexpr std::string_view list_parameters[] = {"status", "queue", "limit", "after"};

using at = needs::at;

constexpr route table[] = {
    {"/", "POST", {right::send, at::body}, post_root},
    {"/", "PUT", {right::operate, at::message}, put_root, root_parameters},
    {"/", "GET", {right::read, at::message}, get_root, root_parameters},
    {"/messages", "POST", {right::send, at::body}, post_message},
    {"/messages", "GET", {right::read, at::somewhere}, list_messages, list_parameters},
    {"/messages/*", "GET", {right::read, at::message}, get_message},
    {"/messages/*", "PUT", {right::serve, at::message}, put_message},
    {"/messages/*", "DELETE", {right::operate, at::message}, delete_message},
    {"/messages/*/history", "GET", {right::read, at::message}, get_history},
    {"/messages/*/explain", "GET", {right::read, at::message}, get_explanation},
    {"/messages/*/retry", "POST", {right::operate, at::message}, retry_message},
    {"/messages/*/erase", "POST", {right::operate, at::message}, erase_message},
    {"/messages/*/run-now", "POST", {right::operate, at::message}, run_message_now},
    {"/messages/*/move", "POST", {right::operate, at::message}, move_message},
    {"/claims", "POST", {right::serve, at::message}, post_claims},
    {"/leases", "POST", {right::serve, at::message}, post_leases},
    {"/releases", "POST", {right::serve, at::message}, post_releases},
    {"/failures", "POST", {right::serve, at::message}, post_failures},
    {"/answers", "POST", {right::serve, at::message}, post_answers},
    {"/queues/*/messages", "POST", {right::send, at::path}, post_message_to_queue},
    {"/queues/*/receive", "POST", {right::serve, at::path}, post_receive},
    {"/queues", "GET", {right::read, at::somewhere}, get_queues},
    {"/queues/*", "GET", {right::read, at::path}, get_queue},
    {"/queues/*/rates", "GET", {right::read, at::path}, get_queue_rates},
    {"/queues/*/pause", "POST", {right::operate, at::path}, post_pause},
    {"/queues/*/resume", "POST", {right::operate, at::path}, post_resume},
    {"/queues/*/purge", "GET", {right::operate, at::path}, get_purge},
    {"/queues/*/purge", "POST", {right::operate, at::path}, post_purge},
    {"/retries", "GET", {right::operate, at::somewhere}, get_retries},
    {"/retries", "POST", {right::operate, at::body}, post_retries},
    {"/configuration", "GET", {right::operate, at::everywhere}, get_configuration},
    {"/metrics", "GET", {right::read, at::everywhere}, get_metrics},
    {"/healthz", "GET", needs::none(), get_healthz},
    {"/readyz", "GET", needs::none(), get_readyz},
    {"/openapi.json", "GET", needs::none(), get_description},
    {"/ui", "GET", needs::none(), redirect_to_page},
    {"/ui/", "GET", needs::none(), get_page},
    {"/ui/assets/*", "GET", needs::none(), get_page_asset},
    {"/ui/session", "GET", needs::none(), get_session},
    {"/ui/session", "POST", needs::somebody(), post_session},
    {"/ui/session", "DELETE", needs::somebody(), delete_session},
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
