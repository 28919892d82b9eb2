#include "app/processes.hpp"
#include "app/replies.hpp"
#include "broker/configuration.hpp"
#include "core/loop.hpp"
#include "core/standard_streams.hpp"
#include "core/text.hpp"
#include "service/configuration.hpp"

/// What asks a broker over HTTP.
namespace amc::app {

std::shared_ptr<http::caller> client_for(const environment& env, const config& settings, const std::string& url) {
  // A batch of claims has its texts together, or one message alone, however large.
  const auto largest = std::max(broker::message_max_bytes(settings), settings.size("broker.claims_max_bytes"));
  return amc::service::caller_for(env, settings, url, largest);
}

consumer_services::requester_options requester_options_from(const config& settings) {
  consumer_services::requester_options options;
  options.timeout = settings.duration("consumer_services.requester.timeout_ms");
  options.poll_interval = settings.duration("consumer_services.requester.poll_interval_ms");
  options.answer_pattern = settings.text("consumer_services.requester.answer_pattern");
  return options;
}

struct broker_caller::parts {
  explicit parts(const config& settings)
      : client(client_for(main.env(), settings, settings.text("consumer_services.broker_client.url"))),
        timeout(settings.duration("consumer_services.broker_client.timeout_ms")) {}
  loop main{"caller"};
  std::shared_ptr<http::caller> client;
  milliseconds timeout;
};

broker_caller::broker_caller(const config& settings) : parts_(std::make_unique<parts>(settings)) {}

broker_caller::~broker_caller() = default;

http::response broker_caller::ask(std::string method, std::string target, std::string body) {
  http::request asked{std::move(method), std::move(target), {}, std::move(body)};
  try {
    return send(std::move(asked), milliseconds(0));
  } catch (const unavailable& failed) {
    const bool unknown = failed.why() == unavailable::reason::outcome_unknown;
    throw startup_error(std::string("no answer from the broker: ") + failed.what() +
                        (unknown ? "; what was asked may have been carried out" : "") +
                        "; is it running (amc all), and is consumer_services.broker_client.url its URL?");
  }
}

http::response broker_caller::send(http::request asked, milliseconds waits) {
  return parts_->main.run(parts_->client->send(std::move(asked), parts_->timeout + waits));
}

int health(const config& settings) {
  const auto reply = broker_caller(settings).ask("GET", "/readyz");
  told_by(reply, "status");
  print(escaped(trimmed(reply.body)) + "\n");
  return reply.status == 200 ? 0 : 1;
}

consumer_services::conversation converse(const config& settings, const std::string& url, const std::string& text) {
  loop main("requester");
  auto client = client_for(main.env(), settings, url);
  return main.run(consumer_services::request(main.env(), client, text, requester_options_from(settings)));
}

}  // namespace amc::app
