#include "app/token_command.hpp"

#include "access/new_token.hpp"
#include "core/environment.hpp"
#include "core/standard_streams.hpp"

namespace amc::app {

int token_command(const token_options& asked) {
  const auto lifetime = access::parse_lifetime(asked.expires);
  std::optional<timestamp> expires;
  if (lifetime) expires = system_wall_clock() + *lifetime;
  const auto made = access::make_token(asked.name, asked.rights, expires);
  print(made.token + "\n" + made.entry);
  return 0;
}

}  // namespace amc::app
