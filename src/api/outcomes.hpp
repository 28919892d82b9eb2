#pragma once

#include <string>
#include <vector>

#include "api/context.hpp"
#include "api/visitor.hpp"
#include "core/work.hpp"

/// What became of a service's claims: each verb over a batch of them, and its outcomes in order as the API tells them.
/// Shared by the requests for one verb, and those that bring several along. Each throws `unavailable`.
namespace amc::api {

struct told_outcomes {
  std::string list = "[";  ///< in JSON
  bool any_refused = false;
};

task<told_outcomes> answer_all(context& api, const visitor& who, std::vector<answer_request> answers);
task<told_outcomes> fail_all(context& api, const visitor& who, std::vector<failed_claim> failures);
task<told_outcomes> extend_all(context& api, const visitor& who, std::vector<claimed> claims);
task<told_outcomes> release_all(context& api, const visitor& who, std::vector<claimed> claims);
/// For how many of so many new messages the quota of who asks has room; they are counted then.
task<std::size_t> room_for(context& api, const visitor& who, std::size_t wanted);
/// Those that could not be read are refused as they are; so are the last ones where the quota has no room for all.
task<told_outcomes> accept_all(context& api, const visitor& who, std::vector<result<broker::accept_request>> entries);
task<told_outcomes> claim_all(context& api, const visitor& who, std::vector<claim_request> requests);

}  // namespace amc::api
