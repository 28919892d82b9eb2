#pragma once

#include <memory>

#include "broker/receivers.hpp"
#include "service/broker_client.hpp"

namespace amc::consumer_services {

/// Of a broker in this process, on another thread, `broker`'s: what `POST /queues/{queue}/receive` and the other verbs
/// do, without HTTP between, but that its requests stand. Everything is allowed, as on the store. The broker must be
/// there until each call has returned.
std::shared_ptr<service::receiving_client> make_in_process_broker_client(boost::asio::any_io_executor broker,
                                                                         std::shared_ptr<broker::messages> messages,
                                                                         std::shared_ptr<broker::receivers> receivers);

}  // namespace amc::consumer_services
