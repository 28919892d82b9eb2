#include "tests/simulation/process.hpp"

#include <boost/asio/execution.hpp>

namespace amc::simulation {
namespace {

constexpr milliseconds wall_epoch{1'800'000'000'000};

/// Asio wants one to hang its services on; nothing here uses any.
boost::asio::execution_context& no_services() {
  static boost::asio::execution_context context;
  return context;
}

/// Says so while it exists.
class running_now {
 public:
  explicit running_now(bool& flag) : flag_(flag) { flag_ = true; }
  ~running_now() { flag_ = false; }
  running_now(const running_now&) = delete;
  running_now& operator=(const running_now&) = delete;

 private:
  bool& flag_;
};

template <class Function>
struct job_of : process::job {
  explicit job_of(Function what) : function(std::move(what)) {}
  void run() override { std::move(function)(); }
  Function function;
};

}  // namespace

/// Everything that is posted comes through here, so that a process can be paused, killed and delayed.
class process::executor {
 public:
  executor(process& owner, std::shared_ptr<std::function<milliseconds()>> slow)
      : owner_(&owner), slow_(std::move(slow)) {}

  boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept { return no_services(); }
  boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) const noexcept {
    if (never_blocks_) return boost::asio::execution::blocking.never;
    return boost::asio::execution::blocking.possibly;
  }
  executor require(boost::asio::execution::blocking_t::never_t) const { return with(true); }
  executor require(boost::asio::execution::blocking_t::possibly_t) const { return with(false); }
  friend bool operator==(const executor& a, const executor& b) noexcept {
    return a.owner_ == b.owner_ && a.slow_ == b.slow_ && a.never_blocks_ == b.never_blocks_;
  }
  friend bool operator!=(const executor& a, const executor& b) noexcept { return !(a == b); }

  template <class Function>
  void execute(Function function) const {
    // As an io_context does: what is dispatched on its own thread runs at once.
    if (!slow_ && !never_blocks_ && owner_->on_its_thread()) return std::move(function)();
    auto work = std::make_unique<job_of<Function>>(std::move(function));
    if (slow_)
      owner_->post_slowly(std::move(work), *slow_);
    else
      owner_->post(std::move(work));
  }

 private:
  executor with(bool never_blocks) const {
    auto same = *this;
    same.never_blocks_ = never_blocks;
    return same;
  }

  process* owner_;
  std::shared_ptr<std::function<milliseconds()>> slow_;
  bool never_blocks_ = false;
};

/// The steady clock of one process. Every process has another idea of when time began.
class process::virtual_timers : public timers {
 public:
  explicit virtual_timers(process& owner) : owner_(owner), began_(std::chrono::hours(owner.random_.between(1, 9))) {}

  time_point now() const override { return began_ + owner_.clock(); }

  timer start(milliseconds delay, std::function<void()> fire) override {
    auto handle = std::make_shared<std::function<void()>>(std::move(fire));
    owner_.later(std::max(delay, milliseconds(0)), [waiting = std::weak_ptr(handle)] {
      if (const auto alive = waiting.lock()) (*alive)();
    });
    return handle;
  }

 private:
  process& owner_;
  time_point began_;
};

class process::host : public worker_host {
 public:
  host(process& owner, worker_step step) : worker_(std::make_shared<worker>(owner, std::move(step))) {
    worker_->self_ = worker_;
  }
  void wake() override { worker_->wake(); }

 private:
  std::shared_ptr<worker> worker_;
};

void worker::wake() {
  if (std::exchange(awake_, true) || pausing_) return;
  schedule(owner_.random_.chance(0.5) ? milliseconds(0) : milliseconds(owner_.random_.between(0, 3)));
}

void worker::schedule(milliseconds delay) {
  owner_.later(delay, [waiting = self_, turn = ++turn_] {
    const auto alive = waiting.lock();
    if (alive && alive->turn_ == turn) alive->run();
  });
}

void worker::run() {
  awake_ = pausing_ = false;
  blocked_.reset();
  duration_ = milliseconds(owner_.random_.between(0, 4));
  owner_.current_ = self_;
  const auto pause = step_();
  owner_.current_.reset();
  if (blocked_ && !awake_ && pause == milliseconds(0)) {
    schedule(*blocked_);
  } else if (pause) {
    pausing_ = *pause > milliseconds(0);
    schedule(std::max(*pause, duration_ + milliseconds(1)));
  } else if (awake_) {
    schedule(duration_);
  }
}

process::process(world& in, std::string name) : world_(in), name_(std::move(name)), random_(in.random().next(), 2) {
  env_.executor = executor(*this, nullptr);
  env_.timers = std::make_shared<virtual_timers>(*this);
  env_.start_worker = [this](const std::string&, worker_step step) {
    return std::make_unique<host>(*this, std::move(step));
  };
  env_.wall_clock = [this] { return timestamp(wall_epoch + clock() + wall_offset_); };
  env_.random = [this] { return random_.next(); };
}

process::~process() = default;

boost::asio::any_io_executor process::slow_executor(std::function<milliseconds()> duration) {
  return executor(*this, std::make_shared<std::function<milliseconds()>>(std::move(duration)));
}

void process::spawn(task<void> work) {
  boost::asio::co_spawn(env_.executor, std::move(work), [](const std::exception_ptr& failed) {
    if (failed) std::rethrow_exception(failed);
  });
}

void process::post(std::unique_ptr<job> work) {
  if (const auto busy = current_worker(); busy && busy->duration() > milliseconds(0)) {
    later(busy->duration(), [this, work = std::make_shared<std::unique_ptr<job>>(std::move(work))] {
      ready_.push_back(std::move(*work));
    });
    return;
  }
  ready_.push_back(std::move(work));
  look_at(world_.now());
}

void process::post_slowly(std::unique_ptr<job> work, const std::function<milliseconds()>& duration) {
  later(duration(), [work = std::make_shared<std::unique_ptr<job>>(std::move(work))] { (*work)->run(); });
}

void process::later(milliseconds delay, std::function<void()> action) {
  agenda_.add(clock() + delay, std::move(action));
  look_at(clock() + delay);
}

/// Runs what there is then, unless that is to happen sooner anyway: each run plans the next.
void process::look_at(milliseconds time) {
  if (cut_off_ || (next_look_ && *next_look_ <= time)) return;
  next_look_ = time;
  world_.later(std::max(time - world_.now(), milliseconds(0)), [this, time] {
    if (next_look_ == time) run();
  });
}

void process::pause(milliseconds longest) {
  paused_until_ = std::max(paused_until_, world_.now() + longest);
  world_.note_trouble_of(name_, paused_until_);
  look_at(paused_until_);
}

void process::doom() {
  if (cut_off_ || std::exchange(doomed_, true)) return;
  world_.note_trouble_of(name_, world_.now());
  world_.later(milliseconds(0), [this] { bury(); });
}

void process::run() {
  next_look_ = world_.now();  // what comes meanwhile is done in the loop
  try {
    while (!cut_off_ && !halted() && (!ready_.empty() || (!agenda_.empty() && agenda_.next() <= world_.now())))
      run_one();
  } catch (const std::exception& defect) {
    world_.fail(name_ + " ended by an exception: " + defect.what());
  }
  next_look_.reset();
  if (cut_off_ || doomed_) return;
  if (paused())
    look_at(paused_until_);
  else if (!agenda_.empty())
    look_at(agenda_.next());
}

bool process::run_one() {
  const running_now mark(running_);
  if (!ready_.empty()) {
    const auto next = std::move(ready_.front());
    ready_.pop_front();
    next->run();
    return true;
  }
  if (agenda_.empty()) return false;
  auto next = agenda_.take();
  own_time_ = std::max(own_time_, next.at);
  next.action();
  return true;
}

bool process::run_down() {
  doomed_ = false;
  own_time_ = std::max(own_time_, world_.now());
  constexpr int most = 100'000;
  try {
    for (int i = 0; i < most; ++i)
      if (!run_one()) return true;
  } catch (const std::exception& defect) {
    world_.fail(name_ + " ended by an exception while it stopped: " + defect.what());
  }
  return false;
}

}  // namespace amc::simulation
