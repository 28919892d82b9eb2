#include "access/configuration.hpp"

#include "access/exposure.hpp"

namespace amc::access {

config_provider provider() {
  return {
      "access",
      {
          {.path = "broker.access.tokens_file",
           .default_yaml = "\"\"",
           .help =
               "the YAML list of tokens, as \"amc token new\" prints its entries; read again when it changes. Empty: "
               "nobody is asked for one"},
          {.path = "broker.access.open",
           .kind = config_key::type::boolean,
           .default_yaml = "false",
           .help = "whether a broker on an address that others reach may start without tokens_file: then everybody who "
                   "reaches it may do everything, and each start says so"},
          number_key("broker.access.quota.requests_per_s", "0",
                     "requests that one principal may make each second; more are answered 429. 0: any number. An entry "
                     "of tokens_file may have a quota of its own",
                     0, 1'000'000'000),
          number_key("broker.access.quota.bytes_per_s", "0",
                     "of its requests' bodies and their answers; who had more is answered 429 until that is made up "
                     "for. 0: any number",
                     0, std::int64_t{1} << 40),
          number_key("broker.access.quota.parked_max", "1000",
                     "requests of one principal that wait, for messages or for work; more are answered 429. 0: any "
                     "number",
                     0, 1'000'000),
          number_key("broker.access.quota.pending_max", "0",
                     "messages that one principal has posted and that are pending; more are answered 429. Counted at "
                     "most once a second. 0: any number",
                     0, 1'000'000'000),
      }};
}

quota quota_from(const config& settings) {
  return {.requests_per_s = settings.size("broker.access.quota.requests_per_s"),
          .bytes_per_s = settings.size("broker.access.quota.bytes_per_s"),
          .parked_max = settings.size("broker.access.quota.parked_max"),
          .pending_max = settings.size("broker.access.quota.pending_max")};
}

std::shared_ptr<token_identity> identity_from(const environment& env, const config& settings) {
  const auto file = settings.text("broker.access.tokens_file");
  return file.empty() ? nullptr : std::make_shared<token_identity>(env, file);
}

bool refuses_forwarded(const config& settings) {
  return !settings.boolean("broker.access.open");
}

void check(const config& settings, const char* address_key) {
  const auto file = settings.text("broker.access.tokens_file");
  const auto address = settings.text(address_key);
  if (!file.empty()) token_table::read(file);
  if (!file.empty() || is_loopback(address) || settings.boolean("broker.access.open")) return;
  throw settings.complaint(
      address_key, address +
                       " is reached from other hosts, and nobody would be asked who they are: name a file of "
                       "tokens in broker.access.tokens_file (\"amc token new\" makes them), or listen on 127.0.0.1, "
                       "or say broker.access.open: true where everybody may do everything");
}

}  // namespace amc::access
