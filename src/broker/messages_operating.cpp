// What operators do with messages and queues.
#include "broker/endings.hpp"
#include "broker/intake.hpp"
#include "broker/messages.hpp"

namespace amc::broker {

task<result<row>> messages::cancel(uuid id, std::optional<int> revision, principal_ptr by) {
  constexpr life_cycle::entitlement of_owner{.needed = right::operate, .or_owner = true};
  auto what = life_cycle::wanted_by(by, of_owner, life_cycle::cancel(id, revision));
  const auto became = co_await store_.apply(std::move(what));
  if (became.applied) note_end(*numbers_, *became.now);
  co_return life_cycle::settled(became);
}

/// Where an operator wants a message to wait.
result<life_cycle::other_queue> messages::queue_to_operate_in(const std::string& name, const principal_ptr& by) {
  if (by && !by->may(right::operate, name)) return life_cycle::forbidden();
  if (auto refused = refuses_new_queue(name, by)) return *std::move(refused);
  return life_cycle::other_queue{name, routes_->of(name).rules};
}

/// An operator's change, after which the message waits, due at once or later. `names_revision`: the operator has named
/// the one that it is for.
task<result<row>> messages::change_and_ring(change what, bool names_revision) {
  std::vector<change> one;
  one.push_back(std::move(what));
  const auto became = co_await store_.apply(std::move(one));
  if (became.front().applied) {
    tell_opened(became);
    rings_->want(ringing::errand::look);
  }
  auto result = life_cycle::settled(became.front());
  if (!result && result.error().code == errc::stale && !names_revision)
    co_return error{errc::held, result.error().detail + " Look at it again."};
  co_return result;
}

task<result<row>> messages::retry(uuid id, principal_ptr by, second_try how) {
  access_condition of_operator{.by = by, .needed = right::operate};
  const bool as_it_is = !how.said && !how.queue;
  auto found = co_await find_for(id, std::move(of_operator));
  if (!found) co_return found;
  const bool names_revision = how.revision.has_value();
  if (names_revision && (*found)->revision != *how.revision)
    co_return life_cycle::other_revision(**found, *how.revision);
  const auto state = (*found)->status;
  if (state == status::pending && as_it_is) co_return found;
  if (state == status::pending)
    co_return error{errc::held, "The message is pending: cancel it first, or let it come to its end."};
  if (state != status::dead && state != status::cancelled)
    co_return error{errc::terminal, std::string("The message is ") + to_string(state) + "."};
  if ((*found)->erased_at) co_return life_cycle::erased(**found);
  if (auto wrong = how.said ? unfit_message(*how.said, options_.text_max_bytes) : std::nullopt)
    co_return *std::move(wrong);
  std::optional<life_cycle::other_queue> to;
  if (!as_it_is) {
    auto there = queue_to_operate_in(how.queue.value_or((*found)->queue), by);
    if (!there) co_return there.error();
    to = *std::move(there);
  }
  auto what =
      how.said ? life_cycle::edit(**found, *std::move(how.said), *to) : life_cycle::retry(**found, std::move(to));
  what = life_cycle::wanted_by(by, {.needed = right::operate}, std::move(what));
  const auto again = co_await change_and_ring(std::move(what), names_revision);
  if (again) seen_->arrived(**again);
  co_return again;
}

task<result<row>> messages::run_now(uuid id, principal_ptr by) {
  auto what = life_cycle::wanted_by(by, {.needed = right::operate}, life_cycle::run_now(id));
  const auto now = co_await change_and_ring(std::move(what));
  if (now) seen_->opened(**now, (*now)->due);
  co_return now;
}

task<result<row>> messages::move(uuid id, std::string queue, principal_ptr by) {
  access_condition of_operator{.by = by, .needed = right::operate};
  auto found = co_await find_for(id, std::move(of_operator));
  if (!found) co_return found;
  const auto to = queue_to_operate_in(queue, by);
  if (!to) co_return to.error();
  if ((*found)->status == status::pending && (*found)->queue == queue) co_return found;
  auto what = life_cycle::wanted_by(by, {.needed = right::operate}, life_cycle::move(**found, *to));
  if ((*found)->status != status::pending) {  // nor is it moved where it is retried in this moment
    outcome as_read;
    as_read.now = *found;
    as_read.refused = std::make_shared<const change>(std::move(what));
    co_return life_cycle::settled(as_read);
  }
  const auto moved = co_await change_and_ring(std::move(what));
  if (moved) seen_->arrived(**moved);
  co_return moved;
}

task<std::size_t> messages::cancel_unclaimed(std::vector<uuid> ids, std::string queue, principal_ptr by) {
  std::vector<change> changes;
  for (const auto& id : ids)
    changes.push_back(life_cycle::wanted_by(by, {.needed = right::operate}, life_cycle::cancel_unclaimed(id, queue)));
  const auto outcomes = co_await store_.apply(std::move(changes));
  std::size_t count = 0;
  for (const auto& became : outcomes) {
    if (!became.applied) continue;
    ++count;
    note_end(*numbers_, *became.now);
  }
  co_return count;
}

task<result<void>> messages::pause(std::string queue, principal_ptr by) {
  if (auto refused = refuses_queue(queue, by)) co_return *std::move(refused);
  const auto& known = paused_->known();
  if (known && !known->contains(queue) && known->size() >= routes_->queues_max())
    co_return error{errc::invalid,
                    "As many queues as there may be (broker.queues_max) are paused already; resume one first."};
  pause_request what{std::move(queue), true, by ? by->name : std::string()};
  co_await paused_->change(std::move(what));
  co_return result<void>();
}

/// An event that came while the queue was paused has found its claim refused, and is gone. Who has paused it may be
/// another broker, just now.
task<result<void>> messages::resume(std::string queue, principal_ptr by) {
  co_await paused_->refresh();
  const bool is_paused = paused_->of(queue) != nullptr;
  // What is paused can be resumed, whatever names are taken by now.
  if (auto refused = is_paused ? std::nullopt : refuses_queue(queue, by)) co_return *std::move(refused);
  if (rings_->heard() && is_paused) co_await store_.make_all_due(queue);
  pause_request what{std::move(queue), false, {}};
  co_await paused_->change(std::move(what));
  co_return result<void>();
}

task<result<row>> messages::erase(uuid id, principal_ptr by) {
  access_condition of_operator{.by = by, .needed = right::operate};
  auto found = co_await find_for(id, std::move(of_operator));
  if (!found || (*found)->erased_at) co_return found;
  if ((*found)->status == status::pending)
    co_return error{errc::held, "The message is pending: only what has ended can be erased. Cancel it first."};
  auto what = life_cycle::wanted_by(by, {.needed = right::operate}, life_cycle::erase(**found));
  const auto became = co_await store_.apply(std::move(what));
  co_return life_cycle::settled(became);
}

}  // namespace amc::broker
