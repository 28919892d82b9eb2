#include "message_store/postgresql/postgresql.hpp"

namespace amc::message_store {

std::vector<config_key> postgresql_keys() {
  constexpr std::int64_t longest_ms = 600'000;
  return {
      {.path = "broker.store.postgresql.url",
       .kind = config_key::type::url,
       .default_yaml = "postgresql://amc@127.0.0.1:5432/amc",
       .help = "the database; its tables are made at the first start"},
      number_key("broker.store.postgresql.connections", "2", "connections that change messages; a broker has two more",
                 1, 64),
      number_key("broker.store.postgresql.connect_timeout_ms", "5000",
                 "to connect to one address of one host; connect_timeout in the URL, in seconds, goes before", 100,
                 longest_ms),
      number_key("broker.store.postgresql.answer_timeout_ms", "10000",
                 "for one batch of changes, whose outcome is unknown then, and for one list or count", 100, longest_ms),
      number_key("broker.store.postgresql.poll_interval_ms", "1000",
                 "parked requests look again after this, should a notification of another process have been lost", 10,
                 longest_ms)};
}

postgresql_options postgresql_options_from(const config& settings) {
  postgresql_options options;
  constexpr const char* url = "broker.store.postgresql.url";
  options.url = settings.text(url);
  if (const auto wrong = complaint_of_postgresql_url(options.url)) throw settings.complaint(url, *wrong);
  options.connections = settings.size("broker.store.postgresql.connections");
  options.connect_timeout = settings.duration("broker.store.postgresql.connect_timeout_ms");
  options.answer_timeout = settings.duration("broker.store.postgresql.answer_timeout_ms");
  options.poll_interval = settings.duration("broker.store.postgresql.poll_interval_ms");
  return options;
}

}  // namespace amc::message_store
