#include "tests/chaos/load.hpp"

#include <chrono>

namespace amc::chaos {

class load::client {
 public:
  client(load& all, options how, int number)
      : all_(all),
        how_(std::move(how)),
        name_(how_.name + "-" + std::to_string(number)),
        random_(how_.seed * 1'000 + static_cast<std::uint64_t>(number)),
        links_(how_.ports.size()),
        thread_([this] { run(); }) {}

  void join() {
    if (thread_.joinable()) thread_.join();
  }

  std::vector<post> posts{};
  std::vector<std::string> complaints{};

 private:
  int any(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }
  bool chance(int percent) { return any(1, 100) <= percent; }

  void run() {
    while (!all_.stopping_ && (how_.posts_max == 0 || posts.size() < static_cast<std::size_t>(how_.posts_max))) {
      post_one();
      pause(how_.pause_max_ms);
    }
  }

  void pause(int max_ms) { std::this_thread::sleep_for(std::chrono::milliseconds(any(0, max_ms))); }

  void post_one() {
    post now;
    now.token = name_ + "-" + std::to_string(posts.size() + 1);
    if (chance(50)) now.key = "key-" + now.token;
    constexpr int again_max_ms = 50;
    do {
      attempt(now);
      if (now.id.empty()) pause(again_max_ms);
    } while (now.id.empty() && !now.key.empty() && !all_.stopping_);
    if (!now.id.empty() && !now.key.empty() && chance(20)) attempt(now);  // and once more, which must change nothing
    posts.push_back(std::move(now));
  }

  void attempt(post& now) {
    const auto at = static_cast<std::size_t>(any(0, static_cast<int>(links_.size()) - 1));
    auto& link = links_[at];
    const bool fresh = !link;
    try {
      if (fresh) link = std::make_unique<tests::raw_connection>(how_.ports[at]);
    } catch (const std::exception&) {
      ++all_.refused_;
      return;
    }
    now.sent = true;
    try {
      take(now, link->ask("POST", chance(50) ? "/messages" : "/", "{\"message\":\"" + text_of(now.token) + "\"}",
                          headers_for(now)));
    } catch (const std::exception&) {
      link.reset();  // killed in the middle
      ++all_.unknown_;
    }
  }

  std::string headers_for(const post& now) {
    std::string all;
    if (!now.key.empty()) all += "Idempotency-Key: \"" + now.key + "\"\r\n";
    if (chance(how_.waiting_percent)) all += "Prefer: wait=2\r\n";
    return all;
  }

  void take(post& now, const tests::answer& got) {
    if (got.status == 503) {
      ++all_.unknown_;
      ++all_.overloaded_;
      return;
    }
    if (got.status < 200 || got.status > 202) {
      complaints.push_back(now.token + " was answered " + std::to_string(got.status) + ": " + got.body);
      return;
    }
    const auto told = got.json();
    const std::string id(told.at("id").as_string()), text(told.at("message").as_string());
    if (now.id.empty()) ++all_.accepted_;
    if (!now.id.empty() && id != now.id) complaints.push_back(now.token + " is both " + now.id + " and " + id);
    if (told.at("status").as_string() == "done" && !is_finished(text, now.token))
      complaints.push_back(now.token + " was shown as done: " + text);
    now.id = id;
  }

  load& all_;
  const options how_;
  const std::string name_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<tests::raw_connection>> links_;
  std::thread thread_;
};

load::load(const options& how) {
  for (int i = 1; i <= how.clients; ++i) clients_.push_back(std::make_unique<client>(*this, how, i));
}

load::~load() {
  stop();
}

void load::stop() {
  stopping_ = true;
  wait();
}

void load::wait() {
  for (const auto& each : clients_) each->join();
}

std::vector<post> load::journal() const {
  std::vector<post> all;
  for (const auto& each : clients_) all.insert(all.end(), each->posts.begin(), each->posts.end());
  return all;
}

std::vector<std::string> load::complaints() const {
  std::vector<std::string> all;
  for (const auto& each : clients_) all.insert(all.end(), each->complaints.begin(), each->complaints.end());
  return all;
}

}  // namespace amc::chaos
