#include "broker/stores.hpp"

#include "broker/store/postgresql/postgresql.hpp"
#include "broker/store/sqlite/sqlite.hpp"

namespace amc::broker {
namespace {

struct registration {
  std::string name;
  std::vector<config_key> keys;
  std::unique_ptr<store> (*open)(const config& settings);
};

std::unique_ptr<store> open_sqlite_as_configured(const config& settings) {
  sqlite_options options{settings.text("broker.store.sqlite.path"), {}};
  return open_sqlite(std::move(options));
}

std::unique_ptr<store> open_postgresql_as_configured(const config& settings) {
  postgresql_options options;
  options.url = settings.text("broker.store.postgresql.url");
  options.connect_timeout = settings.duration("broker.store.postgresql.connect_timeout_ms");
  options.answer_timeout = settings.duration("broker.store.postgresql.answer_timeout_ms");
  return open_postgresql(std::move(options));
}

const std::vector<registration>& registrations() {
  static const std::vector<registration> all{
      {"sqlite",
       {{.path = "broker.store.sqlite.path",
         .default_yaml = "var/amc.db",
         .help = "the database file; one process owns it"}},
       open_sqlite_as_configured},
      {"postgresql",
       {{.path = "broker.store.postgresql.url",
         .kind = config_key::type::url,
         .default_yaml = "postgresql://amc@127.0.0.1:5432/amc",
         .help = "the database; its tables are made at the first start"},
        {.path = "broker.store.postgresql.connect_timeout_ms",
         .kind = config_key::type::integer,
         .default_yaml = "5000",
         .help = "for one attempt to connect; whole seconds count",
         .min = 1'000,
         .max = 600'000},
        {.path = "broker.store.postgresql.answer_timeout_ms",
         .kind = config_key::type::integer,
         .default_yaml = "10000",
         .help = "for one batch of changes; then the connection is given up, and the outcome is unknown",
         .min = 100,
         .max = 600'000}},
       open_postgresql_as_configured},
  };
  return all;
}

}  // namespace

std::vector<config_key> store_keys() {
  config_key choice{.path = "broker.store.engine", .default_yaml = "sqlite", .help = "where messages are kept"};
  for (const auto& engine : registrations()) choice.choices.push_back(engine.name);
  std::vector<config_key> all{choice};
  for (const auto& engine : registrations()) all.insert(all.end(), engine.keys.begin(), engine.keys.end());
  return all;
}

std::unique_ptr<store> open_store(const config& settings) {
  const auto name = settings.text("broker.store.engine");
  for (const auto& engine : registrations())
    if (engine.name == name) return engine.open(settings);
  throw settings.complaint("broker.store.engine", "no such store");
}

}  // namespace amc::broker
