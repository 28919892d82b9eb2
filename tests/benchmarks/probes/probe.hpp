#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "core/message.hpp"

/// Probes: what an engine can do for a plain loop over its C library, beside what it does through a driver. Each checks
/// what it did, and throws std::runtime_error when anything is wrong or missing.
namespace amc::benchmarks {

/// How much work each round of a probe is.
struct amount {
  std::size_t count = 0;  ///< operations; a multiple of `batch`
  std::size_t batch = 0;  ///< operations in a transaction, or published before the confirms are waited for
};

/// Does its work once and returns the seconds that it took, without its preparations and checks.
using timed = std::function<double()>;

struct probe {
  std::string name;  ///< "rabbitmq publish"
  timed raw;         ///< empty where there is nothing below the driver
  timed driver;
};

class stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(clock::now() - begun_).count(); }

 private:
  using clock = std::chrono::steady_clock;
  clock::time_point begun_ = clock::now();
};

/// Throws when a benchmark did not do what it measures.
void require(bool holds, const std::string& what);

/// What a conversation begins with and goes on with.
constexpr const char* first_text = "Hi, ";
constexpr const char* second_text = "Hi, Bram.";

/// Events as brokers publish them, one for each of `count` messages.
std::vector<std::string> make_events(std::size_t count);

std::vector<uuid> make_ids(std::size_t count);

std::vector<probe> sqlite_probes(const std::string& folder, amount work);
/// On the server that AMC_TEST_POSTGRESQL_URL names, in a database of its own.
std::vector<probe> postgresql_probes(amount work, std::size_t connections);
/// On the server that AMC_TEST_RABBITMQ_URL names, on quorum queues of its own.
std::vector<probe> rabbitmq_probes(amount work);
std::vector<probe> embedded_probes(amount work);
/// Through the driver of each engine whose server is named (AMC_TEST_NATS_URL, …).
std::vector<probe> engine_probes(amount work);
/// POST over kept connections, one request at a time on each.
std::vector<probe> http_probes(std::size_t count, std::size_t connections);

}  // namespace amc::benchmarks
