#pragma once

#include <functional>
#include <memory>
#include <string>

#include "access/jwk_set.hpp"
#include "core/environment.hpp"
#include "core/task.hpp"
#include "http/client.hpp"

namespace amc::access {

struct jwk_fetcher_options {
  std::string url{};        ///< "https://HOST/PATH", for the log
  std::string target{};     ///< what the caller is asked for: "/PATH"
  milliseconds timeout{};   ///< for one answer
  milliseconds interval{};  ///< between two looks; a look that came to nothing is repeated sooner
};

/// Asks a server for the keys of an issuer, now and then. An answer that is no set of keys, and whatever is no 200,
/// changes nothing and is logged, once until it gets better; nobody is followed to another place. For one thread.
class jwk_fetcher {
 public:
  /// `got` takes what an answer has.
  jwk_fetcher(const environment& env, std::shared_ptr<http::caller> server, jwk_fetcher_options options,
              std::function<void(jwk_set)> got);

  void run() { tasks_.spawn(loop()); }
  task<void> stop();
  /// A token names a key that is not among those: asks soon, unless it has asked within the last minute.
  void look_again();

 private:
  task<void> loop();
  task<bool> ask();
  void complain(const std::string& why);

  environment env_;
  std::shared_ptr<http::caller> server_;
  jwk_fetcher_options options_;
  std::function<void(jwk_set)> got_;
  std::string answer_{};  ///< the last one that was a set of keys
  timers::time_point asked_{};
  bool told_ = false;  ///< that it comes to nothing
  bool stopping_ = false;
  alarm_clock clock_;
  task_group tasks_;
};

/// An https URL taken apart: "https://HOST:PORT" and "/PATH?QUERY".
struct https_url {
  std::string server{}, target{};
};
/// Nothing for any other text, nor for one with credentials or a fragment.
std::optional<https_url> parse_https_url(std::string_view text);

}  // namespace amc::access
