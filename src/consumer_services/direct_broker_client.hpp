#pragma once

#include <memory>

#include "broker/messages.hpp"
#include "service/broker_client.hpp"

namespace amc::consumer_services {

/// On the store, through the broker module, as ServiceB does.
std::shared_ptr<service::broker_client> make_direct_broker_client(std::shared_ptr<broker::messages> messages);

}  // namespace amc::consumer_services
