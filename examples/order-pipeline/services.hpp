#pragma once

#include <amc/service.hpp>
#include <boost/json.hpp>

/// Three services that an order passes through. A handler may run twice for one revision when its process dies: what it
/// does elsewhere is done under `delivery.key()`.
namespace orders {

/// Adds up what an order costs.
inline amc::answer check(const amc::delivery& asked) {
  auto order = boost::json::parse(asked.text()).as_object();
  const auto& items = order.at("items").as_array();
  if (items.empty()) throw amc::reject("an order needs items");  // trying again would not help: a dead letter
  std::int64_t total = 0;
  for (const auto& item : items) total += item.at("price").as_int64() * item.at("count").as_int64();
  order["total"] = total;
  return amc::answer::json(boost::json::serialize(order)).to("payments");
}

/// Asks a bank, which is never there the first time. An exception is all it takes to be tried again after a pause.
inline amc::answer charge(const amc::delivery& asked) {
  if (asked.attempt() == 1) throw std::runtime_error("the bank is away");
  auto order = boost::json::parse(asked.text()).as_object();
  order["paid_under"] = asked.key();
  return amc::answer::json(boost::json::serialize(order)).to("invoices");
}

/// Ends the conversation: what it returns is what the client gets.
inline amc::answer invoice(const amc::delivery& asked) {
  const auto order = boost::json::parse(asked.text()).as_object();
  return amc::answer("order " + boost::json::serialize(order.at("id")) + ": " +
                     boost::json::serialize(order.at("total")) + " paid")
      .done();
}

inline std::vector<amc::service_definition> all() {
  return {{"check", "orders", check}, {"charge", "payments", charge}, {"invoice", "invoices", invoice}};
}

}  // namespace orders
