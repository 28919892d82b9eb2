#include "api/access_checks.hpp"

#include "api/reading.hpp"
#include "api/wording.hpp"
#include "broker/life_cycle.hpp"

namespace amc::api {

result<visitor> visitor_of(context& api, const http::request& asked) {
  visitor who;
  if (!api.identity) return who;
  static const http::peer nobody;
  const auto& from = asked.from ? *asked.from : nobody;
  auto known = api.identity->identify(asked, from);
  if (!known) return known.error();
  who.by = std::move(*known);
  who.address = from.address();
  return who;
}

http::response unidentified(const error& why, bool root) {
  auto reply = problem(401, why.detail, root);
  reply.headers.add("WWW-Authenticate", "Bearer");
  return reply;
}

std::optional<error> refused_at_the_door(const visitor& who, const route& to, const http::request& asked) {
  if (!who.by) return {};
  const auto right = to.right_to.what();
  bool may = true;
  switch (to.right_to.where()) {
    case needs::at::nothing:
    case needs::at::known:
    case needs::at::message:
      break;
    case needs::at::path:
      may = who.by->may(right, segment_of(asked, 1));
      break;
    case needs::at::body:
    case needs::at::somewhere:
      may = who.by->may_somewhere(right);
      break;
    case needs::at::everywhere:
      may = who.by->where(right).has_all();
      break;
  }
  return may ? std::nullopt : std::optional(broker::life_cycle::forbidden());
}

std::optional<error> refused_by_now(context& api, visitor& who) {
  if (!who.by) return {};
  if (auto now = api.identity->again(*who.by)) {
    who.by = std::move(now);
    return {};
  }
  return error{errc::unidentified, "The token that this was asked with is not valid any more."};
}

}  // namespace amc::api
