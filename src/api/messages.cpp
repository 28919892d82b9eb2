#include "api/conversation.hpp"
#include "api/json_body.hpp"
#include "api/reading.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

/// The segment after "/messages/".
std::string id_in(const http::request& asked) {
  const auto rest = asked.path().substr(std::string_view("/messages/").size());
  return std::string(rest.substr(0, rest.find('/')));
}

}  // namespace

task<http::response> post_message(context& api, const http::request& asked) {
  co_return co_await accept(api, asked, 202, false);
}

task<http::response> list_messages(context& api, const http::request& asked) {
  const auto filter = parse_filter(asked, api.options.page_max);
  if (!filter) co_return refused(filter.error());
  const auto page = co_await api.messages->list(*filter);
  if (!page) co_return refused(page.error());
  json::array list;
  for (const auto& m : page->rows) list.push_back(in_full(*m));
  json::object body{{"messages", std::move(list)}};
  if (page->next) body["next"] = to_string(*page->next);
  co_return json_reply(200, body);
}

task<http::response> retry_message(context& api, const http::request& asked) {
  const auto id = id_in(asked);
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  const auto retried = co_await api.messages->retry(*parsed);
  if (!retried) co_return refused(retried.error());
  co_return json_reply(200, in_full(**retried));
}

task<http::response> delete_message(context& api, const http::request& asked) {
  const auto id = id_in(asked);
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  const auto cancelled = co_await api.messages->cancel(*parsed);
  if (!cancelled) co_return refused(cancelled.error());
  co_return json_reply(200, in_full(**cancelled));
}

task<http::response> get_message(context& api, const http::request& asked) {
  const auto id = id_in(asked);
  co_return co_await read(api, asked, id, false);
}

task<http::response> put_message(context& api, const http::request& asked) {
  const auto id = id_in(asked);
  const auto field = asked.headers.find("If-Match");
  if (!field) co_return refused({errc::precondition, "Send If-Match with the revision that you answer, or *."});
  const auto match = parse_if_match(*field);
  if (!match) co_return problem(400, "If-Match takes * or one entity tag, like \"3\".");
  auto text = message_of(asked.body);
  if (!text) co_return refused(text.error());
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return problem(404, "Message \"" + id + "\" not found.");
  std::optional<int> revision;
  if (!match->any) revision = match->revision;
  const auto answered = co_await api.messages->answer(*parsed, revision, std::move(*text));
  if (!answered) co_return refused(answered.error());
  co_return represent(**answered, 200);
}

}  // namespace amc::api
