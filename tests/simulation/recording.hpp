#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>

#include "http/client.hpp"
#include "service/broker_client.hpp"
#include "tests/simulation/journal.hpp"
#include "tests/simulation/process.hpp"

namespace amc::simulation {

/// The message in an answer's body.
std::optional<shown> shown_in(const boost::json::value& body);

/// Writes down what a requester asks for over HTTP, and what it is told.
std::shared_ptr<http::caller> record(std::shared_ptr<http::caller> calls, process& by, journal& into);

/// Writes down what a service of this queue claims and answers, and what it is told.
std::shared_ptr<service::broker_client> record(std::shared_ptr<service::broker_client> asks, process& by,
                                               std::string queue, journal& into);

/// The same of one that receives. Nobody sees from outside whether it has nothing to do, or waits for a response.
std::shared_ptr<service::receiving_client> record(std::shared_ptr<service::receiving_client> asks, process& by,
                                                  std::string queue, journal& into);

}  // namespace amc::simulation
