#include "tests/support/postgresql.hpp"

#include <libpq-fe.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace amc::tests {
namespace {

void execute_at(const std::string& url, const std::string& sql) {
  auto* link = PQconnectdb(url.c_str());
  auto* done = PQexec(link, sql.c_str());
  const auto state = PQresultStatus(done);
  const std::string error = PQerrorMessage(link);
  PQclear(done);
  PQfinish(link);
  if (state != PGRES_COMMAND_OK && state != PGRES_TUPLES_OK) throw std::runtime_error(sql + ": " + error);
}

}  // namespace

postgresql_database::postgresql_database() {
  static std::atomic<int> count = 0;
  const char* server = std::getenv("AMC_TEST_POSTGRESQL_URL");
  if (!server)
    throw std::runtime_error("AMC_TEST_POSTGRESQL_URL names no server: run scripts/with-test-servers COMMAND");
  server_ = server;
  name_ = "amc_test_" + std::to_string(getpid()) + "_" + std::to_string(++count);
  execute_at(server_, "CREATE DATABASE " + name_);
}

postgresql_database::~postgresql_database() {
  try {
    execute_at(server_, "DROP DATABASE " + name_ + " WITH (FORCE)");
  } catch (const std::exception&) {
    // the server may be gone already
  }
}

std::string postgresql_database::url() const {
  return server_.substr(0, server_.rfind('/') + 1) + name_;
}

void postgresql_database::execute(const std::string& sql) const {
  execute_at(url(), sql);
}

}  // namespace amc::tests
