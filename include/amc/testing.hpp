#pragma once

#include <memory>
#include <string>
#include <vector>

#include "amc/message.hpp"

/// For tests of services and clients of one's own: a whole broker inside the test's process.
namespace amc::testing {

/// A broker on any free port of the loopback, over a SQLite file in a temporary folder, which goes away with it. It is
/// ready when it is made. Its clock is the system's, and moves on when the test says so: leases end, back-off is over,
/// what is due later is due, messages expire. For any thread.
///
///     amc::testing::broker broker;
///     amc::serving services({{"greeter", "names", greet}}, {"consumer_services.broker_client.url=" + broker.url()});
///     amc::client client(broker.url());
///     EXPECT_EQ(client.post_and_wait(amc::new_message("Ada").to("names"), std::chrono::seconds(10)).text, "Hello,
///     Ada!");
class AMC_EXPORT broker {
 public:
  /// `sets`: "KEY=VALUE", over the defaults; neither files nor the environment are read. Throws std::runtime_error,
  /// with one line that says what to do.
  explicit broker(std::vector<std::string> sets = {});
  ~broker();
  broker(const broker&) = delete;
  broker& operator=(const broker&) = delete;

  /// "http://127.0.0.1:PORT"
  std::string url() const;

  /// Moves the broker's clock on. What is due by then begins at once, in its order; it need not be over when this
  /// returns. Requests that are parked at the broker, such as those of services, are answered when their time is over,
  /// and asked again.
  void advance(milliseconds by);

  /// Stops, as a broker that is told to, and starts again at the same URL with what its store has.
  void restart();

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace amc::testing
