#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/back_off.hpp"
#include "core/error.hpp"
#include "queue_system/platform.hpp"
#include "queue_system/server_url.hpp"

/// What drivers have in common. A driver may use it; nothing else does.
namespace amc::queue_system {

/// "7.0.15" → 700; 0 for what begins with no number.
inline int version_number(std::string_view text) {
  int major = 0, minor = 0;
  const auto* end = text.data() + text.size();
  const auto [dot, failed] = std::from_chars(text.data(), end, major);
  if (failed == std::errc() && dot != end) std::from_chars(dot + 1, end, minor);
  return 100 * major + minor;
}

/// Connects to one of a URL's servers, in any order: `connect_to(server)` throws `unavailable` where it cannot. Throws
/// what the last one has failed with, and at once what a person has to mend: that is the same at each of them.
template <class Connect>
void connect_to_any(std::vector<server_url::host_and_port> servers, const Connect& connect_to) {
  std::shuffle(servers.begin(), servers.end(), std::minstd_rand(std::random_device{}()));
  for (;; servers.pop_back()) {
    try {
      return connect_to(servers.back());
    } catch (const unavailable& failed) {
      if (servers.size() == 1 || failed.why() == unavailable::reason::refused) throw;
    }
  }
}

/// A time-out that several waits share.
class deadline {
 public:
  explicit deadline(milliseconds longest) : ends_(clock::now() + longest) {}

  /// Rounded up, so that who waits for it does not wake too early; never negative.
  milliseconds left() const { return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(ends_ - clock::now())); }
  bool is_over() const { return clock::now() >= ends_; }

 private:
  using clock = std::chrono::steady_clock;
  clock::time_point ends_;
};

/// What a subscriber has received and nobody has settled: a tag for each, and where the engine has it.
template <class Place>
class unsettled_events {
 public:
  explicit unsettled_events(std::size_t prefetch) : prefetch_(prefetch) {}

  /// How many more may be received.
  std::size_t room(std::size_t max) const { return std::min(max, prefetch_ - std::min(prefetch_, places_.size())); }
  bool empty() const { return places_.empty(); }
  const std::map<std::uint64_t, Place>& all() const { return places_; }

  /// The tag that it is settled by.
  std::uint64_t add(Place place) {
    places_.emplace(++last_tag_, std::move(place));
    return last_tag_;
  }
  /// The places of the tags; they are settled then. Tags that are not known are ignored.
  std::vector<Place> settle(std::span<const std::uint64_t> tags) {
    std::vector<Place> settled;
    for (const auto tag : tags)
      if (auto found = places_.extract(tag)) settled.push_back(std::move(found.mapped()));
    return settled;
  }
  std::vector<Place> settle_all() {
    std::vector<Place> settled;
    for (auto& [tag, place] : std::exchange(places_, {})) settled.push_back(std::move(place));
    return settled;
  }

 private:
  std::size_t prefetch_;
  std::uint64_t last_tag_ = 0;
  std::map<std::uint64_t, Place> places_;
};

/// A publisher over a connection that is made when it is needed, with back-off, and dropped when it fails. A `Link` has
/// - `publish(batch)`: returns when the engine has confirmed it, and what nobody took, to be published again: its queue
///   was deleted, or has just been made and is not ready. Where that does not help, another connection is made;
/// - `depth(queue)`;
/// - `is_up()`: whether nothing is known of its end. It is asked before each use: what was cut while idle costs nobody
///   a request;
/// - perhaps `is_blocked()`: one that is, is kept when it fails.
template <class Link>
class reconnecting_publisher : public queue_publisher {
 public:
  /// `make` throws `unavailable`. `where` is for what is told of a queue that takes nothing: "redis at HOST".
  reconnecting_publisher(std::string where, std::function<std::unique_ptr<Link>()> make)
      : where_(std::move(where)), make_(std::move(make)) {}

  void publish(std::span<const outgoing> batch) override {
    constexpr int tries = 5;
    constexpr milliseconds moment{20};
    std::vector<outgoing> left;
    for (int again = 0; again < tries; ++again) {
      if (again > 0) std::this_thread::sleep_for(again * moment);
      const auto untaken = std::exchange(left, {});
      with_link([&](Link& link) { left = link.publish(again > 0 ? std::span<const outgoing>(untaken) : batch); });
      if (left.empty()) return;
    }
    // A channel of RabbitMQ that has seen a queue without a leader may refuse for ever; another one does not.
    link_.drop();
    throw unavailable(unavailable::reason::away,
                      where_ + ": queue \"" + left.front().queue + "\" does not take what is published");
  }

  std::size_t depth(const std::string& queue) override {
    std::size_t waiting = 0;
    with_link([&](Link& link) { waiting = link.depth(queue); });
    return waiting;
  }

 private:
  template <class Use>
  void with_link(const Use& use) {
    if (link_.current() && !link_.current()->is_up()) link_.drop();
    auto& link = link_.get(make_);
    try {
      use(link);
    } catch (...) {
      if (!is_blocked(link)) link_.drop();
      throw;
    }
  }
  static bool is_blocked(const Link& link) {
    if constexpr (requires { link.is_blocked(); })
      return link.is_blocked();
    else
      return false;
  }

  std::string where_;
  std::function<std::unique_ptr<Link>()> make_;
  reconnecting<Link> link_;
};

}  // namespace amc::queue_system
