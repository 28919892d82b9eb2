#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <set>

#include "api/resources.hpp"
#include "tests/support/broker_world.hpp"
#include "tests/support/known_by_name.hpp"

/// Who may do what: each principal at each endpoint of the table of routes, about a message in each state. What is
/// expected is worked out here, from docs/operations.md, and not by the code that is tested.
namespace amc::api {
namespace {

namespace json = boost::json;

constexpr const char* unknown_id = "01890a5d-ac96-774b-bcce-b302099a8057";

struct somebody {
  std::string name;  ///< empty: shows no token
  std::string rights;
};
/// "owner" posts the message, to the queue "orders"; "worker" claims it, where it is claimed.
const std::vector<somebody> everybody{{"", ""},
                                      {"owner", "send:orders"},
                                      {"worker", "serve:orders"},
                                      {"rival", "serve:ord*"},
                                      {"reader", "read:orders"},
                                      {"operator", "operate:orders"},
                                      {"sender", "send:orders"},
                                      {"foreign", "send:other serve:other read:other operate:other-*"},
                                      {"nothing", ""},
                                      {"chief", "send:* serve:* read:* operate:*"}};

enum class state { waiting, claimed, failed, dead, cancelled, done };
constexpr state all_states[] = {state::waiting, state::claimed,   state::failed,
                                state::dead,    state::cancelled, state::done};
const char* name_of(state s) {
  constexpr const char* names[] = {"waiting", "claimed", "failed", "dead", "cancelled", "done"};
  return names[static_cast<int>(s)];
}

/// A broker with one message in a state.
struct scene {
  explicit scene(state s)
      : who(std::make_shared<tests::known_by_name>()),
        w({s == state::dead ? "broker.max_failures=0" : "broker.max_failures=10",
           R"(broker.routes=[{match: "go on", queue: orders}, {match: "end", done: true}])"},
          who) {
    for (const auto& each : everybody)
      if (!each.name.empty()) who->add(each.name, each.rights);
    id = std::string(posted().at("id").as_string());
    if (s == state::claimed || s == state::failed || s == state::dead || s == state::done) claim = claimed();
    if (s == state::dead || s == state::failed) settle("/failures", R"("error":"no")");
    if (s == state::done) settle("/answers", R"("message":"x","done":true)");
    if (s == state::cancelled) as("owner", "DELETE", "/messages/" + id);
  }

  http::response as(const std::string& name, const std::string& method, const std::string& target,
                    const std::string& body = "", http::headers headers = {}) {
    if (!name.empty()) headers.add("Authorization", "Bearer " + name);
    return w.ask(method, target, body, headers);
  }

  std::shared_ptr<tests::known_by_name> who;
  tests::broker_world w;
  std::string id;
  std::int64_t claim = 1;

 private:
  json::value posted() {
    return json::parse(as("owner", "POST", "/messages", R"({"message":"x","queue":"orders"})").body);
  }
  std::int64_t claimed() {
    const auto told = json::parse(as("worker", "POST", "/claims", R"([{"id":")" + id + R"(","revision":1}])").body);
    return told.at(0).at("claim").as_int64();
  }
  void settle(const std::string& target, const std::string& outcome) {
    as("worker", "POST", target,
       R"([{"id":")" + id + R"(","revision":1,"claim":)" + std::to_string(claim) + "," + outcome + "}]");
  }
};

/// A request to an endpoint about a message.
struct question {
  std::string target;
  std::string body{};
  http::headers headers{};
};
using asking = std::function<question(const std::string& id, std::int64_t claim)>;

std::string entry(const std::string& id, std::int64_t claim, const std::string& more = "") {
  return R"([{"id":")" + id + R"(","revision":1)" + (claim > 0 ? R"(,"claim":)" + std::to_string(claim) : "") + more +
         "}]";
}

/// Of each endpoint what a request is like; several where it is asked in several ways.
const std::multimap<std::pair<std::string, std::string>, asking>& questions() {
  static const std::multimap<std::pair<std::string, std::string>, asking> all{
      {{"POST", "/"},
       [](auto&, auto) {
         return question{"/", R"({"message":"go on"})"};
       }},
      {{"PUT", "/"},
       [](auto& id, auto) {
         return question{"/?id=" + id, R"({"message":"end"})"};
       }},
      {{"GET", "/"}, [](auto& id, auto) { return question{"/?id=" + id}; }},
      {{"POST", "/messages"},
       [](auto&, auto) {
         return question{"/messages", R"({"message":"x","queue":"orders"})"};
       }},
      {{"GET", "/messages"}, [](auto&, auto) { return question{"/messages"}; }},
      {{"GET", "/messages/*"}, [](auto& id, auto) { return question{"/messages/" + id}; }},
      {{"PUT", "/messages/*"},
       [](auto& id, auto) {
         return question{"/messages/" + id, R"({"message":"y","done":true})", {{"If-Match", "\"1\""}}};
       }},
      {{"PUT", "/messages/*"},
       [](auto& id, auto) {
         return question{"/messages/" + id, R"({"message":"y","done":true})", {{"If-Match", "*"}}};
       }},
      {{"DELETE", "/messages/*"}, [](auto& id, auto) { return question{"/messages/" + id}; }},
      {{"GET", "/messages/*/history"}, [](auto& id, auto) { return question{"/messages/" + id + "/history"}; }},
      {{"GET", "/messages/*/explain"}, [](auto& id, auto) { return question{"/messages/" + id + "/explain"}; }},
      {{"POST", "/messages/*/retry"}, [](auto& id, auto) { return question{"/messages/" + id + "/retry"}; }},
      {{"POST", "/messages/*/erase"}, [](auto& id, auto) { return question{"/messages/" + id + "/erase"}; }},
      {{"POST", "/messages/*/run-now"}, [](auto& id, auto) { return question{"/messages/" + id + "/run-now"}; }},
      {{"POST", "/messages/*/move"},
       [](auto& id, auto) {
         return question{"/messages/" + id + "/move", R"({"queue":"orders"})"};
       }},
      {{"POST", "/claims"},
       [](auto& id, auto) {
         return question{"/claims", entry(id, 0)};
       }},
      {{"POST", "/leases"},
       [](auto& id, auto claim) {
         return question{"/leases", entry(id, claim)};
       }},
      {{"POST", "/releases"},
       [](auto& id, auto claim) {
         return question{"/releases", entry(id, claim)};
       }},
      {{"POST", "/failures"},
       [](auto& id, auto claim) {
         return question{"/failures", entry(id, claim)};
       }},
      {{"POST", "/answers"},
       [](auto& id, auto) {
         return question{"/answers", entry(id, 0, R"(,"message":"y","done":true)")};
       }},
      {{"POST", "/answers"},
       [](auto& id, auto claim) {
         return question{"/answers", entry(id, claim, R"(,"message":"y","done":true)")};
       }},
      {{"POST", "/queues/*/messages"},
       [](auto&, auto) {
         return question{"/queues/orders/messages", R"({"message":"x"})"};
       }},
      {{"POST", "/queues/*/receive"},
       [](auto&, auto) {
         return question{"/queues/orders/receive", "{}"};
       }},
      {{"GET", "/queues"}, [](auto&, auto) { return question{"/queues"}; }},
      {{"GET", "/queues/*"}, [](auto&, auto) { return question{"/queues/orders"}; }},
      {{"GET", "/queues/*/rates"}, [](auto&, auto) { return question{"/queues/orders/rates"}; }},
      {{"POST", "/queues/*/pause"}, [](auto&, auto) { return question{"/queues/orders/pause"}; }},
      {{"POST", "/queues/*/resume"}, [](auto&, auto) { return question{"/queues/orders/resume"}; }},
      {{"GET", "/queues/*/purge"}, [](auto&, auto) { return question{"/queues/orders/purge"}; }},
      {{"POST", "/queues/*/purge"}, [](auto&, auto) { return question{"/queues/orders/purge"}; }},
      {{"GET", "/retries"}, [](auto&, auto) { return question{"/retries"}; }},
      {{"POST", "/retries"},
       [](auto&, auto) {
         return question{"/retries", R"({"queue":"orders"})"};
       }},
      {{"POST", "/retries"}, [](auto&, auto) { return question{"/retries"}; }},
      {{"GET", "/configuration"}, [](auto&, auto) { return question{"/configuration"}; }},
      {{"GET", "/metrics"}, [](auto&, auto) { return question{"/metrics"}; }},
      {{"GET", "/healthz"}, [](auto&, auto) { return question{"/healthz"}; }},
      {{"GET", "/readyz"}, [](auto&, auto) { return question{"/readyz"}; }},
      {{"GET", "/openapi.json"}, [](auto&, auto) { return question{"/openapi.json"}; }},
      {{"GET", "/ui"}, [](auto&, auto) { return question{"/ui"}; }},
      {{"GET", "/ui/"}, [](auto&, auto) { return question{"/ui/"}; }},
      {{"GET", "/ui/assets/*"}, [](auto&, auto) { return question{"/ui/assets/page.css"}; }},
      {{"GET", "/ui/session"}, [](auto&, auto) { return question{"/ui/session"}; }},
      {{"POST", "/ui/session"}, [](auto&, auto) { return question{"/ui/session"}; }},
      {{"DELETE", "/ui/session"}, [](auto&, auto) { return question{"/ui/session"}; }}};
  return all;
}

bool has(const std::string& name, const std::string& right) {
  const std::map<std::string, std::string> of_orders{{"owner", "send"},
                                                     {"worker", "serve"},
                                                     {"rival", "serve"},
                                                     {"reader", "read"},
                                                     {"operator", "operate"},
                                                     {"sender", "send"},
                                                     {"chief", "send serve read operate"}};
  const auto found = of_orders.find(name);
  return found != of_orders.end() && found->second.find(right) != std::string::npos;
}
bool has_anywhere(const std::string& name, const std::string& right) {
  return has(name, right) || (name == "foreign");
}

enum class verdict { open, unidentified, hidden, forbidden };

/// What is said in words, once more.
verdict expected(const std::string& name, const std::string& endpoint, const question& asked, state s) {
  const auto unless = [](bool may) { return may ? verdict::open : verdict::forbidden; };
  static const std::set<std::string> for_all{"GET /healthz", "GET /readyz",      "GET /openapi.json", "GET /ui",
                                             "GET /ui/",     "GET /ui/assets/*", "GET /ui/session"};
  if (for_all.contains(endpoint)) return verdict::open;
  if (name.empty()) return verdict::unidentified;
  if (endpoint == "POST /ui/session" || endpoint == "DELETE /ui/session") return verdict::open;
  if (endpoint == "POST /" || endpoint == "POST /messages" || endpoint == "POST /queues/*/messages")
    return unless(has(name, "send"));
  if (endpoint == "POST /queues/*/receive") return unless(has(name, "serve"));
  if (endpoint == "GET /messages" || endpoint == "GET /queues") return unless(has_anywhere(name, "read"));
  if (endpoint == "GET /queues/*" || endpoint == "GET /queues/*/rates") return unless(has(name, "read"));
  static const std::set<std::string> of_operators{"POST /queues/*/pause", "POST /queues/*/resume",
                                                  "GET /queues/*/purge", "POST /queues/*/purge"};
  if (of_operators.contains(endpoint)) return unless(has(name, "operate"));
  if (endpoint == "GET /metrics" || endpoint == "GET /configuration") return unless(name == "chief");
  if (endpoint == "GET /retries") return unless(has_anywhere(name, "operate"));
  if (endpoint == "POST /retries") return unless(name == "chief" || (!asked.body.empty() && has(name, "operate")));
  // The others are about the message.
  const bool sees = name == "owner" || has(name, "serve") || has(name, "read") || has(name, "operate");
  if (!sees) return verdict::hidden;
  if (endpoint == "GET /" || endpoint == "GET /messages/*") return unless(name == "owner" || has(name, "read"));
  if (endpoint == "GET /messages/*/history" || endpoint == "GET /messages/*/explain") return unless(has(name, "read"));
  if (endpoint == "DELETE /messages/*") return unless(name == "owner" || has(name, "operate"));
  const bool any_revision = asked.headers.find("If-Match") == "*";
  static const std::set<std::string> operations{"PUT /", "POST /messages/*/retry", "POST /messages/*/erase",
                                                "POST /messages/*/run-now", "POST /messages/*/move"};
  if (operations.contains(endpoint) || any_revision) return unless(has(name, "operate"));
  if (!has(name, "serve")) return verdict::forbidden;
  // A claim is its holder's, for as long as it has no outcome.
  const bool names_claim = asked.body.find("\"claim\"") != std::string::npos;
  return unless(!(names_claim && s == state::claimed && name != "worker"));
}

/// With the id that it is about, and the number of a claim, taken out.
std::string neutral(std::string text, const std::string& id) {
  for (auto at = text.find(id); at != std::string::npos; at = text.find(id)) text.replace(at, id.size(), "ID");
  return text;
}

bool is_refused_as_forbidden(const http::response& reply) {
  return reply.status == 403 || reply.body.find(R"("refused":"forbidden")") != std::string::npos;
}

using endpoint = std::pair<std::string, std::string>;

class AccessTable : public testing::TestWithParam<state> {};

TEST_P(AccessTable, HoldsForEverybodyAtEveryEndpoint) {
  for (const auto& r : routes()) {
    const auto [first, last] = questions().equal_range(endpoint{r.method, r.path});
    EXPECT_NE(first, last) << "say here what a request to " << r.method << " " << r.path << " is like";
    for (auto each = first; each != last; ++each)
      for (const auto& somebody : everybody) {
        scene here(GetParam()), there(GetParam());
        const auto asked = each->second(here.id, here.claim);
        const auto reply = here.as(somebody.name, std::string(r.method), asked.target, asked.body, asked.headers);
        const auto about = somebody.name + ": " + std::string(r.method) + " " + asked.target + " " + asked.body +
                           " of a " + name_of(GetParam()) + " message: " + std::to_string(reply.status) + " " +
                           reply.body;
        const auto verdict_here =
            expected(somebody.name, each->first.first + " " + each->first.second, asked, GetParam());
        EXPECT_EQ(reply.status == 401, verdict_here == verdict::unidentified) << about;
        EXPECT_EQ(is_refused_as_forbidden(reply), verdict_here == verdict::forbidden) << about;
        if (reply.status == 401) {
          EXPECT_EQ(reply.headers.find("WWW-Authenticate"), "Bearer") << about;
        }
        const auto of_unknown = each->second(unknown_id, there.claim);
        const auto unknown =
            there.as(somebody.name, std::string(r.method), of_unknown.target, of_unknown.body, of_unknown.headers);
        const bool is_about_it = r.right_to.where() == needs::at::message;
        if (!is_about_it || somebody.name.empty()) continue;
        const bool same =
            reply.status == unknown.status && neutral(reply.body, here.id) == neutral(unknown.body, unknown_id);
        EXPECT_EQ(same, verdict_here == verdict::hidden)
            << about << "\nunknown: " << unknown.status << " " << unknown.body;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, AccessTable, testing::ValuesIn(all_states),
                         [](const auto& of) { return std::string(name_of(of.param)); });

}  // namespace
}  // namespace amc::api
