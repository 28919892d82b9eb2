#include "tests/simulation/planted_seams.hpp"

namespace amc::simulation {
namespace {

using namespace planting;

/// Hears of no pause but when it pauses or resumes a queue itself.
class deaf_to_pauses : public store_through {
 public:
  using store_through::store_through;
  paused_queues paused(const std::optional<pause_request>& request) override {
    return request ? to().paused(request) : paused_queues();
  }
};

/// What was rung before a pause, and refused during it, waits until it is rung again.
class resumes_without_ringing : public store_through {
 public:
  using store_through::store_through;
  void make_all_due(const std::string& queue) override {
    if (queue.empty()) to().make_all_due(queue);
  }
};

class lists_any_status : public reader_through {
 public:
  using reader_through::reader_through;
  message_page list(const list_filter& filter) override {
    auto any = filter;
    any.status.reset();
    return reader_through::list(any);
  }
};

class counts_wrongly : public reader_through {
 public:
  using reader_through::reader_through;
  std::vector<queue_counts> counts() override {
    auto all = reader_through::counts();
    for (auto& q : all) std::swap(q.due, q.held);
    return all;
  }
};

}  // namespace

std::vector<planted_bug> bugs_of_operating() {
  return {
      {"lists-any-status", "a list is not held to the status that was asked for",
       [] { return readers<lists_any_status>(); }},
      {"counts-wrongly", "what is due and what is held are counted for one another",
       [] { return readers<counts_wrongly>(); }},
      {"deaf-to-pauses", "who has not paused a queue itself goes on working on it",
       [] { return stores<deaf_to_pauses>(); }},
      {"resumes-without-ringing", "what was rung before a queue was paused is not rung when it is resumed",
       [] { return stores<resumes_without_ringing>(); }},
  };
}

}  // namespace amc::simulation
