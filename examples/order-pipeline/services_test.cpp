#include "services.hpp"

#include <amc/client.hpp>
#include <amc/testing.hpp>
#include <iostream>

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not so: " << what << "\n";
  std::exit(1);
}

/// A handler is a function: it needs no broker.
void the_total_is_what_all_items_cost() {
  const amc::delivery order(R"({"id": 1, "items": [{"price": 3, "count": 2}]})", amc::content_form::json);
  expect(orders::check(order).text().find(R"("total":6)") != std::string::npos, "the total is 6");
  expect(orders::check(order).queue() == "payments", "it goes on to payments");
}

/// The whole pipeline over a broker inside this test, whose clock moves on: a back-off of an hour takes no time.
void a_bank_that_is_away_is_asked_again() {
  amc::testing::broker broker({"broker.queues=[{name: payments, back_off_initial_ms: 3600000}]"});
  amc::serving services(orders::all(), {"consumer_services.broker_client.url=" + broker.url()});
  amc::client client(broker.url());
  auto order = amc::new_message::json(R"({"id": 1, "items": [{"price": 3, "count": 2}]})");
  const auto posted = client.post(order.to("orders"));
  while (client.find(posted.id)->error.empty()) client.wait(posted.id, std::chrono::milliseconds(20));
  broker.advance(std::chrono::hours(1));
  expect(client.wait(posted.id, std::chrono::seconds(30)).text == "order 1: 6 paid", "it is paid in the end");
}

}  // namespace

int main() {
  the_total_is_what_all_items_cost();
  a_bank_that_is_away_is_asked_again();
  std::cout << "all is well\n";
}
