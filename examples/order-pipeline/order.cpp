#include <amc/client.hpp>
#include <iostream>

namespace {

/// Twice the same request, as a client sends it that has heard nothing: it is one order.
amc::message_state ordered_twice(amc::client& broker, const std::string& order) {
  auto what = amc::new_message::json(order);
  what.to("orders").idempotency_key("order-7");
  const auto first = broker.post(what);
  const auto again = broker.post_and_wait(what, std::chrono::seconds(30));
  if (first.id != again.id) throw std::logic_error("one order became two");
  return again;
}

amc::message_state remind_tomorrow(amc::client& broker) {
  const auto now = std::chrono::time_point_cast<amc::milliseconds>(std::chrono::system_clock::now());
  amc::new_message reminder("pay order 7");
  reminder.to("reminders").deliver_at(now + std::chrono::hours(24));
  return broker.post(reminder);
}

}  // namespace

int main(int argc, char** argv) try {
  amc::client broker(argc > 1 ? argv[1] : "http://127.0.0.1:4000");
  const auto paid =
      ordered_twice(broker, R"({"id": 7, "items": [{"price": 20, "count": 2}, {"price": 2, "count": 1}]})");
  std::cout << to_string(paid.state) << ": " << paid.text << "\n";
  auto empty = amc::new_message::json(R"({"id": 8, "items": []})");
  const auto dead = broker.post_and_wait(empty.to("orders"), std::chrono::seconds(30));
  std::cout << to_string(dead.state) << ": " << dead.error << "\n";
  std::cout << to_string(remind_tomorrow(broker).state) << ": a reminder for tomorrow\n";
} catch (const std::exception& failed) {
  std::cerr << "order: " << failed.what() << "\n";
  return 1;
}
