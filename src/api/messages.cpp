#include <algorithm>
#include <boost/json/serialize.hpp>

#include "api/conversation.hpp"
#include "api/json_body.hpp"
#include "api/reading.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

std::string id_in(const http::request& asked) {
  return segment_of(asked, 1);
}

/// Ends, and says where to go on, when it has so many bytes; the first message comes whatever its size.
std::string page_of(const message_page& page, std::size_t max_bytes) {
  std::string body = R"({"messages":[)";
  auto next = page.next;
  for (std::size_t i = 0; i < page.rows.size(); ++i) {
    const auto item = json::serialize(in_full(*page.rows[i]));
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

/// The revision to answer, which the guard will be about; 0, which no message has, where the tags name none that it
/// could be. Of several the one that the message has now, if it is one of them.
task<int> revision_of(context& api, const uuid& id, const if_match& match) {
  if (match.revisions.size() <= 1) co_return match.revisions.empty() ? 0 : match.revisions.front();
  const auto found = co_await api.messages->find(id);
  const auto& all = match.revisions;
  const bool is_named = found && std::find(all.begin(), all.end(), (*found)->revision) != all.end();
  co_return is_named ? (*found)->revision : all.front();
}

}  // namespace

task<http::response> post_message(context& api, http::request& asked) {
  co_return co_await accept(api, asked, 202, false);
}

task<http::response> post_message_to_queue(context& api, http::request& asked) {
  auto queue = segment_of(asked, 1);
  co_return co_await accept(api, asked, 202, false, std::move(queue));
}

task<http::response> list_messages(context& api, http::request& asked) {
  auto filter = parse_filter(asked, api.options.page_max);
  if (!filter) co_return refused(filter.error());
  filter->text_bytes_max = api.options.page_max_bytes;
  http::byte_budget::share room(api.pages);
  if (!room.hold(api.options.page_max_bytes))
    throw unavailable(unavailable::reason::overloaded,
                      "the pages under way are larger together than broker.http.answers_max_bytes");
  const auto page = co_await api.messages->list(*std::move(filter));
  if (!page) co_return refused(page.error());
  http::response reply{200, {{"Content-Type", "application/json"}}, page_of(*page, api.options.page_max_bytes)};
  co_return reply;
}

task<http::response> retry_message(context& api, http::request& asked) {
  const auto id = id_in(asked);
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  const auto retried = co_await api.messages->retry(*parsed);
  if (!retried) co_return refused(retried.error());
  co_return json_reply(200, in_full(**retried));
}

task<http::response> delete_message(context& api, http::request& asked) {
  const auto id = id_in(asked);
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  const auto cancelled = co_await api.messages->cancel(*parsed);
  if (!cancelled) co_return refused(cancelled.error());
  co_return json_reply(200, in_full(**cancelled));
}

task<http::response> get_message(context& api, http::request& asked) {
  const auto id = id_in(asked);
  co_return co_await read(api, asked, id, false);
}

task<http::response> put_message(context& api, http::request& asked) {
  const auto id = id_in(asked);
  const auto field = asked.headers.find("If-Match");
  if (!field)
    co_return refused({errc::precondition, "Send If-Match with the revision that you answer, in quotes, or *."});
  const auto match = parse_if_match(*field);
  if (!match) co_return problem(400, "If-Match takes * or entity tags in quotes, like \"3\" or \"3\", \"4\".");
  auto body = answer_of(asked.body);
  if (!body) co_return refused(body.error());
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  std::optional<int> revision;
  if (!match->any) revision = co_await revision_of(api, *parsed, *match);
  auto answered = co_await api.messages->answer(*parsed, revision, std::move(body->text), std::move(body->to));
  if (!answered && answered.error().code == errc::stale && revision == 0)
    co_return problem(412, "If-Match has no tag that a pending message can have: its revision in quotes, like \"3\".");
  if (!answered) co_return refused(answered.error());
  co_return represent(**answered, 200);
}

}  // namespace amc::api
