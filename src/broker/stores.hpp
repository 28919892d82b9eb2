#pragma once

#include <memory>

#include "amc/config.hpp"
#include "amc/store.hpp"

namespace amc::broker {

/// The keys of every store. A new store is one folder and one line in stores.cpp.
std::vector<config_key> store_keys();

/// Opens the store that `broker.store.engine` names; throws startup_error when it cannot.
std::unique_ptr<store> open_store(const config& settings);

}  // namespace amc::broker
