#include "api/access_checks.hpp"
#include "api/batches.hpp"
#include "api/contents.hpp"
#include "api/outcomes.hpp"
#include "api/reading.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"

/// For services: work, as soon as there is some; and what became of the work before it.
namespace amc::api {
namespace {

std::string told(const broker::handed& h) {
  const auto& m = *h.now;
  json_object_text item;
  item.add("id", to_string(m.id));
  item.add("revision", m.revision);
  add_claim(item, m);
  if (h.alone) item.add("alone", true);
  if (!m.traceparent.empty()) item.add("traceparent", m.traceparent);
  return item.take();
}

/// Outcomes of earlier deliveries are settled first. Whether all were taken.
task<bool> settle(context& api, const visitor& who, receive_body& body, std::string& reply) {
  bool all_taken = true;
  const auto add = [&](const char* name, told_outcomes some) {
    all_taken = all_taken && !some.any_refused;
    reply.append(reply.empty() ? "{\"" : ",\"").append(name).append("\":").append(some.list);
  };
  if (!body.answers.empty()) add("answers", co_await answer_all(api, who, std::move(body.answers)));
  if (!body.failures.empty()) add("failures", co_await fail_all(api, who, std::move(body.failures)));
  if (!body.leases.empty()) add("leases", co_await extend_all(api, who, std::move(body.leases)));
  if (!body.releases.empty()) add("releases", co_await release_all(api, who, std::move(body.releases)));
  co_return all_taken;
}

bool brings_outcomes(const receive_body& body) {
  return !body.answers.empty() || !body.failures.empty() || !body.leases.empty() || !body.releases.empty();
}

/// The connection stands for a worker that does not tell its name.
broker::receive_request request_of(const visitor& who, const receive_body& body, std::string queue,
                                   const http::request& asked, milliseconds wait) {
  broker::receive_request wanted;
  wanted.queue = std::move(queue);
  wanted.is_named = !body.worker.empty();
  wanted.worker = wanted.is_named ? body.worker : "connection " + std::to_string(asked.from ? asked.from->number() : 0);
  // Nobody is a worker of somebody else.
  wanted.worker = holder_of(who.by, wanted.worker);
  wanted.by = who.by;
  wanted.holder = body.service + (body.service.empty() || body.worker.empty() ? "" : "/") + body.worker;
  wanted.max = body.max;
  wanted.max_bytes = body.max_bytes;
  wanted.in_hand = body.in_hand;
  wanted.wait = wait;
  return wanted;
}

/// Nothing where the store is away, or too many are parked, and the request has settled something all the same.
task<std::optional<std::vector<broker::handed>>> receive(context& api, broker::receive_request wanted,
                                                         std::shared_ptr<http::peer> from, bool has_settled) {
  std::optional<std::vector<broker::handed>> deliveries;
  try {
    deliveries = co_await api.receivers->receive(std::move(wanted), std::move(from));
  } catch (const unavailable&) {
    if (!has_settled) throw;
  }
  co_return deliveries;
}

/// Whoever was parked may have lost its right meanwhile.
std::optional<http::response> refused_to_take(context& api, visitor& who, const std::string& queue) {
  if (const auto gone = refused_by_now(api, who)) return unidentified(*gone, false);
  if (who.may(right::serve, queue)) return {};
  const auto why = broker::life_cycle::forbidden();
  note_refusal(who, why, queue);
  return refused(why);
}

}  // namespace

task<http::response> post_receive(context& api, http::request& asked, visitor& who) {
  auto queue = segment_of(asked, 1);
  const auto closed = api.messages->refuses_queue(queue, who.by);
  if (closed && !is_queue_name(queue)) co_return refused(*closed);
  auto body = parse_receive(asked, api.options.claims_max, api.options.receive_max_bytes);
  // What it brings along is settled all the same.
  if (closed && !(body && brings_outcomes(*body))) co_return refused(*closed);
  if (!body) co_return refused(body.error());
  asked.drop_body();
  const auto prefers = preferred_wait(asked);
  auto wait = std::min(prefers.value_or(milliseconds(0)), api.options.receive_wait_max);
  auto place = wait.count() > 0 ? api.quotas.park(who.by) : access::quotas::place();
  // What it brings along is settled all the same: then it may not wait.
  if (!place && !brings_outcomes(*body)) co_return refused(place.error());
  if (!place) wait = {};
  std::string reply;
  const bool all_taken = co_await settle(api, who, *body, reply);
  const bool has_settled = !reply.empty();
  std::vector<broker::handed> deliveries;
  bool come_later = !place;
  if (all_taken && !closed) {
    auto wanted = request_of(who, *body, queue, asked, wait);
    auto received = co_await receive(api, std::move(wanted), asked.from, has_settled);
    come_later = come_later || !received;
    if (received) deliveries = std::move(*received);
  }
  if (auto gone = refused_to_take(api, who, queue)) {
    api.receivers->give_back(std::move(deliveries));
    co_return *std::move(gone);
  }
  reply.append(reply.empty() ? "{" : ",").append("\"deliveries\":[");
  for (std::size_t i = 0; i < deliveries.size(); ++i) reply.append(i > 0 ? "," : "").append(told(deliveries[i]));
  reply += "]}";
  auto answer = json_reply(200, std::move(reply));
  if (come_later) answer.headers.add("Retry-After", "1");
  if (!deliveries.empty()) answer.receipt = api.receivers->receipt_for(std::move(deliveries));
  note_wait(answer, prefers, api.options.receive_wait_max);
  co_return answer;
}

}  // namespace amc::api
