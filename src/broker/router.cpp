#include "broker/router.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <map>
#include <utility>

#include "broker/intake.hpp"
#include "core/text.hpp"

namespace amc::broker {

namespace {

/// One thing that a route may override.
struct policy_setting {
  const char* name;
  const char* default_value;
  const char* help;
  std::int64_t min;
  std::int64_t max;
  void (*set)(router::treatment& of, std::int64_t value);
  std::int64_t (*get)(const router::treatment& of);
};

#define AMC_DURATION(member)                                                          \
  [](router::treatment& of, std::int64_t value) { of.member = milliseconds(value); }, \
      [](const router::treatment& of) -> std::int64_t { return of.member.count(); }
#define AMC_NUMBER(member)                                                                                \
  [](router::treatment& of, std::int64_t value) { of.member = static_cast<decltype(of.member)>(value); }, \
      [](const router::treatment& of) { return static_cast<std::int64_t>(of.member); }

constexpr std::int64_t day_ms = 86'400'000;
constexpr policy_setting policy_settings[] = {
    {"lease_ms", "10000",
     "how long a claim lasts before somebody else may have the message; extended while a handler runs", 10, day_ms,
     AMC_DURATION(rules.lease)},
    {"ring_again_ms", "30000", "a revision that nobody claimed is rung again after this", 10, day_ms,
     AMC_DURATION(rules.ring_again)},
    {"queue_depth_max", "10000", "events that the engine holds of one queue, about", 1, 100'000'000,
     AMC_NUMBER(depth_max)},
    {"max_claims", "5", "a message is dead when so many claims of one revision went unanswered", 1, 1'000'000,
     AMC_NUMBER(rules.max_claims)},
    {"max_failures", "10", "a message is dead when one revision has failed more often than this", 0, 1'000'000,
     AMC_NUMBER(rules.max_failures)},
    {"max_revisions", "1000", "a message that would get more revisions is dead", 1, INT32_MAX,
     AMC_NUMBER(rules.max_revisions)},
    {"back_off_initial_ms", "1000", "the pause after a first failure", 1, day_ms, AMC_DURATION(rules.back_off_initial)},
    {"back_off_factor", "2", "each further pause is so many times as long", 1, 100, AMC_NUMBER(rules.back_off_factor)},
    {"back_off_max_ms", "300000", "no pause is longer", 1, 30 * day_ms, AMC_DURATION(rules.back_off_max)},
    {"back_off_jitter_percent", "20", "a pause is, by chance, up to so much shorter", 0, 100,
     AMC_NUMBER(rules.back_off_jitter_percent)},
};

#undef AMC_DURATION
#undef AMC_NUMBER

router::treatment overridden(router::treatment defaults, const boost::json::object& route) {
  for (const auto& setting : policy_settings)
    if (const auto& value = route.at(setting.name); !value.is_null()) setting.set(defaults, value.as_int64());
  return defaults;
}

bool same(const router::treatment& one, const router::treatment& other) {
  return std::all_of(std::begin(policy_settings), std::end(policy_settings),
                     [&](const auto& setting) { return setting.get(one) == setting.get(other); });
}

/// RFC 6901: "" or "/NAME/NAME…", in which "~" is written "~0" and "/" is written "~1".
bool is_pointer(std::string_view field) {
  if (!field.empty() && field.front() != '/') return false;
  for (std::size_t at = field.find('~'); at != std::string_view::npos; at = field.find('~', at + 1))
    if (at + 1 == field.size() || (field[at + 1] != '0' && field[at + 1] != '1')) return false;
  return true;
}

/// Fields of a JSON value, which is read when one is asked for first.
class fields_of {
 public:
  fields_of(std::string_view text, content_form form) : text_(text), is_value_(form == content_form::json) {}

  std::optional<std::string> at(const std::string& field) {
    if (!is_value_) return {};
    boost::system::error_code failed;
    if (!value_) value_ = boost::json::parse(text_, failed);
    const auto* found = failed ? nullptr : value_->find_pointer(field, failed);
    if (!found) return {};
    return found->is_string() ? std::string(found->get_string()) : boost::json::serialize(*found);
  }

 private:
  std::string_view text_;
  bool is_value_;
  std::optional<boost::json::value> value_{};
};

}  // namespace

std::vector<config_key> router::policy_keys() {
  std::vector<config_key> keys;
  for (const auto& setting : policy_settings)
    keys.push_back({.path = std::string("broker.") + setting.name,
                    .kind = config_key::type::integer,
                    .default_yaml = setting.default_value,
                    .help = setting.help,
                    .min = setting.min,
                    .max = setting.max});
  return keys;
}

/// What a configuration says; never changed.
class router::table {
 public:
  explicit table(const config& settings);

  std::optional<std::size_t> matching(std::string_view text, content_form form) const;
  const life_cycle::destination& destination_of(std::size_t route) const { return routes_[route].to; }
  const std::vector<std::string>& origins_of(std::size_t route) const { return routes_[route].from; }
  const std::vector<std::string>& queues() const { return queues_; }
  bool names(std::string_view queue) const { return treatments_.contains(queue); }
  bool closed() const { return closed_; }
  std::size_t queues_max() const { return queues_max_; }
  const treatment& of(std::string_view queue) const;
  const treatment& defaults() const { return defaults_; }

 private:
  struct entry {
    std::unique_ptr<RE2> pattern;
    std::optional<std::string> field;
    life_cycle::destination to;
    std::vector<std::string> from{};
  };
  using complaint = std::function<void(const std::string& what)>;
  void treat(const std::string& queue, const boost::json::object& fields, const complaint& complain);
  void read_routes(const config& settings);
  void read_queues(const config& settings);

  std::vector<entry> routes_;
  std::vector<std::string> queues_;
  bool closed_;
  std::size_t queues_max_;
  treatment defaults_;
  std::map<std::string, treatment, std::less<>> treatments_;
};

router::table::table(const config& settings)
    : closed_(settings.boolean("broker.queues_closed")), queues_max_(settings.size("broker.queues_max")) {
  for (const auto& setting : policy_settings)
    setting.set(defaults_, settings.integer(std::string("broker.") + setting.name));
  read_routes(settings);
  read_queues(settings);
}

void router::table::read_routes(const config& settings) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  const auto& routes = settings.maps("broker.routes");
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const auto& fields = routes[i].as_object();
    const auto complain = [&](const std::string& what) {
      throw settings.complaint("broker.routes", "route " + std::to_string(i + 1) + ": " + what);
    };
    if (fields.at("match").is_null()) complain("it has no \"match\"");
    const std::string match(fields.at("match").as_string());
    auto pattern = std::make_unique<RE2>(match, options);
    if (!pattern->ok()) complain("\"" + match + "\" is not a regular expression: " + pattern->error());
    std::optional<std::string> field;
    if (const auto& told = fields.at("field"); !told.is_null()) field = told.as_string();
    if (field && !is_pointer(*field))
      complain("\"" + *field + "\" is no field of a JSON value; write it like /customer/level (RFC 6901)");
    const bool done = fields.at("done").as_bool();
    if (done != fields.at("queue").is_null()) complain("give it either a \"queue\" or \"done: true\"");
    std::vector<std::string> from;
    for (const auto& origin : fields.at("from").as_array()) from.emplace_back(origin.as_string());
    if (done) {
      routes_.push_back({std::move(pattern), std::move(field), life_cycle::to_done{}, std::move(from)});
      continue;
    }
    const std::string queue(fields.at("queue").as_string());
    if (queue.empty() || queue.size() > 200) complain("the name of a queue has 1 to 200 characters");
    routes_.push_back({std::move(pattern), std::move(field), life_cycle::to_queue{queue}, std::move(from)});
    treat(queue, fields, complain);
  }
  for (std::size_t i = 0; i < routes_.size(); ++i)
    for (const auto& origin : routes_[i].from)
      if (!is_queue_name(origin) && !treatments_.contains(origin))
        throw settings.complaint("broker.routes", "route " + std::to_string(i + 1) + ": \"from\" has \"" +
                                                      escaped(origin) + "\", which no queue is called");
}

void router::table::read_queues(const config& settings) {
  const auto& queues = settings.maps("broker.queues");
  for (std::size_t i = 0; i < queues.size(); ++i) {
    const auto& fields = queues[i].as_object();
    const auto complain = [&](const std::string& what) {
      throw settings.complaint("broker.queues", "entry " + std::to_string(i + 1) + ": " + what);
    };
    if (fields.at("name").is_null()) complain("it has no \"name\"");
    const std::string name(fields.at("name").as_string());
    if (!is_queue_name(name) && !treatments_.contains(name))
      complain("the name of a queue has 1 to 100 characters of A-Z a-z 0-9 . _ -");
    treat(name, fields, complain);
  }
}

void router::table::treat(const std::string& queue, const boost::json::object& fields, const complaint& complain) {
  const auto treated = overridden(defaults_, fields);
  const auto [known, first] = treatments_.emplace(queue, treated);
  if (first)
    queues_.push_back(queue);
  else if (!same(known->second, treated))
    complain("queue \"" + queue + "\" is treated otherwise before it; give both the same overrides");
}

const router::treatment& router::table::of(std::string_view queue) const {
  const auto found = treatments_.find(queue);
  return found == treatments_.end() ? defaults_ : found->second;
}

std::optional<std::size_t> router::table::matching(std::string_view text, content_form form) const {
  const auto core = trimmed(text);
  const re2::StringPiece whole(core.data(), core.size());
  fields_of value(core, form);
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const auto& [pattern, field, to, from] = routes_[i];
    if (!field && RE2::PartialMatch(whole, *pattern)) return i;
    if (const auto part = field ? value.at(*field) : std::nullopt; part && RE2::PartialMatch(*part, *pattern)) return i;
  }
  return {};
}

router::router(const config& settings) : table_(std::make_shared<const table>(settings)) {}

router::~router() = default;

void router::reload(const config& settings) {
  auto next = std::make_shared<const table>(settings);
  const std::lock_guard lock(guard_);
  table_.swap(next);
}

std::shared_ptr<const router::table> router::now() const {
  const std::lock_guard lock(guard_);
  return table_;
}

std::vector<std::string> router::keys() {
  std::vector<std::string> all{"broker.routes", "broker.queues", "broker.queues_closed", "broker.queues_max"};
  for (auto& key : policy_keys()) all.push_back(std::move(key.path));
  return all;
}

std::optional<life_cycle::destination> router::route(std::string_view text, content_form form) const {
  const auto by = now();
  const auto found = by->matching(text, form);
  if (!found) return {};
  return by->destination_of(*found);
}

std::optional<router::followed> router::follow(std::string_view text, content_form form) const {
  const auto by = now();
  const auto found = by->matching(text, form);
  if (!found) return {};
  return followed{by->destination_of(*found), by->origins_of(*found), by};
}

std::optional<std::size_t> router::matching(std::string_view text, content_form form) const {
  return now()->matching(text, form);
}

std::vector<std::string> router::queues() const {
  return now()->queues();
}

bool router::names(std::string_view queue) const {
  return now()->names(queue);
}

bool router::closed() const {
  return now()->closed();
}

std::size_t router::queues_max() const {
  return now()->queues_max();
}

router::treatment router::of(std::string_view queue) const {
  return now()->of(queue);
}

std::vector<std::pair<std::string, std::int64_t>> router::overrides_of(std::string_view queue) const {
  const auto by = now();
  std::vector<std::pair<std::string, std::int64_t>> all;
  for (const auto& setting : policy_settings)
    if (const auto value = setting.get(by->of(queue)); value != setting.get(by->defaults()))
      all.emplace_back(setting.name, value);
  return all;
}

life_cycle::policy router::rules_of(const life_cycle::destination& to) const {
  const auto by = now();
  const auto* queue = std::get_if<life_cycle::to_queue>(&to);
  return queue ? by->of(queue->name).rules : by->defaults().rules;
}

}  // namespace amc::broker
