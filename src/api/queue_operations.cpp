#include <boost/json/serialize.hpp>

#include "api/json_body.hpp"
#include "api/reading.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"

/// What operators do to a whole queue.
namespace amc::api {
namespace json = boost::json;
namespace {

http::response pause_told(context& api, const std::string& queue) {
  const json::object body{{"queue", queue}, {"paused", paused_told(api.messages->paused(queue))}};
  return json_reply(200, json::serialize(body));
}

/// Of the latest run at this broker, where that was of this queue.
http::response purge_told(const context& api, const std::string& queue) {
  const auto& run = api.purges->now();
  const auto state = run.queue == queue ? run : broker::mass_cancel::state{};
  json::object body{{"queue", queue}, {"running", state.running}, {"cancelled", state.cancelled}, {"left", state.left}};
  if (!state.stopped_because.empty()) body["stopped_because"] = state.stopped_because;
  return json_reply(200, json::serialize(body));
}

}  // namespace

task<http::response> post_pause(context& api, http::request& asked, visitor& who) {
  const auto queue = segment_of(asked, 1);
  if (const auto fits = says_nothing(asked.body); !fits) co_return refused(fits.error());
  const auto done = co_await api.messages->pause(queue, who.by);
  if (!done) co_return refused(done.error());
  note_operation(who, "queue " + in_quotes(queue), "paused");
  co_return pause_told(api, queue);
}

task<http::response> post_resume(context& api, http::request& asked, visitor& who) {
  const auto queue = segment_of(asked, 1);
  if (const auto fits = says_nothing(asked.body); !fits) co_return refused(fits.error());
  const auto done = co_await api.messages->resume(queue, who.by);
  if (!done) co_return refused(done.error());
  note_operation(who, "queue " + in_quotes(queue), "resumed");
  co_return pause_told(api, queue);
}

task<http::response> post_purge(context& api, http::request& asked, visitor& who) {
  const auto queue = segment_of(asked, 1);
  if (const auto fits = says_nothing(asked.body); !fits) co_return refused(fits.error());
  if (const auto wrong = api.messages->refuses_queue(queue, who.by)) co_return refused(*wrong);
  const auto began = co_await api.messages->store_time();
  const auto started = api.purges->start(
      queue, began, who.by, [identity = api.identity](const principal& by) { return identity->again(by); });
  if (!started) co_return refused(started.error());
  note_operation(who, "queue " + in_quotes(queue), "purge started");
  co_return purge_told(api, queue);
}

task<http::response> get_purge(context& api, http::request& asked, visitor& who) {
  const auto queue = segment_of(asked, 1);
  if (const auto wrong = api.messages->refuses_queue(queue, who.by)) co_return refused(*wrong);
  co_return purge_told(api, queue);
}

}  // namespace amc::api
