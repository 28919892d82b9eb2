#include "broker/explanation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <stdexcept>

#include "core/text.hpp"
#include "core/time_text.hpp"

namespace amc::broker {
namespace {

/// Who was seen longer ago receives no more, as far as is known: nobody is parked for longer between two requests.
constexpr milliseconds seen_lately{60'000};

std::string counted(std::size_t number, const char* one, const char* many) {
  return with_commas(number) + " " + (number == 1 ? one : many);
}

std::string times(int number) {
  return number == 1 ? "once" : number == 2 ? "twice" : std::to_string(number) + " times";
}

std::string named(const std::string& service) {
  return service.empty() ? "a service that told no name" : service;
}

std::string one_digit(double number) {
  auto text = std::to_string(std::round(number * 10) / 10);
  text.erase(text.find('.') + 2);
  if (text.ends_with(".0")) text.erase(text.size() - 2);
  return text;
}

/// "40/s", "0.5/s", "6 a minute".
std::string rate_in_words(double per_second) {
  if (per_second >= 10) return with_commas(static_cast<std::size_t>(std::llround(per_second))) + "/s";
  return per_second >= 0.5 ? one_digit(per_second) + "/s" : one_digit(per_second * 60) + " a minute";
}

constexpr std::size_t shown_max_bytes = 200;
std::string shown(const std::string& error) {
  const auto part = shortened(error, shown_max_bytes);
  return escaped(part) + (part.size() < error.size() ? "…" : "");
}

/// Why this revision failed last.
std::optional<std::string> error_of(const message& m) {
  if (m.attempts.empty() || m.attempts.back().revision != m.revision) return {};
  return m.attempts.back().error;
}

std::string because(const std::string& trouble) {
  return trouble.empty() ? "" : ": " + shown(trouble);
}

class explainer {
 public:
  explicit explainer(const explanation_facts& of) : of_(of), m_(*of.what) {}

  explanation told() {
    if (m_.status != status::pending)
      ended();
    else if (m_.expires_at && *m_.expires_at <= of_.now)
      expired_by_now();
    else if (m_.held && m_.due > of_.now)
      held();
    else
      waiting();
    return std::move(told_);
  }

 private:
  void say(whereabouts reason, std::string sentence) {
    told_.reason = reason;
    told_.sentence = std::move(sentence);
  }

  std::string at(timestamp time) const { return "at " + clock_time(time, of_.now); }
  std::string and_in(timestamp time) const { return at(time) + ", in " + in_words(time - of_.now); }

  // ---- what has ended ----

  void ended() {
    told_.ended_at = m_.updated_at;
    told_.took = m_.updated_at - m_.created_at;
    const auto after = ", " + in_words(*told_.took) + " after it was posted";
    switch (m_.status) {
      case status::done:
        return done(after);
      case status::dead:
        return dead();
      case status::cancelled:
        return say(whereabouts::cancelled, "was cancelled " + at(m_.updated_at) + after + erased());
      case status::expired:
        return say(whereabouts::expired, "expired " + at(m_.expires_at.value_or(m_.updated_at)) + in_queue() +
                                             ": nobody had answered it by then" + erased());
      case status::pending:  // not covered: is none that has ended
        break;
    }
  }

  std::string erased() const { return m_.erased_at ? "; what it said was erased " + at(*m_.erased_at) : ""; }
  std::string in_queue() const { return m_.queue.empty() ? "" : " in " + m_.queue; }

  void done(const std::string& after) {
    std::optional<past> last;
    for (auto& step : history_of(m_))
      if (step.what == "answered") last = std::move(step);
    auto sentence = "is done since " + clock_time(m_.updated_at, of_.now);
    if (last && !last->by.empty()) {
      told_.by = last->by;
      sentence += ": answered by " + service_of(last->by) + (last->queue.empty() ? "" : " in " + last->queue);
    }
    say(whereabouts::done, std::move(sentence) + after + erased());
  }

  void dead() {
    tried();
    told_.error = error_of(m_);
    const auto since = "is dead" + in_queue() + " since " + clock_time(m_.updated_at, of_.now);
    const auto failed = m_.failures > 1 ? "; it failed " + times(m_.failures) : "";
    if (m_.erased_at) return say(whereabouts::dead, since + failed + erased());
    say(whereabouts::dead, since + ": " + (told_.error ? shown(*told_.error) : "no reason was kept") + failed +
                               unanswered() + "; mend the cause, or edit it, and retry it");
  }

  /// What there is to say of claims that nobody has answered.
  std::string unanswered() const {
    if (m_.unanswered == 0) return "";
    return (m_.holder.empty() ? "" : ", the last one by " + named(service_of(m_.holder))) +
           (of_.refused_answer ? refusal() : "; what takes it crashes, or takes longer than its lease");
  }
  std::string refusal() const {
    return of_.refused_answer ? "; its answer was refused: " + shown(*of_.refused_answer) : "";
  }

  void expired_by_now() {
    told_.due = m_.expires_at;
    say(whereabouts::expired, "expired " + at(*m_.expires_at) + in_queue() + ": nobody had answered it by then");
  }

  // ---- what is held ----

  /// How often this revision was tried.
  void tried() {
    if (m_.failures > 0) {
      told_.failures = m_.failures;
      told_.failures_max = of_.rules.max_failures;
      told_.error = error_of(m_);
    }
    told_.refused_answer = of_.refused_answer;
    if (m_.unanswered > 0) {
      told_.unanswered = m_.unanswered;
      told_.claims_left = std::max(0, m_.max_claims - m_.unanswered);
    }
  }

  void held() {
    tried();
    told_.due = m_.due;
    if (m_.unanswered > 0) return claimed();
    if (m_.failures > 0)
      return say(whereabouts::back_off, "failed " + times(m_.failures) + in_queue() + ": " +
                                            shown(told_.error.value_or("no reason was told")) + "; is tried again " +
                                            and_in(m_.due) + paused_then());
    say(whereabouts::scheduled, "is to be delivered to " + m_.queue + " " + and_in(m_.due) + paused_then());
    if (nobody_was_seen()) told_.sentence += "; " + nobody();
  }

  void claimed() {
    told_.holder = m_.holder;
    told_.attempt = m_.unanswered + m_.failures;
    told_.unanswered = m_.unanswered - 1;  // this one may still be answered
    told_.held_for = of_.claimed_for;
    told_.lease_ends_in = m_.due - of_.now;
    auto sentence = "is held" + in_queue() + " by " + named(service_of(m_.holder));
    if (*told_.attempt > 1) sentence += " (attempt " + std::to_string(*told_.attempt) + ")";
    if (told_.held_for) sentence += " for " + in_words(*told_.held_for);
    sentence += (told_.held_for ? "; its lease ends in " : ", whose lease ends in ") + in_words(*told_.lease_ends_in);
    say(whereabouts::held, std::move(sentence) + troubles());
  }

  /// What has happened to this revision before.
  std::string troubles() const {
    std::string told;
    if (m_.failures > 0)
      told += "; failed " + times(m_.failures) + " before: " + shown(told_.error.value_or("no reason was told"));
    if (told_.unanswered.value_or(0) > 0) told += "; was left unanswered " + times(*told_.unanswered) + " before";
    return told + refusal();
  }

  // ---- what waits ----

  bool anybody_lately() const {
    return of_.parked > 0 || !of_.holders.empty() ||
           (!of_.services.empty() && of_.services.front().seen_ago <= seen_lately);
  }
  bool nobody_was_seen() const { return of_.parked == 0 && of_.holders.empty() && of_.services.empty(); }

  void waiting() {
    tried();
    told_.older = of_.older;
    told_.older_is_all = of_.older_is_all;
    told_.services = of_.services;
    told_.holders = of_.holders;
    told_.parked = of_.parked;
    told_.engine_is_away = of_.engine_is_needed && of_.engine_trouble;
    const auto begins = "waits" + in_queue() + ": ";
    if (of_.store_trouble)
      return say(whereabouts::store_away, begins + "nothing can be changed in the store, and so nobody can claim it" +
                                              because(*of_.store_trouble));
    if (of_.paused) return paused();
    if (m_.unanswered > 0) return left_unanswered(begins);
    if (told_.engine_is_away && of_.parked == 0 && of_.holders.empty())
      return say(whereabouts::engine_away,
                 begins + "the queue engine cannot be reached, and so tells no service of it; " +
                     "it is told once the engine is back" + because(*of_.engine_trouble) + troubles());
    if (nobody_was_seen()) return say(whereabouts::nobody_receives, nobody() + troubles());
    if (!anybody_lately()) return say(whereabouts::services_gone, begins + gone() + troubles());
    auto reason = of_.older > 0 ? whereabouts::backlog : whereabouts::next;
    say(reason, begins + place() + takers() + estimate() + troubles());
  }

  void paused() {
    told_.paused = of_.paused;
    say(whereabouts::paused, "waits: " + paused_in_words() + "; nobody can claim it until the queue is resumed" +
                                 (of_.older == 0 ? "" : "; " + place()) + troubles());
  }

  std::string paused_in_words() const { return life_cycle::paused_in_words(m_.queue, *of_.paused, of_.now); }
  /// Of what comes to wait there later.
  std::string paused_then() const { return of_.paused ? "; " + paused_in_words() : ""; }

  void left_unanswered(const std::string& begins) {
    const auto left = *told_.claims_left;
    auto sentence = begins + "it was claimed " + times(m_.unanswered) + " and not answered";
    if (!m_.holder.empty()) sentence += ", last by " + named(service_of(m_.holder));
    if (left == 0)
      sentence += "; no claim is left (max_claims), and it will be dead at once";
    else if (m_.unanswered >= life_cycle::claims_in_company)
      sentence += "; it is given only to a service with nothing else in hand, " +
                  counted(static_cast<std::size_t>(left), "claim is", "claims are") + " left";
    if (nobody_was_seen())
      sentence += "; " + nobody();
    else if (!anybody_lately())
      sentence += "; " + gone();
    if (m_.failures > 0) sentence += "; failed " + times(m_.failures) + " before: " + shown(told_.error.value_or(""));
    sentence += refusal();
    say(whereabouts::left_unanswered, std::move(sentence));
  }

  /// Nobody, as far as can be known: other brokers tell who receives there once in a while.
  std::string nobody() {
    told_.watching_for = of_.watching_for;
    auto sentence = "nobody has received from " + m_.queue + " through this broker, which has run for " +
                    in_words(of_.watching_for) + ", and nobody holds a message of it";
    if (auto near = similar_queue()) {
      sentence += "; the nearest queue that is received from is " + *near;
      told_.nearest_queue = std::move(near);
    }
    return sentence;
  }

  /// A name that this one could have been meant to be, unless somebody has configured it.
  std::optional<std::string> similar_queue() const {
    if (of_.queue_is_known) return {};
    auto others = of_.received_from;
    std::erase(others, m_.queue);
    auto near = nearest(m_.queue, others);
    const auto edits_max = std::max<std::size_t>(2, m_.queue.size() / 3);
    if (near.empty() || edit_distance(m_.queue, near) > edits_max) return {};
    return near;
  }

  std::string gone() const {
    const auto& last = of_.services.front();
    return "nobody receives from it now; " + named(last.name) + " was seen last, " + in_words(last.seen_ago) + " ago";
  }

  std::string place() const {
    if (of_.older == 0) return "it is next";
    return (of_.older_is_all ? "" : "more than ") + counted(of_.older, "older one", "older ones");
  }

  std::string takers() {
    std::set<std::string> lately;
    for (const auto& service : of_.services)
      if (service.seen_ago <= seen_lately) lately.insert(service.name);
    for (const auto& holder : of_.holders) lately.insert(service_of(holder));
    const bool is_one = lately.size() == 1;
    auto who = lately.empty() ? counted(of_.parked, "request for work is parked", "requests for work are parked")
               : is_one       ? named(*lately.begin())
                              : std::to_string(lately.size()) + " services";
    constexpr milliseconds between_two_requests{5'000};
    const bool is_here =
        of_.parked > 0 || !of_.holders.empty() || of_.services.front().seen_ago <= between_two_requests;
    if (!of_.at && !is_here)
      return "; " + who + (is_one ? " was" : " were") + " seen last " + in_words(of_.services.front().seen_ago) +
             " ago";
    if (!of_.at) return "; " + who + (lately.empty() ? "" : is_one ? " receives" : " receive");
    told_.rate_per_s = of_.at->per_second();
    return "; " + who + (is_one ? " takes " : " take ") + rate_in_words(*told_.rate_per_s);
  }

  std::string estimate() {
    if (!of_.at || !of_.older_is_all) return "";
    told_.taken_in = time_until_taken(of_.older, *of_.at);
    if (!told_.taken_in) return "";
    return "; about " + in_words(told_.taken_in->likely) + " (" + in_words(told_.taken_in->low) + " to " +
           in_words(told_.taken_in->high) + ")";
  }

  const explanation_facts& of_;
  const message& m_;
  explanation told_;
};

}  // namespace

const char* to_string(whereabouts reason) {
  constexpr std::array<const char*, whereabouts_count> names{
      "next",       "backlog",         "nobody_receives", "services_gone", "paused",   "engine_away",
      "store_away", "left_unanswered", "scheduled",       "held",          "back_off", "done",
      "dead",       "cancelled",       "expired"};
  return names.at(static_cast<std::size_t>(reason));
}

explanation explain(const explanation_facts& of) {
  return explainer(of).told();
}

}  // namespace amc::broker
