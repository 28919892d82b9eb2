#include "tests/simulation/checker.hpp"

#include <algorithm>
#include <set>

#include "tests/simulation/trace.hpp"
#include "tests/simulation/wording.hpp"

namespace amc::simulation {
namespace {

/// Thrown and caught in this file only: the first contradiction ends the check.
struct contradiction {
  std::string what;
};

std::string name_of(const uuid& id, int revision) {
  return brief(id) + "/" + std::to_string(revision);
}

class checking {
 public:
  checking(const journal& told, const std::map<uuid, row>& rows, bool keys_last)
      : told_(told), rows_(rows), keys_last_(keys_last) {}

  void run() {
    collect_posts();
    for (const auto& [id, m] : rows_) check_row(*m);
    check_posts();
    check_keys();
    for (const auto& entry : told_.requests) check_answer(entry);
    for (const auto& entry : told_.requests) check_edit(entry);
    check_refused_answers();
    for (const auto& entry : told_.requests) check_what_was_shown(entry);
    check_order();
    check_cancelled();
  }

 private:
  /// What was posted under one number.
  struct posted {
    std::string plan;
    std::string nature;
    int accepted = 0;
    int unknown = 0;
    bool expires = false;
    std::string key;
  };

  static void require(bool holds, const std::string& what) {
    if (!holds) throw contradiction{what};
  }

  const message* find(const uuid& id) const {
    const auto found = rows_.find(id);
    return found == rows_.end() ? nullptr : found->second.get();
  }

  static bool is_post(const told& entry) { return entry.method == "POST" && !entry.sent.empty(); }
  static bool is_answer(const told& entry) { return entry.method == "PUT" || entry.method == "answer"; }

  void collect_posts() {
    for (const auto& entry : told_.requests) {
      if (!is_post(entry)) continue;
      const auto said = read(entry.sent).value();
      auto& post = posts_[said.number];
      post.plan = said.plan;
      post.nature = said.nature;
      post.expires = post.expires || entry.expires_at;
      post.key = entry.key;
      if (entry.outcome == told::verdict::ok) ++post.accepted;
      if (entry.outcome == told::verdict::unknown) ++post.unknown;
    }
  }

  /// A row says what was posted, and has been answered once for each step of its plan so far, by somebody who did; or
  /// edited, by somebody who did.
  void check_row(const message& m) {
    const auto name = name_of(m.id, m.revision);
    const auto said = read(m.text);
    require(said.has_value(), name + " has a text that nobody sent: " + m.text);
    const auto post = posts_.find(said->number);
    require(post != posts_.end(), name + " is a message that nobody sent: " + m.text);
    messages_[said->number].insert(m.id);
    check_end(m, *said, post->second);
    const auto done = said->tokens.size();
    require(m.revision == static_cast<int>(done) + 1 || is_overwritten(m), name + " skips revisions: " + m.text);
    auto so_far = as_posted(*said);
    for (std::size_t i = 0; i < done; ++i) {
      const auto& token = said->tokens[i];
      require(follow(so_far, token), name + " was answered in the wrong order: " + m.text);
      require(is_overwritten(m) || was_made(m.id, static_cast<int>(i) + 1, token),
              name + " has a token that nobody made: " + m.text);
    }
    require(m.text == write(so_far), name + " was not answered step by step: " + m.text);
  }

  /// Who edits a message names no revision: what was said since whoever edits has read it is overwritten.
  bool is_overwritten(const message& m) const {
    const auto tokens = static_cast<int>(read(m.text)->tokens.size());
    return tokens + 1 < m.revision && told_.was_asked(m.id, "edit");
  }

  wording as_posted(const wording& now) const {
    const auto& post = posts_.at(now.number);
    return {now.number, post.nature, post.plan, {}, now.is_value};
  }

  /// Every message has come to one end, and to none that nobody asked for.
  void check_end(const message& m, const wording& said, const posted& post) const {
    const auto name = name_of(m.id, m.revision) + " is " + to_string(m.status);
    switch (m.status) {
      case status::pending:
        return require(false, name + " in the end");
      case status::done:
        return require(said.plan.empty(), name + " before its last step: " + m.text);
      case status::dead:
        return require(!said.plan.empty(), name + " and was finished: " + m.text);
      case status::cancelled:
        return require(was_cancelled(m.id) || told_.was_purged(m.queue), name + ", and nobody asked for that");
      case status::expired:
        return require(post.expires, name + ", and was given no term");
    }
  }

  /// Somebody has asked for this, and was not told that it was refused; or it was reopened after that, when a second
  /// copy of the request may still have been on the way.
  bool was_cancelled(const uuid& id) const {
    const auto reopened = told_.reopened.find(id);
    return std::any_of(told_.requests.begin(), told_.requests.end(), [&](const auto& entry) {
      const bool in_vain = reopened == told_.reopened.end() || reopened->second < entry.begun;
      return entry.method == "DELETE" && entry.id == id && (entry.outcome != told::verdict::refused || !in_vain);
    });
  }

  bool was_made(const uuid& id, int revision, const std::string& token) const {
    for (const auto& run : told_.runs)
      if (run.id == id && run.revision == revision && token.ends_with("-" + run.who + "." + std::to_string(run.run)))
        return true;
    return std::any_of(told_.requests.begin(), told_.requests.end(), [&](const auto& entry) {
      const bool answers = entry.method == "PUT" && entry.revision == revision;
      const bool edits = entry.method == "edit" && token.front() == by_edit;
      return (answers || edits) && entry.id == id && last_token_of(entry.sent).ends_with(token);
    });
  }

  void check_posts() {
    for (const auto& entry : told_.requests) {
      if (!is_post(entry) || entry.outcome != told::verdict::ok) continue;
      require(entry.now && find(entry.now->id), "an accepted message is lost: " + entry.sent);
      require(read(find(entry.now->id)->text)->number == read(entry.sent)->number,
              "the answer to a POST names another message: " + entry.sent);
    }
    for (const auto& [number, post] : posts_) {
      const auto made = static_cast<int>(messages_[number].size());
      const auto name = "posting number " + std::to_string(number) + " made " + std::to_string(made) + " messages";
      if (post.key.empty()) {
        require(made >= post.accepted && made <= post.accepted + post.unknown, name);
      } else {
        const bool too_many = keys_last_ && made > std::min(1, post.accepted + post.unknown);
        require(made >= std::min(1, post.accepted) && !too_many, name);
        auto& of_key = keys_[post.key];
        of_key.insert(messages_[number].begin(), messages_[number].end());
        require(!keys_last_ || of_key.size() <= 1, "an idempotency key made two messages");
      }
    }
  }

  /// A key is refused only to a request that is another than its first.
  void check_keys() const {
    if (!keys_last_) return;
    std::map<std::string, std::string> first_use;
    constexpr int key_reused = 422;
    for (const auto& entry : told_.requests) {
      if (!is_post(entry) || entry.key.empty()) continue;
      if (is_unfit(entry.sent)) continue;
      const auto& first = first_use.emplace(entry.key, entry.sent).first->second;
      require(entry.status != key_reused || entry.sent != first, "a key was refused to its own request: " + first);
    }
  }

  /// An answer that was accepted stands in the text, where it belongs, and is the only one of its revision.
  void check_answer(const told& entry) {
    if (!is_answer(entry) || entry.outcome != told::verdict::ok) return;
    const auto name = entry.who + "'s answer to " + name_of(*entry.id, *entry.revision);
    const auto* m = find(*entry.id);
    require(m != nullptr, name + " was accepted and its message is lost");
    if (is_overwritten(*m)) return;
    const auto said = read(m->text).value();
    const auto place = static_cast<std::size_t>(*entry.revision) - 1;
    require(place < said.tokens.size() && last_token_of(entry.sent) == said.tokens[place],
            name + " was accepted and does not stand in " + m->text);
    require(answered_.insert({*entry.id, *entry.revision}).second, name + " is the second that was accepted");
  }

  /// What was edited says so ever after.
  void check_edit(const told& entry) const {
    if (entry.method != "edit" || entry.outcome != told::verdict::ok) return;
    const auto* m = find(*entry.id);
    require(m && (is_overwritten(*m) || has_token(m->text, last_token_of(entry.sent))),
            brief(*entry.id) + " was edited, as " + entry.who + " was told, and does not say so");
  }

  /// An answer of which nothing was told but refusals does not stand in the text.
  void check_refused_answers() const {
    std::map<std::string, bool> only_refused;
    for (const auto& entry : told_.requests)
      if (is_answer(entry)) {
        const auto key = to_string(*entry.id) + entry.sent;
        const bool refused = entry.outcome == told::verdict::refused;
        const auto [at, fresh] = only_refused.emplace(key, refused);
        if (!fresh) at->second = at->second && refused;
      }
    for (const auto& entry : told_.requests) {
      if (!is_answer(entry) || !only_refused[to_string(*entry.id) + entry.sent]) continue;
      // Refused by a cancelled message, and repeated by a proxy when that had been retried: then it counts.
      if (told_.was_retried(*entry.id)) continue;
      const auto* m = find(*entry.id);
      const auto tokens = read(entry.sent)->tokens;
      require(!m || !has_token(m->text, tokens.back()), entry.who + "'s answer was refused and stands in " + m->text);
    }
  }

  /// Every text that anybody was shown is the one that this revision had.
  void check_what_was_shown(const told& entry) const {
    if (!entry.now) return;
    const auto name = name_of(entry.now->id, entry.now->revision);
    const auto* m = find(entry.now->id);
    require(m != nullptr, name + " was shown and is lost");
    require(!entry.id || *entry.id == entry.now->id, name + " was shown to somebody who asked for another");
    require(entry.now->revision <= m->revision, name + " was shown, later than the last revision");
    require(said_so(*m, *entry.now), name + " was shown as " + entry.now->text + ", and the message is " + m->text);
    if (entry.now->status != status::pending && !told_.was_retried(entry.now->id))
      require(entry.now->status == m->status && entry.now->revision == m->revision,
              name + " was shown as " + to_string(entry.now->status) + ", and went on");
  }

  /// Whether the revision that somebody was shown is one that the message has had, as far as it tells.
  bool said_so(const message& m, const shown& seen) const {
    if (is_overwritten(m)) return seen.revision < m.revision || seen.text == m.text;
    const auto said = read(m.text).value();
    auto then = as_posted(said);
    for (int i = 1; i < seen.revision; ++i) follow(then, said.tokens.at(static_cast<std::size_t>(i) - 1));
    return seen.text == write(then);
  }

  /// Who was told that a message is cancelled, or open again, finds it so.
  void check_cancelled() const {
    for (const auto& entry : told_.requests) {
      if (entry.method != "DELETE" || entry.outcome != told::verdict::ok) continue;
      const auto* m = find(*entry.id);
      require(m != nullptr, "a cancelled message is lost");
      require(m->status == status::cancelled || told_.was_retried(m->id),
              name_of(m->id, m->revision) + " was cancelled and is " + to_string(m->status));
    }
  }

  /// Whoever asks after somebody was told learns nothing older.
  void check_order() const {
    check_lists();
    std::map<uuid, std::vector<const told*>> of;
    for (const auto& entry : told_.requests)
      if (entry.outcome != told::verdict::unknown) {
        if (entry.now) of[entry.now->id].push_back(&entry);
        if (!entry.now && entry.id) of[*entry.id].push_back(&entry);
      }
    for (const auto& [id, entries] : of)
      for (const auto* first : entries)
        for (const auto* second : entries)
          if (first->ended < second->begun) check_pair(id, *first, *second);
  }

  /// The revision that the entry's client knows the message to have reached.
  static int known(const told& entry) {
    if (entry.now) return entry.now->revision;
    return is_answer(entry) && entry.outcome == told::verdict::ok ? *entry.revision + 1 : 0;
  }

  /// A list shows every message that was accepted before it began, once, and what is shown is true.
  void check_lists() const {
    for (const auto& list : told_.lists) {
      std::map<uuid, int> times;
      for (const auto& m : list.messages) {
        ++times[m.id];
        const auto* row = find(m.id);
        require(row && m.revision <= row->revision && said_so(*row, m),
                name_of(m.id, m.revision) + " was listed as " + m.text);
      }
      for (const auto& [id, count] : times) require(count == 1, brief(id) + " was listed twice");
      for (const auto& entry : told_.requests)
        if (is_post(entry) && entry.outcome == told::verdict::ok && entry.ended < list.begun)
          require(times.contains(entry.now->id) || told_.deleted.contains(entry.now->id),
                  "a list leaves out " + entry.now->text);
    }
  }

  void check_pair(const uuid& id, const told& first, const told& second) const {
    constexpr int not_found = 404;
    require(known(first) == 0 || second.status != not_found || told_.deleted.contains(id),
            brief(id) + " was there and is not found later");
    if (!second.now) return;
    require(
        second.now->revision >= known(first),
        brief(id) + " went back to revision " + std::to_string(second.now->revision) + ", as shown to " + second.who);
    const bool reopened = second.now->status == status::pending && told_.was_retried(id);
    require(!first.now || first.now->status == status::pending || second.now->status != status::pending || reopened,
            brief(id) + " was finished and is pending again");
  }

  const journal& told_;
  const std::map<uuid, row>& rows_;
  bool keys_last_;
  std::map<int, posted> posts_;
  std::map<int, std::set<uuid>> messages_;  ///< the rows with this number
  std::map<std::string, std::set<uuid>> keys_;
  std::set<std::pair<uuid, int>> answered_;
};

}  // namespace

std::optional<std::string> check(const journal& told, std::map<uuid, row> rows, bool keys_last) {
  rows.insert(told.deleted.begin(), told.deleted.end());
  try {
    checking(told, rows, keys_last).run();
  } catch (const contradiction& found) {
    return found.what;
  }
  return {};
}

}  // namespace amc::simulation
