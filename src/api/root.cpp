#include "api/conversation.hpp"
#include "api/json_body.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"

/// The seed's contract: everything at "/".
namespace amc::api {

task<http::response> post_root(context& api, http::request& asked, visitor& who) {
  co_return co_await accept(api, asked, who, 201, true);
}

task<http::response> put_root(context& api, http::request& asked, visitor& who) {
  if (auto fault = match_fault(asked, true)) co_return *std::move(fault);
  auto body = answer_of(asked.body, others::ignored);
  if (!body) co_return refused(body.error(), true);
  const auto id = asked.parameter("id").value_or("");
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return problem(404, "Message \"" + id + "\" not found.", true);
  const auto revision = co_await matched_revision(api, asked, *parsed);
  const std::optional<destination> by_the_routes;
  const auto answered =
      co_await api.messages->answer(*parsed, revision, std::move(body->said), by_the_routes, who.by, right::operate);
  if (!answered) {
    note_refusal(who, answered.error(), id);
    co_return unmatched(answered.error(), revision, true);
  }
  // Without rights it is how any service of the example answers.
  if (who.by) note_operation(who, id, "answered");
  co_return represent(**answered, 200, true);
}

task<http::response> get_root(context& api, http::request& asked, visitor& who) {
  const auto id = asked.parameter("id").value_or("");
  co_return co_await read(api, asked, who, id, true);
}

}  // namespace amc::api
