#include "message_store/postgresql/changes.hpp"

#include <boost/json.hpp>
#include <random>

#include "core/back_off.hpp"
#include "message_store/postgresql/values.hpp"

namespace amc::message_store::postgresql {
namespace json = boost::json;
namespace {

using clock = std::chrono::steady_clock;

// "SENDER id id …", or "SENDER *" when they are too many for the 8,000 bytes that PostgreSQL takes.
constexpr std::size_t sender_size = 8;
constexpr std::size_t id_size = 36;
constexpr std::size_t ids_max = 200;
constexpr std::string_view changed_channel = "amc_changed";
// "SENDER QUEUE"
constexpr std::string_view waits_channel = "amc_waits";
// "SENDER {"queue": QUEUE, "second": NUMBER, "taken": [COUNT, …], "services": [[NAME, MILLISECONDS], …]}"
constexpr std::string_view receives_channel = "amc_receives";
constexpr std::size_t receives_max_bytes = 7'000;

class feed : public change_feed {
 public:
  feed(postgresql_options options, std::string own_sender)
      : options_(std::move(options)), own_sender_(std::move(own_sender)) {}

  news wait(milliseconds longest) override {
    news all;
    if (!link_.current()) all.everything = true;  // what was told before is lost
    auto& link = link_.get([this] { return listen(); });
    try {
      if (!all.everything)
        for (const auto& told : link.notifications(longest)) add(all, parse_notification(told, own_sender_));
    } catch (const unavailable&) {
      link_.drop();
      throw;
    }
    all.hears_nobody = link.is_pooled();
    if (all.everything || clock::now() >= next_poll_) {
      all.everything = true;
      next_poll_ = clock::now() + options_.poll_interval;
    }
    return all;
  }

 private:
  std::unique_ptr<connection> listen() const {
    auto fresh = std::make_unique<connection>(options_, "changes");
    try {
      // A pooler gives what a session hears to whoever has it by then: behind one there is only the poll.
      if (!fresh->is_pooled()) fresh->script("LISTEN amc_changed; LISTEN amc_waits; LISTEN amc_receives");
    } catch (const server_error& failed) {  // not covered: a standby, which takes a second server that replicates
      throw failed.as_unavailable();
    }
    return fresh;
  }

  static void add(news& to, news more) {
    to.everything = to.everything || more.everything;
    to.ids.insert(to.ids.end(), more.ids.begin(), more.ids.end());
    to.queues.insert(to.queues.end(), more.queues.begin(), more.queues.end());
    to.received.insert(to.received.end(), more.received.begin(), more.received.end());
    to.from.insert(to.from.end(), more.from.begin(), more.from.end());
  }

  postgresql_options options_;
  std::string own_sender_;
  reconnecting<connection> link_;
  clock::time_point next_poll_{};
};

/// As many as there is room for.
std::string receiving_text(const receiving& who) {
  json::array services;
  const json::array taken(who.taken.begin(), who.taken.end());
  std::size_t bytes = who.queue.size() + json::serialize(taken).size();
  for (const auto& each : who.services) {
    json::array service{each.name, each.seen_ago.count()};
    bytes += json::serialize(service).size() + 1;
    if (bytes > receives_max_bytes) break;
    services.push_back(std::move(service));
  }
  return json::serialize(
      json::object{{"queue", who.queue}, {"second", who.second}, {"taken", taken}, {"services", std::move(services)}});
}

/// Nothing where it is no such text: another version may say more, or otherwise.
std::optional<receiving> parse_receiving(std::string_view text) {
  try {
    const auto told = json::parse(text);
    receiving who{.queue = std::string(told.at("queue").as_string()),
                  .second = told.at("second").to_number<std::int64_t>()};
    for (const auto& each : told.at("taken").as_array()) who.taken.push_back(each.to_number<std::uint32_t>());
    for (const auto& each : told.at("services").as_array())
      who.services.push_back({std::string(each.at(0).as_string()), milliseconds(each.at(1).to_number<std::int64_t>())});
    return who;
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace

std::string new_sender() {
  constexpr const char* digits = "0123456789abcdef";
  std::random_device random;
  std::string name;
  while (name.size() < sender_size) name += digits[random() % 16];
  return name;
}

connection::call notify_call(const std::string& sender, std::span<const uuid> ids,
                             std::span<const std::string> queues) {
  array_text channels, payloads;
  if (!ids.empty()) {
    std::string payload = sender;
    if (ids.size() > ids_max)
      payload += " *";
    else
      for (const auto& id : ids) payload.append(" ").append(to_string(id));
    channels.add(std::string(changed_channel));
    payloads.add(payload);
  }
  for (const auto& queue : queues) {
    channels.add(std::string(waits_channel));
    payloads.add(sender + " " + queue);
  }
  return {"notify", nullptr, parameters().add(channels.finished()).add(payloads.finished())};
}

connection::call receiving_call(const std::string& sender, std::span<const receiving> all) {
  array_text channels, payloads;
  for (const auto& who : all) {
    channels.add(std::string(receives_channel));
    payloads.add(sender + " " + receiving_text(who));
  }
  return {"notify", nullptr, parameters().add(channels.finished()).add(payloads.finished())};
}

change_feed::news parse_notification(const connection::notification& heard, const std::string& own_sender) {
  change_feed::news told;
  const auto& payload = heard.payload;
  if (payload.starts_with(own_sender + " ")) return told;
  const auto said = std::string_view(payload).substr(std::min(payload.size(), sender_size + 1));
  if (heard.channel == waits_channel) {
    if (!said.empty()) told.queues.emplace_back(said);
    return told;
  }
  if (heard.channel == receives_channel) {
    if (auto who = parse_receiving(said)) {
      who->from = payload.substr(0, sender_size);
      told.received.push_back(std::move(*who));
    }
    return told;
  }
  told.from.push_back(payload.substr(0, sender_size));
  for (std::size_t at = sender_size; at < payload.size(); at += 1 + id_size) {
    const auto id = parse_uuid(std::string_view(payload).substr(at + 1, id_size));
    if (id) told.ids.push_back(*id);
    // "*", or anything else that is not understood: look everywhere.
    told.everything = told.everything || !id;
  }
  return told;
}

std::vector<std::string> announcements::after(std::span<const change> batch, clock::time_point now) {
  std::vector<std::string> queues;
  for (const auto& what : batch) {
    const auto& then = what.then;
    const bool waits =
        then.text && then.status == status::pending && then.held == false && then.due_in == milliseconds(0);
    if (!waits) continue;
    auto& last = last_[*then.queue];
    if (now - last < pause) continue;
    last = now;
    queues.push_back(*then.queue);
  }
  return queues;
}

std::unique_ptr<change_feed> make_change_feed(const postgresql_options& options, std::string own_sender) {
  return std::make_unique<feed>(options, std::move(own_sender));
}

}  // namespace amc::message_store::postgresql
