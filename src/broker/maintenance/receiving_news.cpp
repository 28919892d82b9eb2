#include "broker/maintenance/receiving_news.hpp"

#include "core/log.hpp"

namespace amc::broker {

receiving_news::receiving_news(const environment& env, message_store::async_store store, std::shared_ptr<activity> seen,
                               milliseconds interval)
    : store_(std::move(store)), seen_(std::move(seen)), interval_(interval), clock_(env), tasks_(env.executor) {}

/// Where no other process can change the store there is nobody to tell or to hear.
void receiving_news::run() {
  hearing_ = store_.observe_elsewhere([this](const change_feed::news& news) {
    for (const auto& process : news.from) seen_->changed_elsewhere(process);
    if (news.hears_nobody) seen_->changed_elsewhere("");
    for (const auto& who : news.received) seen_->heard(who);
  });
  if (hearing_) tasks_.spawn(loop());
}

task<void> receiving_news::stop() {
  stopping_ = true;
  hearing_.reset();
  clock_.poke();
  co_await tasks_.drain();
}

task<void> receiving_news::loop() {
  while (!stopping_) {
    try {
      auto who = seen_->received_here();
      if (who.empty()) who.emplace_back();  // nobody receives here: that is told, too
      co_await store_.tell_receiving(std::move(who));
    } catch (const unavailable& failed) {
      log::debug("broker", std::string("cannot tell others who receives, will try again: ") + failed.what());
    }
    if (!stopping_) co_await clock_.sleep(interval_);
  }
}

}  // namespace amc::broker
