#include "api/conversation.hpp"

#include <algorithm>

#include "api/access_checks.hpp"
#include "api/json_body.hpp"
#include "api/outcomes.hpp"
#include "api/reading.hpp"
#include "api/wording.hpp"

namespace amc::api {
namespace {

access_condition to_be_read_by(const visitor& who) {
  return {.by = who.by, .needed = right::read, .or_owner = true};
}

bool is_terminal(const message& m) {
  return m.status != status::pending;
}

/// What was accepted is not unsaid because the store goes away when it is read once more.
task<row> latest(context& api, row known) {
  try {
    const auto found = co_await api.messages->find(known->id);
    if (found) known = *found;
  } catch (const unavailable&) {
    // What is known will do.
  }
  co_return known;
}

}  // namespace

http::response not_found(const std::string& id, bool root) {
  return problem(404, (root ? "Entity \"" : "Message \"") + id + "\" not found.", root);
}

task<boost::system::result<row, http::response>> found_to_read(context& api, const visitor& who, std::string id) {
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, false);
  access_condition reads{.by = who.by, .needed = right::read};
  const auto found = co_await api.messages->find_for(*parsed, std::move(reads));
  if (found) co_return *found;
  co_return not_to_be_read(who, found.error(), id);
}

http::response not_to_be_read(const visitor& who, const error& why, const std::string& id) {
  note_refusal(who, why, id);
  return why.code == errc::not_found ? not_found(id, false) : refused(why);
}

std::optional<http::response> match_fault(const http::request& asked, bool root) {
  const auto field = asked.headers.find("If-Match");
  if (!field || parse_if_match(*field)) return {};
  return problem(400, "If-Match takes * or entity tags in quotes, like \"3\" or \"3\", \"4\".", root);
}

task<std::optional<int>> matched_revision(context& api, const http::request& asked, uuid id) {
  const auto field = asked.headers.find("If-Match");
  std::optional<if_match> match;
  if (field) match = parse_if_match(*field);
  if (!match || match->any) co_return std::nullopt;
  const auto& all = match->revisions;
  if (all.size() <= 1) co_return all.empty() ? 0 : all.front();
  const auto found = co_await api.messages->find(id);
  const bool is_named = found && std::find(all.begin(), all.end(), (*found)->revision) != all.end();
  co_return is_named ? (*found)->revision : all.front();
}

http::response unmatched(const error& why, std::optional<int> revision, bool root) {
  if (why.code != errc::stale || revision != 0) return refused(why, root);
  return problem(412, "If-Match has no tag that the message can have: its revision in quotes, like \"3\".", root);
}

task<http::response> accept(context& api, http::request& asked, visitor& who, int accepted_status, bool root,
                            std::optional<std::string> queue) {
  auto body = new_message_of(asked.body, root ? others::ignored : others::refused);
  if (!body) co_return refused(body.error(), root);
  if (queue)
    if (const auto wrong = send_to(*body, *std::move(queue))) co_return refused(*wrong);
  auto options = accept_options_of(asked, *body, asked.headers.find("Idempotency-Key"), api.options.idempotency);
  if (!options) co_return refused(options.error(), root);
  asked.drop_body();
  const auto wait = preferred_wait(asked);
  const auto id = api.messages->new_id();
  // The watch begins before the message does: no change can slip in between.
  auto place = wait ? api.quotas.park(who.by) : access::quotas::place();
  if (!place) co_return refused(place.error(), root);
  std::unique_ptr<broker::waiters::watch> watch;
  if (wait) watch = api.waiters->watch_for(id);
  if (co_await room_for(api, who, 1) == 0) co_return refused(api.quotas.over_pending(who.by), root);
  std::vector<broker::accept_request> one;
  one.push_back({id, std::move(body->said), std::move(*options)});
  const auto results = co_await api.messages->accept(std::move(one), who.by);
  const auto& accepted = results.front();
  if (!accepted) {
    note_refusal(who, accepted.error(), {});
    co_return refused(accepted.error(), root);
  }
  row now = *accepted;
  if (watch && now->id != id) {
    // The idempotency key has made another message before.
    watch = api.waiters->watch_for(now->id);
    now = co_await latest(api, std::move(now));
  }
  if (watch) {
    watch->saw(now);
    const auto latest = co_await watch->until(is_terminal, std::min(*wait, api.options.wait_max), asked.from);
    if (latest) now = latest;  // else it has been deleted meanwhile
    if (const auto gone = refused_by_now(api, who)) co_return unidentified(*gone, root);
  }
  const auto location = (root ? "/?id=" : "/messages/") + to_string(now->id);
  const bool finished = watch && is_terminal(*now);
  auto reply = represent(*now, finished ? 200 : accepted_status, root);
  reply.headers.add(finished ? "Content-Location" : "Location", location);
  if (!finished) reply.headers.add("Retry-After", "1");
  note_wait(reply, wait, api.options.wait_max);
  co_return reply;
}

namespace {

/// Of what was read, or is known by now: whether it may be told.
std::optional<http::response> refuses_to_show(const visitor& who, const message& m, const std::string& id, bool root) {
  if (!who.by) return {};
  const auto why = broker::life_cycle::refused_access(to_be_read_by(who), m);
  if (!why) return {};
  note_refusal(who, *why, id);
  return why->code == errc::not_found ? not_found(id, root) : refused(*why, root);
}

}  // namespace

task<http::response> read(context& api, http::request& asked, visitor& who, std::string id, bool root) {
  asked.drop_body();
  const auto parsed = parse_uuid(id);
  if (!parsed) co_return not_found(id, root);
  const auto wait = preferred_wait(asked);
  const auto known = asked.headers.find("If-None-Match");
  auto place = wait ? api.quotas.park(who.by) : access::quotas::place();
  if (!place) co_return refused(place.error(), root);
  std::unique_ptr<broker::waiters::watch> watch;
  if (wait) watch = api.waiters->watch_for(*parsed);
  auto condition = to_be_read_by(who);
  const auto found = co_await api.messages->find_for(*parsed, std::move(condition));
  if (!found) note_refusal(who, found.error(), id);
  if (!found && found.error().code == errc::not_found) co_return not_found(id, root);
  if (!found) co_return refused(found.error(), root);
  row now = *found;
  if (watch) {
    watch->saw(now);
    std::function<bool(const message&)> enough = is_terminal;
    if (known) enough = [&](const message& m) { return !none_match_has(*known, entity_tag(m)); };
    now = co_await watch->until(std::move(enough), std::min(*wait, api.options.wait_max), asked.from);
    if (const auto gone = refused_by_now(api, who)) co_return unidentified(*gone, root);
    if (!now) co_return not_found(id, root);  // deleted meanwhile
    if (auto hidden = refuses_to_show(who, *now, id, root)) co_return *std::move(hidden);
  }
  auto reply = root ? represent(*now, 200, true) : json_reply(200, shown_to(who.by, *now));
  if (known && none_match_has(*known, entity_tag(*now))) {
    reply.status = 304;
    reply.body.clear();
  }
  reply.headers.add("ETag", entity_tag(*now));
  reply.headers.add("Cache-Control", "no-cache");
  note_wait(reply, wait, api.options.wait_max);
  co_return reply;
}

}  // namespace amc::api
