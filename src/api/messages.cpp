#include "api/batches.hpp"
#include "api/conversation.hpp"
#include "api/history.hpp"
#include "api/json_body.hpp"
#include "api/outcomes.hpp"
#include "api/reading.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"

namespace amc::api {
namespace {

bool is_owner_of(const visitor& who, const message& m) {
  return who.by && is_owner(*who.by, m);
}

/// Who works on a message, reads it, or has posted it.
bool may_have_content(const visitor& who, const message& m) {
  return who.may(right::read, queue_of(m)) || who.may(right::serve, queue_of(m)) || is_owner_of(who, m);
}

std::string id_in(const http::request& asked) {
  return segment_of(asked, 1);
}

/// Ends, and says where to go on, when it has so many bytes; the first message comes whatever its size.
std::string page_of(const message_page& page, std::size_t max_bytes, const principal_ptr& by) {
  std::string body = R"({"messages":[)";
  auto next = page.next;
  for (std::size_t i = 0; i < page.rows.size(); ++i) {
    const auto item = in_full(*page.rows[i], by);
    if (i > 0 && body.size() + item.size() > max_bytes) {
      next = page.rows[i - 1]->id;
      break;
    }
    body.append(i > 0 ? "," : "").append(item);
  }
  body += "]";
  if (next) body += R"(,"next":")" + to_string(*next) + "\"";
  return body + "}";
}

}  // namespace

namespace {

/// One new message, or a list of them.
task<http::response> accept_any(context& api, http::request& asked, visitor& who, std::optional<std::string> queue) {
  const auto first = asked.body.find_first_not_of(" \t\r\n");
  if (first == std::string::npos || asked.body[first] != '[')
    co_return co_await accept(api, asked, who, 202, false, std::move(queue));
  if (const auto wrong = queue ? api.messages->refuses_queue(*queue, who.by) : std::nullopt) co_return refused(*wrong);
  auto entries = parse_new_messages(asked, queue, api.options.claims_max, api.options.idempotency);
  if (!entries) co_return refused(entries.error());
  asked.drop_body();
  auto told = co_await accept_all(api, who, std::move(*entries));
  co_return json_reply(200, std::move(told.list));
}

}  // namespace

task<http::response> post_message(context& api, http::request& asked, visitor& who) {
  return accept_any(api, asked, who, {});
}

task<http::response> post_message_to_queue(context& api, http::request& asked, visitor& who) {
  return accept_any(api, asked, who, segment_of(asked, 1));
}

task<http::response> list_messages(context& api, http::request& asked, visitor& who) {
  auto filter = parse_filter(asked, api.options.page_max);
  if (!filter) co_return refused(filter.error());
  filter->text_bytes_max = api.options.page_max_bytes;
  http::byte_budget::share room(api.pages);
  if (!room.hold(api.options.page_max_bytes))
    throw unavailable(unavailable::reason::overloaded,
                      "the pages under way are larger together than broker.http.answers_max_bytes");
  const auto page = co_await api.messages->list(*std::move(filter), who.by);
  if (!page) co_return refused(page.error());
  http::response reply{200, {{"Content-Type", "application/json"}}, page_of(*page, api.options.page_max_bytes, who.by)};
  co_return reply;
}

task<http::response> get_history(context& api, http::request& asked, visitor& who) {
  const auto id = id_in(asked);
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  access_condition reads{.by = who.by, .needed = right::read};
  const auto told = co_await api.messages->history_for(*parsed, std::move(reads));
  if (!told) co_return not_to_be_read(who, told.error(), id);
  co_return json_reply(200, history_for(who.by, *told));
}

task<http::response> delete_message(context& api, http::request& asked, visitor& who) {
  if (auto fault = match_fault(asked, false)) co_return *std::move(fault);
  const auto id = id_in(asked);
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  const auto revision = co_await matched_revision(api, asked, *parsed);
  const auto cancelled = co_await api.messages->cancel(*parsed, revision, who.by);
  if (!cancelled) {
    note_refusal(who, cancelled.error(), id);
    co_return unmatched(cancelled.error(), revision, false);
  }
  note_operation(who, id, is_owner_of(who, **cancelled) ? "cancelled by its owner" : "cancelled");
  co_return json_reply(200, shown_to(who.by, **cancelled));
}

task<http::response> get_message(context& api, http::request& asked, visitor& who) {
  const auto id = id_in(asked);
  co_return co_await read(api, asked, who, id, false);
}

task<http::response> put_message(context& api, http::request& asked, visitor& who) {
  const auto id = id_in(asked);
  if (!asked.headers.find("If-Match"))
    co_return refused({errc::precondition, "Send If-Match with the revision that you answer, in quotes, or *."});
  if (auto fault = match_fault(asked, false)) co_return *std::move(fault);
  auto body = answer_of(asked.body);
  if (!body) co_return refused(body.error());
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  const auto revision = co_await matched_revision(api, asked, *parsed);
  const auto needed = revision ? right::serve : right::operate;
  const auto answered =
      co_await api.messages->answer(*parsed, revision, std::move(body->said), std::move(body->to), who.by, needed);
  if (!answered) {
    note_refusal(who, answered.error(), id);
    co_return unmatched(answered.error(), revision, false);
  }
  if (!revision && who.by) note_operation(who, id, "answered at any revision");
  if (!may_have_content(who, **answered)) co_return json_reply(200, shown_to(who.by, **answered));
  co_return represent(**answered, 200, false);
}

}  // namespace amc::api
