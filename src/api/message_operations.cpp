#include "api/conversation.hpp"
#include "api/json_body.hpp"
#include "api/reading.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"

/// What operators do to one message: each is told what it has become.
namespace amc::api {
namespace {

using changing = task<result<row>>;

/// `what` says what was done, for the log; `revision`: the one that was named.
task<http::response> told_of(changing change, const visitor& who, std::string id, std::string what,
                             std::optional<int> revision = {}) {
  const auto changed = co_await std::move(change);
  if (!changed) {
    note_refusal(who, changed.error(), id);
    if (changed.error().code == errc::not_found) co_return not_found(id, false);
    co_return unmatched(changed.error(), revision, false);
  }
  note_operation(who, id, what);
  co_return json_reply(200, shown_to(who.by, **changed));
}

/// What takes the message alone, and no body.
task<http::response> carry_out(context& api, http::request& asked, visitor& who,
                               changing (broker::messages::*verb)(uuid, principal_ptr), const char* what) {
  auto id = segment_of(asked, 1);
  if (const auto fits = says_nothing(asked.body); !fits) co_return refused(fits.error());
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  auto change = ((*api.messages).*verb)(*parsed, who.by);
  co_return co_await told_of(std::move(change), who, std::move(id), what);
}

}  // namespace

task<http::response> retry_message(context& api, http::request& asked, visitor& who) {
  auto id = segment_of(asked, 1);
  if (auto fault = match_fault(asked, false)) co_return *std::move(fault);
  auto body = second_try_of(asked.body);
  if (!body) co_return refused(body.error());
  asked.drop_body();
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  std::string what = body->said ? "edited and retried" : "retried";
  if (body->queue) what += " in queue " + in_quotes(*body->queue);
  const auto revision = co_await matched_revision(api, asked, *parsed);
  broker::second_try how{revision, std::move(body->said), std::move(body->queue)};
  auto change = api.messages->retry(*parsed, who.by, std::move(how));
  co_return co_await told_of(std::move(change), who, std::move(id), std::move(what), revision);
}

task<http::response> erase_message(context& api, http::request& asked, visitor& who) {
  return carry_out(api, asked, who, &broker::messages::erase, "erased");
}

task<http::response> run_message_now(context& api, http::request& asked, visitor& who) {
  return carry_out(api, asked, who, &broker::messages::run_now, "due now");
}

task<http::response> move_message(context& api, http::request& asked, visitor& who) {
  auto id = segment_of(asked, 1);
  auto queue = queue_of_move(asked.body);
  if (!queue) co_return refused(queue.error());
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  auto what = "moved to queue " + in_quotes(*queue);
  auto change = api.messages->move(*parsed, *std::move(queue), who.by);
  co_return co_await told_of(std::move(change), who, std::move(id), std::move(what));
}

}  // namespace amc::api
