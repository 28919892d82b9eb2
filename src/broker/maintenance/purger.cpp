#include "broker/maintenance/purger.hpp"

namespace amc::broker {

task<void> purger::stop() {
  stopping_ = true;
  clock_.poke();
  co_await tasks_.drain();
}

task<void> purger::loop() {
  auto next = options_.what;
  while (!stopping_) {
    purged done;
    try {
      done = co_await store_.purge(next);
    } catch (const unavailable&) {
      // Later is early enough.
    }
    next.after = done.next.value_or(uuid{});
    // While it finds much it goes on; every batch waits its turn among the other work of the store.
    if (!stopping_ && (!done.next || done.count < next.limit / 2)) co_await clock_.sleep(options_.interval);
  }
}

}  // namespace amc::broker
