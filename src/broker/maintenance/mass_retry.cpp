#include "broker/maintenance/mass_retry.hpp"

#include "core/log.hpp"

namespace amc::broker {
namespace {

/// Messages that one look at the store may show; between two looks it rests, so that the rate is kept.
constexpr std::size_t page_size = 20;
/// How many of the retried ones are looked after.
constexpr std::size_t watched_max = 200;

std::string latest_error(const message& m) {
  return m.attempts.empty() ? std::string() : m.attempts.back().error;
}

}  // namespace

mass_retry::mass_retry(const environment& env, std::shared_ptr<broker::messages> messages, mass_retry_options options)
    : env_(env), messages_(std::move(messages)), options_(options), clock_(env), tasks_(env.executor) {}

result<mass_retry::state> mass_retry::start(filter which, principal_ptr by, look_up again) {
  if (state_.running) return error{errc::held, "Messages are being retried already; GET /retries tells how far."};
  state_ = {.running = true};
  watched_.clear();
  by_ = std::move(by);
  again_ = std::move(again);
  tasks_.spawn(run(std::move(which)));
  return state_;
}

mass_retry::state mass_retry::now(const principal_ptr& by) const {
  const bool is_its_starter = !by || (by_ && by_->name == by->name);
  return is_its_starter ? state_ : state{};
}

/// With the rights that its starter has by now.
bool mass_retry::may_go_on() {
  if (!by_) return true;
  auto now = again_ ? again_(*by_) : by_;
  if (!now) state_.stopped_because = "who has started it is not known any more";
  if (now) by_ = std::move(now);
  return state_.stopped_because.empty();
}

task<void> mass_retry::stop() {
  stopping_ = true;
  clock_.poke();
  co_await tasks_.drain();
}

task<void> mass_retry::run(filter which) {
  list_filter asked{.status = which.status, .queue = which.queue, .limit = page_size};
  for (bool more = true; more && !stopping_;) {
    try {
      co_await look_after();
      if (!state_.stopped_because.empty() || !may_go_on()) break;
      const auto listed = co_await messages_->list(asked, by_, right::operate);
      if (!listed) {
        state_.stopped_because = listed.error().detail;
        break;
      }
      const auto& page = *listed;
      co_await retry_page(page.rows, which);
      more = page.next.has_value();
      asked.after = page.next.value_or(asked.after);
    } catch (const unavailable&) {
      // The same page again, when the store is back.
    }
    if (!stopping_) co_await pause();
  }
  if (stopping_) state_.stopped_because = "the broker stops";
  state_.running = false;
  log::info("retries", "retried " + std::to_string(state_.retried) + " messages" +
                           (state_.stopped_because.empty() ? "" : "; stopped: " + state_.stopped_because));
}

task<void> mass_retry::retry_page(const std::vector<row>& rows, const filter& which) {
  for (const auto& m : rows) {
    const auto error = latest_error(*m);
    if (error.find(which.error_part) == std::string::npos) continue;
    const auto retried = co_await messages_->retry(m->id, by_);
    ++(retried ? state_.retried : state_.refused);
    if (!retried || error.empty()) continue;
    if (watched_.size() >= watched_max) watched_.erase(watched_.begin());
    watched_[m->id] = error;
  }
}

/// Notices when one of those that were retried has failed as it had before.
task<void> mass_retry::look_after() {
  const auto watched = watched_;
  for (const auto& [id, error] : watched) {
    const auto found = co_await messages_->find(id);
    if (!found || (*found)->status == status::done) {
      watched_.erase(id);
      continue;
    }
    const bool failed_again = (*found)->failures > 0 || (*found)->status == status::dead;
    if (!failed_again || latest_error(**found) != error) continue;
    state_.stopped_because = "the same failure came back: " + error;
    co_return;
  }
}

task<void> mass_retry::pause() {
  const auto rest = milliseconds(1'000 * page_size / options_.per_second);
  co_await clock_.sleep(std::max(rest, milliseconds(1)));
}

}  // namespace amc::broker
