#include "access/token_caller.hpp"

#include <algorithm>
#include <fstream>

#include "core/config.hpp"
#include "core/text.hpp"

namespace amc::access {
namespace {

constexpr std::size_t token_max_bytes = 4'096;

/// Throws config_error.
std::string token_in_file(const std::string& file) {
  std::ifstream in(file);
  std::string line(token_max_bytes + 1, '\0');
  in.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<std::size_t>(in.gcount()));
  const auto token = trimmed(std::string_view(line).substr(0, line.find('\n')));
  const auto is_part = [](unsigned char c) { return c > ' ' && c < 0x7f; };
  const bool is_token =
      !token.empty() && token.size() <= token_max_bytes && std::all_of(token.begin(), token.end(), is_part);
  if (!is_token)
    throw config_error("consumer_services.broker_client.token_file: the first line of \"" + file +
                       "\" is no token, or cannot be read; \"amc token new\" makes one");
  return std::string(token);
}

class token_caller : public http::caller {
 public:
  token_caller(const environment& env, std::shared_ptr<http::caller> to, std::string file)
      : env_(env), to_(std::move(to)), file_(std::move(file)), token_(token_in_file(file_)), read_(env.timers->now()) {}

  task<http::response> send(http::request asked, milliseconds timeout) override {
    constexpr milliseconds read_interval{1'000};
    if (env_.timers->now() - read_ >= read_interval) read_again();
    asked.headers.add("Authorization", "Bearer " + token_);
    co_return co_await to_->send(std::move(asked), timeout);
  }

 private:
  void read_again() try {
    token_ = token_in_file(file_);
    read_ = env_.timers->now();
  } catch (const config_error& gone) {
    throw unavailable(unavailable::reason::away, gone.what());
  }

  environment env_;
  std::shared_ptr<http::caller> to_;
  std::string file_;
  std::string token_;
  timers::time_point read_;
};

}  // namespace

std::shared_ptr<http::caller> with_token(const environment& env, std::shared_ptr<http::caller> to, std::string file) {
  if (file.empty()) return to;
  return std::make_shared<token_caller>(env, std::move(to), std::move(file));
}

}  // namespace amc::access
