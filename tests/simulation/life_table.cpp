#include "tests/simulation/life_table.hpp"

#include <algorithm>
#include <cmath>

#include "tests/simulation/wording.hpp"

namespace amc::simulation {
namespace {

bool has_expired(const message& m, timestamp at) {
  return m.expires_at && *m.expires_at <= at;
}

bool is_open(const message& m, timestamp at) {
  return !m.held || m.due <= at;
}

/// Somebody works on it.
bool is_in_hand(const message& m, timestamp at) {
  return !is_open(m, at) && m.unanswered > 0;
}

/// What the history says of a step; null where it says nothing.
const char* in_history(step which, const message& after) {
  switch (which) {
    case step::answer:
      return "answered";
    case step::edit:
      return "edited";
    case step::retry:
      return "retried";
    case step::move:
      return "moved";
    case step::run_now:
      return "run_now";
    case step::fail:
      return after.status == status::dead ? "dead" : "failed";
    case step::cancel:
    case step::bury:
    case step::expire:
      return amc::to_string(after.status);
    default:
      return nullptr;
  }
}

/// The longest pause after so many failures.
milliseconds longest_pause(int failures_before) {
  const auto grown = static_cast<double>(back_off_initial.count()) * std::pow(2, failures_before);
  return milliseconds(static_cast<std::int64_t>(std::min(grown, static_cast<double>(back_off_max.count()))));
}

/// One judgement: the first objection counts.
class judging {
 public:
  judging(const scenario& plan, const journal& told, const message* before, const message& after, timestamp at)
      : plan_(plan), told_(told), before_(before ? *before : message{}), after_(after), at_(at) {}

  std::optional<std::string> judge(step which) {
    if (which == step::accept)
      accept();
    else
      go_on(which);
    if (which != step::accept) remember(which);
    return objection_;
  }

 private:
  void require(bool holds, const char* otherwise) {
    if (!holds && !objection_) objection_ = otherwise;
  }

  void accept() {
    const auto* asked = told_.post_of(after_.text);
    require(asked != nullptr, "is a message that nobody posted");
    if (!asked) return;
    require(after_.revision == 1 && after_.attempts.empty(), "does not begin at the beginning");
    require(after_.created_at == at_, "was not created when it was stored");
    require(after_.expires_at == asked->expires_at, "does not expire when its client has asked it to");
    require(after_.idempotency_key == asked->key, "does not carry the key of its request");
    arrive(asked->deliver_at);
    require(after_.status != status::dead, "is dead before it begins");
  }

  /// A revision arrives somewhere.
  void arrive(std::optional<timestamp> deliver_at) {
    const auto said = read(after_.text);
    const auto goes_to = said->plan.substr(0, 1);
    const bool goes_on = !goes_to.empty();
    const bool too_often = goes_on && after_.revision > max_revisions;
    require((after_.status == status::done) == !goes_on, "is done, and should not, or should and is not");
    require((after_.status == status::dead) == too_often, "is dead of its revisions, and should not, or should");
    require(after_.queue == goes_to, "waits in another queue than its text says");
    const bool handed_off = after_.claim != before_.claim;
    require(after_.unanswered == (handed_off ? 1 : 0) && after_.failures == 0, "does not start afresh");
    require(after_.lease == plan_.lease && after_.max_claims == max_claims, "is not treated as its queue is");
    if (too_often) note_attempt();
    if (handed_off) {
      require(plan_.receive && after_.status == status::pending && !deliver_at, "is handed off, and should not");
      return hold(plan_.lease);
    }
    if (after_.status != status::pending) return;
    if (deliver_at) return require(after_.held && after_.due == *deliver_at, "is not delivered when it was asked");
    require(!after_.held, "is held from the beginning");
    require(after_.due == at_ || after_.due == at_ + plan_.ring_again, "is not due when a new revision is");
  }

  void go_on(step which) {
    require(after_.updated_at == at_, "does not say when it was changed");
    require(after_.created_at == before_.created_at && after_.expires_at == before_.expires_at &&
                after_.traceparent == before_.traceparent && after_.idempotency_key == before_.idempotency_key,
            "has lost what it was made with");
    require(after_.lease == before_.lease && after_.max_claims == before_.max_claims, "is treated otherwise");
    const bool may_fail = which == step::fail || which == step::bury || which == step::answer;
    const bool may_have_ended = which == step::retry || which == step::edit;
    const bool may_go_elsewhere = may_have_ended || which == step::answer || which == step::move;
    require(may_fail || after_.attempts.size() == before_.attempts.size(), "has an attempt that nobody made");
    if (!may_have_ended) require(before_.status == status::pending, "had come to its end");
    if (!may_go_elsewhere) require(after_.queue == before_.queue, "has moved to another queue");
    switch (which) {
      case step::accept:
        return;
      case step::answer:
        require(after_.revision == before_.revision + 1, "skips a revision");
        return arrive({});
      case step::claim:
        return claim();
      case step::extend:
        require(before_.unanswered > 0, "is held longer by a claim that has had its outcome");
        require(told_.was_asked("extend", after_), "is held longer, and who has the claim did not ask for that");
        return hold(plan_.lease);
      case step::release:
        return release();
      case step::reopen:
        require(before_.unanswered > 0 && (plan_.receive || may_run_now()), "is opened, and nobody may do that");
        return require(!after_.held && after_.due == at_, "is opened, and is not due at once");
      case step::fail:
        return fail();
      case step::cancel:
        return cancel();
      case step::retry:
        return retry();
      case step::edit:
        return edit();
      case step::run_now:
        return run_now();
      case step::move:
        return move();
      case step::ring:
        require(is_open(before_, at_) || jumps(), "was rung while it was held");
        require(!after_.held && after_.due == at_ + plan_.ring_again, "is not rung again when it should");
        return require(after_.unanswered == before_.unanswered, "has forgotten a claim");
      case step::bury:
        require(before_.unanswered >= max_claims, "is dead, and has claims left");
        require(is_open(before_, at_) || jumps(), "is dead while somebody works on it");
        return note_attempt();
      case step::expire:
        return require(has_expired(before_, at_), "is expired before its time");
    }
  }

  void claim() {
    require(is_open(before_, at_), "was claimed while it was held");
    require(!has_expired(before_, at_), "was claimed after it had expired");
    require(before_.unanswered < max_claims, "was claimed more often than it may");
    require(after_.claim > 0 && after_.claim != before_.claim, "has the number of another claim");
    require(after_.unanswered == before_.unanswered + 1, "does not count claims");
    hold(plan_.lease);
  }

  void hold(milliseconds longest) { require(after_.held && after_.due == at_ + longest, "is not held for one lease"); }

  void release() {
    require(before_.held && before_.unanswered > 0, "is released by a claim that has had its outcome");
    require(!after_.held && after_.due == at_, "is released, and is not due at once");
    require(after_.unanswered == std::max(0, before_.unanswered - 1), "is released, and its claim counts");
    // A broker gives back what it could not deliver.
    require(plan_.receive || told_.was_asked("release", after_),
            "is released, and who has the claim did not ask for that");
  }

  void fail() {
    require(before_.unanswered > 0, "has failed twice by one claim");
    require(after_.failures == before_.failures + 1 && after_.unanswered == 0, "does not count failures");
    require(told_.was_asked("fail", after_), "has failed, and who has the claim did not say so");
    note_attempt();
    const bool is_over =
        after_.failures > max_failures || (!after_.attempts.empty() && is_for_good(after_.attempts.back().error));
    require((after_.status == status::dead) == is_over,
            "is dead of its failures, and should not, or should and is not");
    if (after_.status != status::pending) return;
    const auto pause = after_.due - at_;
    const auto longest = longest_pause(before_.failures);
    constexpr int jitter_percent = 20;
    require(after_.held && pause <= longest && pause >= longest * (100 - jitter_percent) / 100 - milliseconds(1),
            "does not back off as its policy says");
  }

  /// By its client; or with its whole queue, and then nobody works on it.
  void cancel() {
    if (told_.was_asked(after_.id, "DELETE")) return;
    require(told_.was_purged(before_.queue), "is cancelled, and nobody asked for that");
    require(!is_in_hand(before_, at_), "is purged while somebody works on it");
  }

  /// What has ended is pending again.
  void begin_again() {
    require(before_.status == status::dead || before_.status == status::cancelled, "was not to be retried");
    require(!has_expired(before_, at_), "was retried after it had expired");
    require(after_.status == status::pending, "is retried, and is not pending");
    require(after_.unanswered == 0 && after_.failures == 0, "does not start afresh when it is retried");
  }

  void edit() {
    begin_again();
    require(after_.revision == before_.revision + 1, "is edited, and has not the next revision");
    require(told_.was_edited(after_), "does not say what whoever has edited it says");
    const bool stays = after_.queue == before_.queue && told_.was_asked(after_.id, "edit", "");
    require(stays || told_.was_asked(after_.id, "edit", after_.queue), "is edited, and waits in another queue");
    require(!after_.held && after_.due == at_, "is edited, and is not due at once");
  }

  /// Somebody wants it, and nobody works on it.
  bool may_run_now() const { return told_.was_asked(after_.id, "run-now") && !is_in_hand(before_, at_); }

  void run_now() {
    require(may_run_now(), "is to run now, and nobody asked for that, or somebody works on it");
    require(!has_expired(before_, at_), "is to run now after it had expired");
    require(!after_.held && after_.due == at_, "is to run now, and is not due at once");
    require(after_.unanswered == before_.unanswered, "has forgotten claims");
    require(after_.failures == before_.failures, "has forgotten failures");
  }

  void move() {
    require(told_.was_asked(after_.id, "move", after_.queue), "is moved, and nobody asked for that");
    require(!is_in_hand(before_, at_), "is moved while somebody works on it");
    require(!has_expired(before_, at_), "is moved after it had expired");
    require(after_.unanswered == 0 && after_.failures == 0, "does not start afresh in its new queue");
    require(after_.claim == before_.claim, "is claimed by a move");
    if (before_.held)
      require(after_.held && after_.due == before_.due, "has lost its date, or its back-off, by a move");
    else
      require(!after_.held && after_.due == at_, "is moved, and is not due at once");
  }

  void retry() {
    begin_again();
    require(told_.was_asked(after_.id, "retry") || told_.retries_all(before_), "is retried, and nobody asked for that");
    require(after_.queue == before_.queue || told_.was_asked(after_.id, "retry", after_.queue),
            "is retried in another queue");
    const bool never_begun = before_.status == status::cancelled && before_.held && before_.claim == 0;
    if (never_begun)
      require(after_.held && after_.due == before_.due, "is retried before its date, and has lost it");
    else
      require(!after_.held && after_.due == at_, "is retried, and is not due at once");
  }

  /// One more, the last ten of them.
  void note_attempt() {
    const auto kept = std::min(before_.attempts.size(), attempts_max - 1);
    require(after_.attempts.size() == kept + 1, "does not keep its last ten attempts");
    if (objection_) return;
    const auto same = [](const attempt& a, const attempt& b) {
      return a.revision == b.revision && a.claim == b.claim && a.at == b.at && a.error == b.error;
    };
    require(std::equal(before_.attempts.end() - static_cast<std::ptrdiff_t>(kept), before_.attempts.end(),
                       after_.attempts.begin(), same),
            "has other attempts than before");
    const auto& last = after_.attempts.back();
    require(last.revision == after_.revision && last.claim == after_.claim && last.at == at_ && !last.error.empty(),
            "does not say what went wrong");
  }

  /// What became of the revision before is the last that its history says, and all of it that is new.
  void remember(step which) {
    const auto* what = in_history(which, after_);
    if (!what) return require(after_.history == before_.history, "has in its history what did not happen");
    const auto lines = [](const message& m) {
      return static_cast<std::size_t>(std::count(m.history.begin(), m.history.end(), '\n'));
    };
    require(lines(after_) == std::min(lines(before_) + 1, history_max), "has not in its history what has happened");
    if (objection_) return;
    const auto last = *latest_of(after_);
    require(last.what == what && last.at == at_ && last.revision == before_.revision && last.queue == before_.queue &&
                last.claim == (before_.claimed_at ? before_.claim : 0) && last.by == before_.holder,
            "is told otherwise by its history");
  }

  bool jumps() const { return plan_.of(fault::store_clock) > 0; }  // what was due when it was read may not be now

  const scenario& plan_;
  const journal& told_;
  const message before_;
  const message& after_;
  timestamp at_;
  std::optional<std::string> objection_;
};

}  // namespace

const char* to_string(step which) {
  static constexpr const char* names[]{"accept", "claim", "extend", "answer", "fail", "release", "cancel", "retry",
                                       "ring",   "bury",  "expire", "reopen", "edit", "run now", "move"};
  return names[static_cast<std::size_t>(which)];
}

std::optional<step> step_of(const message* before, const message& after, timestamp at) {
  if (!before) return step::accept;
  if (after.revision != before->revision) return before->status == status::pending ? step::answer : step::edit;
  if (after.text != before->text) return {};
  if (after.failures > before->failures) return step::fail;
  if (after.status != before->status) {
    switch (after.status) {
      case status::pending:
        return step::retry;
      case status::dead:
        return step::bury;
      case status::cancelled:
        return step::cancel;
      case status::expired:
        return step::expire;
      case status::done:
        return {};
    }
  }
  if (after.queue != before->queue) return step::move;
  if (after.claim != before->claim) return step::claim;
  if (after.held) return step::extend;  // also of a row that was rung when its lease was over
  if (after.unanswered < before->unanswered) return step::release;
  if (after.due != at) return step::ring;
  // A lease that is over may be cut short as well; who does that is told by the history.
  const bool tells = after.history != before->history;
  return before->held && before->unanswered > 0 && !tells ? step::reopen : step::run_now;
}

std::optional<std::string> life_table::objection(step which, const message* before, const message& after,
                                                 timestamp at) const {
  return judging(plan_, told_, before, after, at).judge(which);
}

}  // namespace amc::simulation
