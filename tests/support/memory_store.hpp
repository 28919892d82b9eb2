#pragma once

#include <functional>
#include <map>
#include <set>

#include "message_store/store.hpp"

namespace amc::tests {

/// A store in memory, held to the same contract as the real ones, that can be told to fail.
class memory_store : public store {
 public:
  explicit memory_store(std::function<timestamp()> now) : now_(std::move(now)) {}

  std::vector<outcome> apply(std::span<const change> batch) override;
  std::vector<found_row> find(std::span<const uuid> ids, bool with_text) override;
  std::vector<due_row> due(std::size_t limit) override;
  std::vector<due_row> waiting(const waiting_request& which) override;
  void make_all_due(const std::string& queue) override;
  paused_queues paused(const std::optional<pause_request>& request) override;
  message_page list(const list_filter& filter);
  std::vector<queue_counts> counts();
  std::size_t pending_of(const std::string& owner, std::size_t at_most);
  place_told place_of(const place_question& which);
  told_past past_of(const uuid& id);
  purged purge(const purge_request& what) override;
  void try_writing() override;
  timestamp now() override { return now_(); }

  /// Every call throws this until it is taken back.
  std::optional<unavailable> failing{};
  /// And every one that writes, this.
  std::optional<unavailable> failing_writes{};
  /// What it writes next is written, and the outcome lost with this.
  std::optional<unavailable> failing_answer{};
  /// And every new row, this.
  std::optional<unavailable> failing_inserts{};
  /// And every one that reads rows by their ids, this.
  std::optional<unavailable> failing_finds{};
  /// And every look at what waits in a queue, this.
  std::optional<unavailable> failing_looks{};
  /// What a change is refused with as unfit; nothing: it is taken.
  std::function<std::optional<std::string>(const change&)> unfit{};
  /// And every filter of a list.
  std::optional<std::string> unfit_filter{};
  /// A list looks at no more rows than this for one page.
  std::size_t looked_at_max = SIZE_MAX;
  /// Rows that are there and cannot be read.
  std::set<uuid> unreadable{};
  /// Of what a message's earlier revisions said.
  std::size_t past_max_bytes = 64 << 10;
  /// What is noted of a revision that another follows, on its way.
  std::function<void(message&)> noting_past{};
  int finds = 0;
  int dues = 0;
  int looks = 0;  ///< at what waits in a queue
  int tried_writes = 0;
  std::size_t size() const { return rows_.size(); }
  const std::map<uuid, row>& rows() const { return rows_; }
  const paused_queues& pauses() const { return paused_; }
  const std::map<uuid, std::vector<past_content>>& past() const { return past_; }

 private:
  row find_key(const idempotency& once);
  void note_past(message before);
  void fail_as_told() const {
    if (failing) throw unavailable(*failing);
  }
  void fail_writing_as_told() const {
    fail_as_told();
    if (failing_writes) throw unavailable(*failing_writes);
  }

  std::function<timestamp()> now_;
  std::map<uuid, row> rows_;
  std::map<uuid, std::vector<past_content>> past_;
  paused_queues paused_;
};

/// Reads a store that lives longer.
class memory_reader : public store_reader {
 public:
  explicit memory_reader(memory_store& from) : from_(from) {}
  message_page list(const list_filter& filter) override { return from_.list(filter); }
  std::vector<queue_counts> counts() override { return from_.counts(); }
  std::size_t pending_of(const std::string& owner, std::size_t at_most) override {
    return from_.pending_of(owner, at_most);
  }
  place_told place_of(const place_question& which) override { return from_.place_of(which); }
  told_past past_of(const uuid& id) override { return from_.past_of(id); }

 private:
  memory_store& from_;
};

inline opened_store open_memory(std::function<timestamp()> now) {
  auto driver = std::make_unique<memory_store>(std::move(now));
  opened_store opened;
  opened.reader = std::make_unique<memory_reader>(*driver);
  opened.drivers.push_back(std::move(driver));
  return opened;
}

}  // namespace amc::tests
