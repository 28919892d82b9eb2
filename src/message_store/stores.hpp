#pragma once

#include <memory>

#include "core/config.hpp"
#include "message_store/migration.hpp"
#include "message_store/shared_store.hpp"
#include "message_store/store.hpp"

namespace amc::message_store {

/// The keys of every store. A new store is one folder and one line in stores.cpp.
config_provider provider();

/// Throws config_error for what is wrong with the keys of the store that is configured; looks at nothing else.
void check_store(const config& settings);

/// Opens the store that `broker.store.engine` names, and brings its schema up to date. Throws startup_error when it
/// does not fit, unavailable when it cannot be used.
opened_store open_store(const config& settings);

/// Brings the schema up to date without opening the store, or only tells what that would take.
migration migrate_store(const config& settings, bool only_plan);

/// What it may have to do at once, as configured.
limits limits_from(const config& settings, std::size_t text_max_bytes);

/// The store that is configured, for a person: "postgresql at postgresql://amc:***@…".
std::string store_name(const config& settings);

}  // namespace amc::message_store
