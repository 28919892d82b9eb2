#pragma once

#include <cstdint>
#include <string>

struct pg_conn;

namespace amc::tests {

/// Of a URL with one host.
std::uint16_t port_in(const std::string& url);

/// A database of its own on the test server (AMC_TEST_POSTGRESQL_URL), dropped at the end. Throws where there is no
/// server: run the tests through `make test`, or scripts/with-test-servers.
class postgresql_database {
 public:
  /// `how` is what CREATE DATABASE takes after the name.
  explicit postgresql_database(const std::string& how = "");
  ~postgresql_database();
  postgresql_database(const postgresql_database&) = delete;
  postgresql_database& operator=(const postgresql_database&) = delete;

  std::string url() const;
  const std::string& name() const { return name_; }
  /// Runs a statement in this database.
  void execute(const std::string& sql) const;

 private:
  std::string server_;
  std::string name_;
};

/// A connection that shares no code with the store.
class postgresql_session {
 public:
  explicit postgresql_session(const std::string& url);
  ~postgresql_session();
  postgresql_session(const postgresql_session&) = delete;
  postgresql_session& operator=(const postgresql_session&) = delete;

  void execute(const std::string& sql);
  /// The first column of the first row.
  std::string value(const std::string& sql);
  /// How many NOTIFY have come so far.
  int notifications();

 private:
  pg_conn* link_;
  int notifications_ = 0;
};

}  // namespace amc::tests
