#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

#include <boost/version.hpp>

#include "app/demo.hpp"
#include "queue_system/rabbitmq/rabbitmq_c.hpp"
#ifdef AMC_WITH_KAFKA
#include <librdkafka/rdkafka.h>
#endif

namespace amc::app {
namespace {

/// The library that a store or an engine is made with, as it is now linked; empty: none.
std::string library_of(const std::string& name) {
  if (name == "sqlite") return std::string(" (SQLite ") + sqlite3_libversion() + ")";
  if (name == "postgresql")
    return " (libpq " + std::to_string(PQlibVersion() / 10'000) + "." + std::to_string(PQlibVersion() % 10'000) + ")";
#ifdef AMC_WITH_KAFKA
  if (name == "kafka") return std::string(" (librdkafka ") + rd_kafka_version_str() + ")";
#endif
  if (name == "rabbitmq") return std::string(" (rabbitmq-c ") + amqp_version() + ")";
  return "";
}

/// What a key can be set to is what is built in.
std::string choices_of(const std::vector<config_provider>& known, std::string_view path) {
  std::string all;
  for (const auto& provider : known)
    for (const auto& key : provider.keys)
      if (key.path == path)
        for (const auto& name : key.choices) all += (all.empty() ? "" : ", ") + name + library_of(name);
  return all;
}

}  // namespace

std::string version_text(const std::vector<config_provider>& known) {
  constexpr int boost_major = BOOST_VERSION / 100'000, boost_minor = BOOST_VERSION / 100 % 1'000;
  return "amc " AMC_VERSION "\nstores: " + choices_of(known, "broker.store.engine") +
         "\nqueue engines: " + choices_of(known, "queue_system.platform") + "\nBoost " + std::to_string(boost_major) +
         "." + std::to_string(boost_minor) + ", " + OpenSSL_version(OPENSSL_VERSION) + "\n";
}

}  // namespace amc::app
