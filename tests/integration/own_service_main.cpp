#include <boost/asio/io_context.hpp>

#include "core/environment.hpp"
#include "service/service_runtime.hpp"

/// A service of one's own, over an engine of one's own: what its program links is looked at (service_links.sh).
namespace {

using namespace amc;

class own_engine : public platform {
 public:
  amc::capabilities capabilities() const override { return {}; }
  void check(std::span<const std::string>, std::span<const std::string>) override {}
  std::unique_ptr<queue_publisher> make_publisher() override { throw none(); }
  std::unique_ptr<queue_subscriber> make_subscriber(const std::string&, std::size_t) override { throw none(); }

 private:
  static unavailable none() { return {unavailable::reason::away, "there is no engine here"}; }
};

}  // namespace

int main() {
  boost::asio::io_context loop(1);
  const auto env = system_environment(loop.get_executor());
  own_engine engine;
  service_definition upper{"Upper", "topic-u", [](const delivery& work) { return work.text() + "!"; }};
  service::runtime_options options;
  options.concurrency = 4;
  options.handler_timeout = std::chrono::seconds(10);
  http::client_options broker;
  broker.url = "http://127.0.0.1:4000";
  auto client = service::make_http_broker_client(http::make_client(env, broker), std::chrono::seconds(6));
  service::service_runtime runtime(env, std::move(upper), std::move(client), engine, loop.get_executor(), options);
  bool stopped = false;
  boost::asio::co_spawn(
      loop,
      [&]() -> task<void> {
        runtime.run();
        stopped = co_await runtime.stop(std::chrono::seconds(1));
      },
      boost::asio::detached);
  loop.run();
  return stopped ? 0 : 1;
}
