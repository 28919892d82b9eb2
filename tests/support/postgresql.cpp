#include "tests/support/postgresql.hpp"

#include <libpq-fe.h>

#include <cstdlib>
#include <stdexcept>

#include "tests/support/unique_name.hpp"

namespace amc::tests {
namespace {

void execute_at(const std::string& url, const std::string& sql) {
  postgresql_session(url).execute(sql);
}

}  // namespace

std::uint16_t port_in(const std::string& url) {
  const auto address = url.substr(url.find('@') + 1);
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
}

postgresql_database::postgresql_database(const std::string& how) {
  const char* server = std::getenv("AMC_TEST_POSTGRESQL_URL");
  if (!server)
    throw std::runtime_error("AMC_TEST_POSTGRESQL_URL names no server: run scripts/with-test-servers COMMAND");
  server_ = server;
  name_ = "amc_test_" + unique_name('_');
  execute_at(server_, "CREATE DATABASE " + name_ + " " + how);
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

postgresql_session::postgresql_session(const std::string& url) : link_(PQconnectdb(url.c_str())) {}

postgresql_session::~postgresql_session() {
  PQfinish(link_);
}

void postgresql_session::execute(const std::string& sql) {
  auto* done = PQexec(link_, sql.c_str());
  const auto state = PQresultStatus(done);
  PQclear(done);
  if (state != PGRES_COMMAND_OK && state != PGRES_TUPLES_OK)
    throw std::runtime_error(sql + ": " + PQerrorMessage(link_));
}

std::string postgresql_session::value(const std::string& sql) {
  auto* done = PQexec(link_, sql.c_str());
  const std::string found = PQntuples(done) > 0 ? PQgetvalue(done, 0, 0) : "";
  PQclear(done);
  return found;
}

int postgresql_session::notifications() {
  execute("SELECT 1");  // after this everything that was committed before has come
  while (auto* told = PQnotifies(link_)) {
    ++notifications_;
    PQfreemem(told);
  }
  return notifications_;
}

}  // namespace amc::tests
