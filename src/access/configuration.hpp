#pragma once

#include <memory>

#include "access/identity.hpp"
#include "core/config.hpp"
#include "core/environment.hpp"

namespace amc::access {

/// The keys `broker.access.…`.
config_provider provider();

/// As configured; null where no access is. Throws config_error.
std::shared_ptr<identity> identity_from(const environment& env, const config& settings);

/// What each principal may take, where nothing of its own is said.
quota quota_from(const config& settings);

/// Whether a broker that asks nobody who they are refuses what unknown proxies pass on: unless it is meant to be open.
bool refuses_forwarded(const config& settings);

/// What a start would complain about: a file of tokens or keys that is wrong; and an address that others reach
/// (`address_key`), where nobody is asked who they are and `broker.access.open` does not say that this is meant. Throws
/// config_error.
void check(const config& settings, const char* address_key);

}  // namespace amc::access
