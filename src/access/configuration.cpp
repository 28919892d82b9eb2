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
      }};
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
