#include "app/running.hpp"

#include "app/processes.hpp"
#include "consumer_services/direct_broker_client.hpp"
#include "service/configuration.hpp"

namespace amc::app {

namespace {

std::shared_ptr<amc::service::receiving_client> http_client(const environment& env, const config& settings,
                                                            const std::string& url) {
  return amc::service::make_http_broker_client(client_for(env, settings, url),
                                               settings.duration("consumer_services.broker_client.timeout_ms"));
}

}  // namespace

running_service::running_service(loop& on, const config& settings, consumer_services::example_service service,
                                 const workplace& at)
    : loop_(on) {
  auto options = amc::service::runtime_options_from(settings, service.what);
  options.company = at.company;
  if (at.traces) options.traces = at.traces->of(service.what.name);
  // A broker takes no more claims than this in one request.
  options.concurrency = std::min(options.concurrency, settings.size("broker.http.claims_max"));
  if (service.on_the_store && at.engine) options.peer = "store";
  auto& what = service.what;
  const auto make = [&](boost::asio::any_io_executor handlers) {
    if (!at.engine)
      return std::make_unique<amc::service::service_runtime>(
          loop_.env(), what, at.broker ? at.broker : http_client(loop_.env(), settings, at.broker_url),
          amc::service::receiving_from(settings, at.worker), std::move(handlers), options);
    return std::make_unique<amc::service::service_runtime>(
        loop_.env(), what, client(settings, service.on_the_store, at), *at.engine, std::move(handlers), options);
  };
  try {
    running_ =
        std::make_unique<amc::service::running_service>(loop_, what.handler, what.blocking, options.concurrency, make);
  } catch (...) {
    // What runs already must end before it is destroyed.
    if (parts_) loop_.run(parts_->stop());
    throw;
  }
}

running_service::~running_service() {
  if (running_) amc::service::end_or_exit(stop(milliseconds(0)), 1);
}

bool running_service::stop(milliseconds longest) {
  if (!running_->stop(longest)) return false;
  if (parts_) loop_.run(parts_->stop());
  loop_.run([&] { parts_.reset(); });
  running_.reset();
  return true;
}

std::shared_ptr<amc::service::broker_client> running_service::client(const config& settings, bool on_the_store,
                                                                     const workplace& at) {
  if (!on_the_store) return http_client(loop_.env(), settings, at.broker_url);
  parts_ = make_parts(loop_.env(), *at.base, settings);
  parts_->run(false);
  return consumer_services::make_direct_broker_client(parts_->messages());
}

running_broker::running_broker(loop& on, const config& settings, const foundation& base) : loop_(on) {
  loop_.run([&] {
    broker_ = std::make_unique<broker_server>(loop_.env(), base, settings);
    broker_->run();
  });
}

running_broker::~running_broker() {
  if (broker_) stop();
}

void running_broker::stop() {
  loop_.run(broker_->stop());
  loop_.run([&] { broker_.reset(); });
}

}  // namespace amc::app
