#include "core/loop.hpp"

#include <future>

namespace amc {

loop::loop(const std::string& name, std::shared_ptr<amc::metrics> numbers)
    : env_(system_environment(context_.get_executor())) {
  if (numbers) env_.metrics = std::move(numbers);
  thread_ = std::thread([this, name] {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    context_.run();
  });
}

loop::~loop() {
  busy_.reset();
  context_.stop();
  thread_.join();
}

void loop::run(std::function<void()> work) {
  std::packaged_task<void()> packaged(std::move(work));
  auto done = packaged.get_future();
  boost::asio::post(context_, [&packaged] { packaged(); });
  done.get();
}

}  // namespace amc
