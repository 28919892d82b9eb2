#include "tests/simulation/simulated_network.hpp"

#include <algorithm>
#include <variant>

#include "api/http_api.hpp"

namespace amc::simulation {

struct network::call {
  call(process& by, http::request what, std::string to)
      : client(by), asked(std::move(what)), address(std::move(to)), done(by.env().executor) {
    asked.from = from;
  }

  bool waits_for_work() const { return asked.target.ends_with("/receive"); }
  bool late = false;
  std::shared_ptr<http::peer> from = std::make_shared<http::peer>();

  process& client;
  http::request asked;
  std::string address;
  process* server = nullptr;
  one_shot<std::variant<http::response, unavailable, http::answer_too_large>> done;
};

class network::balanced_caller : public http::caller {
 public:
  balanced_caller(network& over, process& client, std::vector<std::string> addresses)
      : over_(over), client_(client), addresses_(std::move(addresses)), at_(random().below(addresses_.size())) {}

  task<http::response> send(http::request asked, milliseconds timeout) override {
    if (!client_.alive()) throw unavailable(unavailable::reason::away, "this process is gone");
    if (random().chance(0.1)) at_ = random().below(addresses_.size());
    auto what = std::make_shared<call>(client_, std::move(asked), addresses_[at_]);
    const auto timer = client_.env().timers->start(timeout, [what] {
      hang_up(what);
      what->done.set(unavailable(unavailable::reason::outcome_unknown, "no answer within the time"));
    });
    over_.carry(what);
    auto outcome = co_await what->done.wait();
    if (const auto* too_large = std::get_if<http::answer_too_large>(&outcome)) throw http::answer_too_large(*too_large);
    if (const auto* failed = std::get_if<unavailable>(&outcome)) {
      at_ = (at_ + 1) % addresses_.size();
      throw unavailable(*failed);
    }
    co_return std::get<http::response>(std::move(outcome));
  }

 private:
  random_stream& random() { return client_.in().random(); }

  network& over_;
  process& client_;
  std::vector<std::string> addresses_;
  std::size_t at_;
};

std::shared_ptr<http::caller> network::connect(process& client, std::vector<std::string> addresses) {
  return std::make_shared<balanced_caller>(*this, client, std::move(addresses));
}

void network::listen(const std::string& address, process& by, service handle) {
  listeners_[address] = {&by, std::move(handle)};
}

bool network::quiet() const {
  return on_the_way_ == 0 &&
         std::all_of(in_flight_.begin(), in_flight_.end(), [](const auto& c) { return c->waits_for_work(); });
}

std::size_t network::in_flight(const process& by) const {
  return static_cast<std::size_t>(
      std::count_if(in_flight_.begin(), in_flight_.end(), [&](const auto& c) { return c->server == &by; }));
}

void network::forget(const process& gone) {
  std::erase_if(listeners_, [&](const auto& l) { return l.second.by == &gone; });
  for (const auto& what : in_flight_)
    if (what->server == &gone) fail(what, unavailable(unavailable::reason::outcome_unknown, "the connection was lost"));
  std::erase_if(in_flight_, [&](const auto& c) { return c->server == &gone; });
  for (const auto& what : in_flight_)
    if (&what->client == &gone) hang_up(what);
}

/// The client is gone, or waits no longer: its connection is closed, and the broker hears of it.
void network::hang_up(const std::shared_ptr<call>& what) {
  if (!what->server || !what->server->alive()) return what->from->leave();
  what->server->later(milliseconds(1), [from = what->from] { from->leave(); });
}

void network::cut(const std::string& client, const std::string& address, milliseconds longest) {
  cut_until_[{client, address}] = world_.now() + longest;
}

bool network::is_cut(const call& what) const {
  const auto found = cut_until_.find({what.client.name(), what.address});
  return found != cut_until_.end() && world_.now() < found->second;
}

void network::carry(const std::shared_ptr<call>& what) {
  if (is_cut(*what)) return fail(what, unavailable(unavailable::reason::away, "the broker is out of reach"));
  if (world_.strikes(fault::request_lost, 0.3)) return;  // the client's time-out ends it
  auto delay = world_.between(0, 3);
  what->late = world_.strikes(fault::request_late, 0.3);
  if (what->late) delay += milliseconds(world_.random(fault::request_late).between(100, 8'000));
  send_on(what, delay);
}

void network::send_on(const std::shared_ptr<call>& what, milliseconds delay) {
  if (!what->waits_for_work()) ++on_the_way_;
  world_.later(delay, [this, what] { arrive(what); });
}

/// So that carrying it out twice makes two.
bool network::makes_a_message(const http::request& asked) {
  const bool posts = asked.method == "POST" && (asked.target == "/" || asked.target == "/messages");
  return posts && !asked.headers.find("Idempotency-Key");
}

void network::arrive(const std::shared_ptr<call>& what) {
  if (!what->waits_for_work()) --on_the_way_;
  // What a worker said of itself long ago is taken for true.
  if (what->late && what->waits_for_work()) world_.last_harm = world_.now();
  const auto found = listeners_.find(what->address);
  if (found == listeners_.end())
    return fail(what, unavailable(unavailable::reason::away, "the broker refuses the connection"));
  if (!makes_a_message(what->asked) && world_.strikes(fault::request_doubled, 0.3))
    send_on(std::make_shared<call>(what->client, what->asked, what->address),
            milliseconds(world_.random(fault::request_doubled).between(1, 500)));
  what->server = found->second.by;
  in_flight_.push_back(what);
  what->server->spawn(serve(what, found->second.handle));
}

/// What http::server does around a handler.
task<void> network::serve(std::shared_ptr<call> what, service handle) {
  http::response reply;
  int fault_status = 0;
  try {
    if (what->asked.body.size() > request_max_bytes)
      fault_status = 413;
    else
      reply = co_await handle(what->asked);
  } catch (const unavailable&) {
    fault_status = 503;
  } catch (const std::exception&) {
    fault_status = 500;
  }
  if (fault_status != 0) reply = api::http_api::fault(fault_status, "Not available right now.", what->asked.target);
  if (!what->server->alive()) co_return;
  std::erase(in_flight_, what);
  answer(what, std::move(reply));
}

void network::answer(const std::shared_ptr<call>& what, http::response reply) {
  const bool lost = is_cut(*what) || world_.strikes(fault::response_lost, 0.3);
  // One that is lost may have been written whole all the same.
  if (reply.receipt && (!lost || world_.random(fault::response_lost).chance(0.5))) reply.receipt->written();
  const auto& seen = reply.receipt && reply.receipt->is_written() ? seen_delivered : seen_undelivered;
  if (std::exchange(reply.receipt, {}) && seen) tell_deliveries(seen, *what->server, reply);
  if (lost) return;
  world_.note(what->address, what->asked.method, static_cast<std::uint64_t>(reply.status));
  world_.later(world_.between(0, 3), [what, reply = std::move(reply)]() mutable {
    what->client.later(milliseconds(0), [what, reply = std::move(reply)] { receive(*what, reply); });
  });
}

void network::tell_deliveries(const deliveries_seen& seen, const process& by, const http::response& reply) {
  const auto told = boost::json::parse(reply.body);
  for (const auto& d : told.at("deliveries").as_array())
    seen(by, *parse_uuid(d.at("id").as_string()), d.at("claim").as_int64());
}

void network::receive(call& what, const http::response& reply) {
  if (reply.body.size() <= response_max_bytes)
    what.done.set(reply);
  else
    what.done.set(http::answer_too_large("the answer to " + what.asked.method + " " + what.asked.target + " has " +
                                         std::to_string(reply.body.size()) + " bytes"));
}

void network::fail(const std::shared_ptr<call>& what, const unavailable& why) {
  world_.later(world_.between(0, 3),
               [what, why] { what->client.later(milliseconds(0), [what, why] { what->done.set(why); }); });
}

}  // namespace amc::simulation
