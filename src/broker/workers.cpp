#include "broker/workers.hpp"

#include "core/invariant.hpp"

namespace amc::broker {

std::shared_ptr<worker> workers::of(const std::string& name) {
  auto& who = all_[name];
  if (!who) who = std::make_shared<worker>();
  return who;
}

void workers::says(worker& who, std::size_t in_hand) {
  who.elsewhere = in_hand > who.hands.size() ? in_hand - who.hands.size() : 0;
}

bool workers::may_take_alone(const worker& who, time_point now) {
  if (who.is_alone || who.claiming > 0) return false;
  return who.is_idle() || (who.reserved_until && *who.reserved_until <= now);
}

void workers::claims(worker& who, bool alone) {
  ensure(!who.is_alone, "who has something alone is given nothing else");
  ++who.claiming;
  who.is_alone = alone;
}

void workers::claim_over(worker& who) {
  ensure(who.claiming > 0, "a claim ends once");
  --who.claiming;
  end_of_lonely_run(who);
}

void workers::handed(const std::shared_ptr<worker>& who, const message& what, bool alone, time_point lease_ends) {
  settled(what.id);  // whoever had it before has it no more
  who->hands[what.id] = {what.revision, what.claim, alone, lease_ends, what.queue};
  holders_[what.id] = who;
}

std::vector<claimed> workers::lost(worker& who, const std::string& queue) {
  std::vector<claimed> all;
  for (const auto& [id, hand] : who.hands) {
    if (hand.queue != queue) continue;
    all.push_back({{id, hand.revision, {}}, hand.claim});
    holders_.erase(id);
  }
  std::erase_if(who.hands, [&](const auto& one) { return one.second.queue == queue; });
  end_of_lonely_run(who);
  return all;
}

void workers::settled(const uuid& id) {
  const auto holder = holders_.extract(id);
  if (!holder) return;
  const auto who = holder.mapped().lock();
  if (!who) return;
  who->hands.erase(id);
  end_of_lonely_run(*who);
}

void workers::settled(const uuid& id, std::int64_t claim) {
  const auto holder = holders_.find(id);
  if (holder == holders_.end()) return;
  const auto who = holder->second.lock();
  if (!who || who->hands.at(id).claim == claim) settled(id);
}

void workers::extended(const uuid& id, time_point lease_ends) {
  const auto holder = holders_.find(id);
  if (holder == holders_.end()) return;
  if (const auto who = holder->second.lock()) who->hands.at(id).ends = lease_ends;
}

void workers::tidy(time_point now) {
  for (auto it = all_.begin(); it != all_.end();) {
    auto& who = *it->second;
    for (auto hand = who.hands.begin(); hand != who.hands.end();) {
      const bool over = hand->second.ends <= now;
      if (over) holders_.erase(hand->first);
      hand = over ? who.hands.erase(hand) : std::next(hand);
    }
    end_of_lonely_run(who);
    const bool unknown = who.hands.empty() && who.requests == 0 && who.claiming == 0;
    it = unknown ? all_.erase(it) : std::next(it);
  }
}

/// Once nothing that was given alone is in hand any more.
void workers::end_of_lonely_run(worker& who) {
  if (!who.is_alone || who.claiming > 0) return;
  for (const auto& [id, hand] : who.hands)
    if (hand.alone) return;
  who.is_alone = false;
}

}  // namespace amc::broker
