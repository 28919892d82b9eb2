#include "message_store/stores.hpp"

#include <algorithm>

#include "core/invariant.hpp"
#include "message_store/postgresql/postgresql.hpp"
#include "message_store/sqlite/sqlite.hpp"

namespace amc::message_store {
namespace {

std::size_t past_max_bytes(const config& settings) {
  return settings.boolean("broker.history") ? settings.size("broker.history_max_bytes") : 0;
}

struct registration {
  std::string name;
  std::string place;  ///< the key that says where it is
  std::vector<config_key> keys;
  void (*check)(const config& settings);
  opened_store (*open)(const config& settings);
  migration (*migrate)(const config& settings, bool only_plan);
};

sqlite_options sqlite_options_from(const config& settings) {
  constexpr const char* key = "broker.store.sqlite.path";
  auto path = settings.text(key);
  if (path.empty()) throw settings.complaint(key, "name a file, such as var/amc.db");
  return {std::move(path), {}, past_max_bytes(settings)};
}

const std::vector<registration>& registrations() {
  static const std::vector<registration> all{
      {"sqlite",
       "broker.store.sqlite.path",
       {{.path = "broker.store.sqlite.path",
         .default_yaml = "var/amc.db",
         .help = "the database file; one process owns it"}},
       [](const config& settings) { sqlite_options_from(settings); },
       [](const config& settings) { return open_sqlite(sqlite_options_from(settings)); },
       [](const config& settings, bool only_plan) { return migrate_sqlite(sqlite_options_from(settings), only_plan); }},
      {"postgresql", "broker.store.postgresql.url", postgresql_keys(),
       [](const config& settings) { postgresql_options_from(settings); },
       [](const config& settings) {
         auto options = postgresql_options_from(settings);
         options.past_max_bytes = past_max_bytes(settings);
         return open_postgresql(options);
       },
       [](const config& settings, bool only_plan) {
         return migrate_postgresql(postgresql_options_from(settings), only_plan);
       }},
  };
  return all;
}

}  // namespace

config_provider provider() {
  config_key choice{.path = "broker.store.engine", .default_yaml = "sqlite", .help = "where messages are kept"};
  for (const auto& engine : registrations()) choice.choices.push_back(engine.name);
  config_provider all{"message_store", {choice}};
  for (const auto& engine : registrations()) all.keys.insert(all.keys.end(), engine.keys.begin(), engine.keys.end());
  all.keys.push_back(
      number_key("broker.store.inbox_max", "8192", "requests that may wait for the store; more are answered 503"));
  all.keys.push_back(number_key("broker.store.batch_max", "512", "requests that become one transaction", 1, 10'000));
  all.keys.push_back(number_key("broker.store.inbox_max_bytes", "268435456",
                                "of the texts of requests that wait for the store; more are answered 503", 1 << 20,
                                std::int64_t{1} << 40));
  all.keys.push_back(number_key("broker.store.batch_max_bytes", "67108864",
                                "of the texts that one transaction takes and gives", 1 << 20, std::int64_t{1} << 40));
  all.keys.push_back({.path = "broker.history",
                      .kind = config_key::type::boolean,
                      .default_yaml = "true",
                      .help = "whether what the earlier revisions of a message said is kept with it; what became of "
                              "them, when and by whom, always is"});
  all.keys.push_back(
      number_key("broker.history_max_bytes", "65536",
                 "of what the earlier revisions of one message said, at 100 bytes more than the text of each; the "
                 "oldest go first, and a larger one is not kept",
                 0, 1 << 30));
  return all;
}

namespace {

const registration& configured(const config& settings) {
  const auto name = settings.text("broker.store.engine");
  const auto& all = registrations();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& engine) { return engine.name == name; });
  ensure(found != all.end(), "the configuration chooses one of the stores");
  return *found;
}

}  // namespace

void check_store(const config& settings) {
  configured(settings).check(settings);
}

opened_store open_store(const config& settings) {
  return configured(settings).open(settings);
}

migration migrate_store(const config& settings, bool only_plan) {
  return configured(settings).migrate(settings, only_plan);
}

limits limits_from(const config& settings, std::size_t text_max_bytes) {
  // What a row has of a message of so many bytes: these may be in base64, with headers beside them.
  const auto kept_max_bytes = text_max_bytes / 3 * 4 + 4 + headers_max_bytes;
  return {settings.size("broker.store.inbox_max"),
          settings.size("broker.store.inbox_max_bytes"),
          settings.size("broker.store.batch_max"),
          settings.size("broker.store.batch_max_bytes"),
          kept_max_bytes,
          past_max_bytes(settings)};
}

std::string store_name(const config& settings) {
  const auto& engine = configured(settings);
  return engine.name + " at " + printable(settings.at(engine.place)) + " (" + engine.place + ")";
}

}  // namespace amc::message_store
