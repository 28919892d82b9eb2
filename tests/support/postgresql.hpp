#pragma once

#include <string>

namespace amc::tests {

/// A database of its own on the test server (AMC_TEST_POSTGRESQL_URL), dropped at the end. Throws where there is no
/// server: run the tests through `make test`, or scripts/with-test-servers.
class postgresql_database {
 public:
  postgresql_database();
  ~postgresql_database();
  postgresql_database(const postgresql_database&) = delete;
  postgresql_database& operator=(const postgresql_database&) = delete;

  std::string url() const;
  /// Runs a statement in this database.
  void execute(const std::string& sql) const;

 private:
  std::string server_;
  std::string name_;
};

}  // namespace amc::tests
