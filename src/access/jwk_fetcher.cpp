#include "access/jwk_fetcher.hpp"

#include <algorithm>
#include <boost/url/parse.hpp>

#include "core/config.hpp"
#include "core/log.hpp"
#include "core/text.hpp"

namespace amc::access {
namespace {

constexpr const char* component = "access";

}  // namespace

jwk_fetcher::jwk_fetcher(const environment& env, std::shared_ptr<http::caller> server, jwk_fetcher_options options,
                         std::function<void(jwk_set)> got)
    : env_(env),
      server_(std::move(server)),
      options_(std::move(options)),
      got_(std::move(got)),
      clock_(env),
      tasks_(env.executor) {}

task<void> jwk_fetcher::stop() {
  stopping_ = true;
  clock_.poke();
  co_await tasks_.drain();
}

void jwk_fetcher::look_again() {
  constexpr milliseconds pause{60'000};
  if (env_.timers->now() - asked_ >= pause) clock_.poke();
}

task<void> jwk_fetcher::loop() {
  constexpr milliseconds pause_after_failure{10'000};
  while (!stopping_) {
    asked_ = env_.timers->now();
    const bool done = co_await ask();
    if (stopping_) break;
    co_await clock_.sleep(done ? options_.interval : std::min(options_.interval, pause_after_failure));
  }
}

task<bool> jwk_fetcher::ask() {
  try {
    http::request asked{"GET", options_.target, {{"Accept", "application/json"}}};
    const auto reply = co_await server_->send(std::move(asked), options_.timeout);
    if (reply.status == 200) {
      if (reply.body != answer_) got_(jwk_set::parse(reply.body, options_.url));
      answer_ = reply.body;
      told_ = false;
      co_return true;
    }
    complain("it answered " + std::to_string(reply.status) + ", and only 200 counts");
  } catch (const http::answer_too_large&) {
    complain("its answer is larger than broker.access.jwt.keys_max_bytes");
  } catch (const unavailable& away) {
    complain(away.what());
  } catch (const config_error& wrong) {
    complain(wrong.what());
  }
  co_return false;
}

void jwk_fetcher::complain(const std::string& why) {
  if (std::exchange(told_, true)) return;
  log::error(component, "broker.access.jwt.keys_url: " + options_.url + ": the keys stay as they were: " + why);
}

std::optional<https_url> parse_https_url(std::string_view text) {
  const auto url = boost::urls::parse_uri(text);
  if (!url || !http::same_ignoring_case(url->scheme(), "https") || url->host().empty()) return {};
  if (url->has_userinfo() || url->has_fragment() || (url->has_port() && port_in(url->port()) == 0)) return {};
  const std::string target(url->encoded_target());
  return https_url{"https://" + std::string(url->encoded_host_and_port()),
                   target.starts_with('/') ? target : "/" + target};
}

}  // namespace amc::access
