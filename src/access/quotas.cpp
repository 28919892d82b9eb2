#include "access/quotas.hpp"

#include <algorithm>
#include <cmath>

#include "core/text.hpp"

namespace amc::access {
namespace {

constexpr const char* requests_key = "requests_per_s";
constexpr const char* bytes_key = "bytes_per_s";
constexpr const char* parked_key = "parked_max";
constexpr const char* pending_key = "pending_max";

std::size_t one_of(const std::optional<std::size_t>& own, const std::optional<std::size_t>& of_each) {
  return own.value_or(of_each.value_or(0));
}

double grown(double from, std::size_t per_s, double seconds) {
  const auto most = static_cast<double>(per_s);
  return std::min(most, from + most * seconds);
}

}  // namespace

quotas::quotas(const environment& env, quota of_each)
    : env_(env),
      of_each_(of_each),
      refusals_(env.metrics->counter("amc_quota_refusals_total",
                                     "Requests refused since their principal had taken as much as it may, by the "
                                     "quota (broker.access.quota)")) {}

std::optional<error> quotas::admit(const principal_ptr& by) {
  if (!by) return {};
  auto& its = of(*by);
  auto refused = judged(*by, its);
  if (!refused) its.requests -= 1;
  return refused;
}

std::optional<error> quotas::refuses(const principal_ptr& by) {
  return by ? judged(*by, of(*by)) : std::nullopt;
}

void quotas::charge(const principal_ptr& by, std::size_t bytes) {
  if (by && bytes > 0) of(*by).bytes -= static_cast<double>(bytes);
}

result<quotas::place> quotas::park(const principal_ptr& by) {
  if (!by) return place();
  const auto most = one_of(by->own_quota.parked_max, of_each_.parked_max);
  const auto& its = of(*by);
  if (most == 0 || *its.parked < most) return place(its.parked);
  return over(*by, parked_key, most, "requests of yours wait already", 1);
}

std::size_t quotas::pending_max(const principal_ptr& by) const {
  return by ? one_of(by->own_quota.pending_max, of_each_.pending_max) : 0;
}

error quotas::over_pending(const principal_ptr& by) {
  return over(*by, pending_key, pending_max(by), "messages of yours are pending already", 1);
}

/// As of now.
quotas::takings& quotas::of(const principal& by) {
  const auto now = env_.timers->now();
  const auto requests_per_s = one_of(by.own_quota.requests_per_s, of_each_.requests_per_s);
  const auto bytes_per_s = one_of(by.own_quota.bytes_per_s, of_each_.bytes_per_s);
  auto found = all_.find(by.name);
  if (found == all_.end()) {
    forget_the_idle();
    found = all_.try_emplace(by.name).first;
    found->second.requests = static_cast<double>(requests_per_s);
    found->second.bytes = static_cast<double>(bytes_per_s);
  } else {
    const double seconds = std::chrono::duration<double>(now - found->second.since).count();
    found->second.requests = grown(found->second.requests, requests_per_s, seconds);
    found->second.bytes = grown(found->second.bytes, bytes_per_s, seconds);
  }
  found->second.since = now;
  return found->second;
}

std::optional<error> quotas::judged(const principal& by, const takings& of_it) {
  const auto requests_per_s = one_of(by.own_quota.requests_per_s, of_each_.requests_per_s);
  if (requests_per_s > 0 && of_it.requests < 1)
    return over(by, requests_key, requests_per_s, "requests a second are all that you may make",
                (1 - of_it.requests) / static_cast<double>(requests_per_s));
  const auto bytes_per_s = one_of(by.own_quota.bytes_per_s, of_each_.bytes_per_s);
  if (bytes_per_s > 0 && of_it.bytes < 0)
    return over(by, bytes_key, bytes_per_s, "bytes a second are all that you may send and be sent",
                -of_it.bytes / static_cast<double>(bytes_per_s));
  return {};
}

error quotas::over(const principal& by, const char* key, std::size_t most, const char* what, double come_again_s) {
  constexpr std::size_t told_max = 1'000;  // names may be anybody's: labels are bounded
  const bool is_told = told_.contains(by.name) || told_.size() < told_max;
  if (is_told) told_.insert(by.name);
  refusals_.Add({{"principal", is_told ? by.name : "(others)"}, {"quota", key}}).Increment();
  constexpr double hour_s = 3'600;
  const std::chrono::seconds come_again(static_cast<int>(std::ceil(std::clamp(come_again_s, 1.0, hour_s))));
  return {.code = errc::over_quota,
          .detail = std::to_string(most) + " " + what + " (broker.access.quota." + key +
                    ", or the quota of your entry in broker.access.tokens_file); nothing was changed. Come again in " +
                    std::to_string(come_again.count()) + " s.",
          .come_again = come_again};
}

/// Who asks nothing for a second may take as much as a stranger, and so need not be known.
void quotas::forget_the_idle() {
  constexpr std::size_t known_max = 10'000;
  if (all_.size() < known_max) return;
  const auto now = env_.timers->now();
  std::erase_if(all_, [&](const auto& known) {
    const auto& its = known.second;
    return *its.parked == 0 && its.bytes >= 0 && now - its.since >= std::chrono::seconds(1);
  });
}

}  // namespace amc::access
