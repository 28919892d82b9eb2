#include "api/batches.hpp"
#include "api/outcomes.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"

/// For services: batches of claims, and what became of them.
namespace amc::api {
namespace {

template <class Entry>
task<http::response> told(context& api, const visitor& who, result<std::vector<Entry>> asked,
                          task<told_outcomes> (*verb)(context& api, const visitor& who, std::vector<Entry>)) {
  if (!asked) co_return refused(asked.error());
  auto outcomes = co_await verb(api, who, std::move(*asked));
  co_return json_reply(200, std::move(outcomes.list));
}

}  // namespace

task<http::response> post_claims(context& api, http::request& asked, visitor& who) {
  return told(api, who, parse_claims(asked, api.options.claims_max), claim_all);
}

task<http::response> post_leases(context& api, http::request& asked, visitor& who) {
  return told(api, who, parse_claimed(asked, api.options.claims_max), extend_all);
}

task<http::response> post_releases(context& api, http::request& asked, visitor& who) {
  return told(api, who, parse_claimed(asked, api.options.claims_max), release_all);
}

task<http::response> post_failures(context& api, http::request& asked, visitor& who) {
  return told(api, who, parse_failures(asked, api.options.claims_max), fail_all);
}

task<http::response> post_answers(context& api, http::request& asked, visitor& who) {
  return told(api, who, parse_answers(asked, api.options.claims_max), answer_all);
}

}  // namespace amc::api
