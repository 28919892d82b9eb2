#include "broker/pauses.hpp"

#include "core/log.hpp"
#include "core/text.hpp"
#include "core/time_text.hpp"

namespace amc::broker {

const paused_queue* pauses::of(std::string_view queue) const {
  if (!known_) return nullptr;
  const auto found = known_->find(queue);
  return found == known_->end() ? nullptr : &found->second;
}

task<void> pauses::refresh() {
  const auto before = changes_;
  auto found = co_await store_.paused();
  if (changes_ == before) adopt(std::move(found));
}

task<void> pauses::change(pause_request what) {
  ++changes_;
  std::optional<pause_request> request(std::move(what));
  auto found = co_await store_.paused(std::move(request));
  ++changes_;
  adopt(std::move(found));
}

void pauses::adopt(paused_queues found) {
  const auto before = known_;
  known_ = found.empty() ? nullptr : std::make_shared<const paused_queues>(std::move(found));
  if (known_)
    for (const auto& [queue, paused] : *known_)
      if (!before || !before->contains(queue))
        log::info("broker", escaped(queue) + " is paused since " + to_rfc3339(paused.since) +
                                (paused.by.empty() ? "" : " by " + escaped(paused.by)));
  if (!before) return;
  for (const auto& [queue, paused] : *before) {
    if (of(queue)) continue;
    log::info("broker", escaped(queue) + " is resumed");
    if (resumed_) resumed_(queue);
  }
}

}  // namespace amc::broker
