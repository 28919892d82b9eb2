#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "access/exposure.hpp"
#include "access/quotas.hpp"
#include "api/http_api.hpp"
#include "api/pending_quota.hpp"
#include "http/byte_budget.hpp"

namespace amc::api {

/// What the resources work on. For one thread.
struct context {
  environment env;
  std::shared_ptr<broker::messages> messages;
  std::shared_ptr<broker::waiters> waiters;
  std::shared_ptr<broker::receivers> receivers;
  std::shared_ptr<broker::mass_retry> retries;
  std::shared_ptr<broker::mass_cancel> purges;
  api_options options;
  std::shared_ptr<access::identity> identity{};       ///< null: nobody is asked who they are
  std::shared_ptr<access::page_sessions> sessions{};  ///< the identity, where browsers may sign in; null: they may not
  access::forwarding_guard proxies{options.trusted_proxies};
  access::quotas quotas{env, options.of_each};
  pending_quota pending{env};
  http::byte_budget pages{options.pages_max_bytes};
  std::vector<std::pair<metrics::gauges*, prometheus::Gauge*>> counted{};  ///< by the last GET /metrics
};

}  // namespace amc::api
