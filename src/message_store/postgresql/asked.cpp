#include "message_store/postgresql/asked.hpp"

#include "message_store/columns.hpp"

namespace amc::message_store::postgresql {
namespace {

template <class Of, class T>
constexpr const char* type_of(T Of::*) {
  return sql_type<T>::name;
}

/// False asks for as little as an absent member.
template <class T>
void add_if_asked(const T& value, array_text& to) {
  if constexpr (std::is_same_v<T, bool>)
    to.add(value ? std::optional(true) : std::nullopt);
  else
    to.add(value);
}

template <class T>
asked_column guard_member(const char* name, T guard::*member, const char* condition = "") {
  return {name, type_of(member),
          [member](const asked_change& c, array_text& to) { add_if_asked(c.what.when.*member, to); }, condition};
}

template <class T>
asked_column effect_member(const char* name, T effect::*member, std::string assignment = "") {
  return {name, type_of(member), [member](const asked_change& c, array_text& to) { to.add(c.what.then.*member); },
          std::move(assignment)};
}

asked_column flag(const char* name, bool (*is_set)(const change&), std::string assignment = "") {
  return {name, sql_type<bool>::name, [is_set](const asked_change& c, array_text& to) { to.add(is_set(c.what)); },
          std::move(assignment)};
}

/// Each on a line of its own: no queue's name has a line feed.
std::optional<std::string> names_of(const std::shared_ptr<const paused_queues>& queues) {
  if (!queues) return {};
  std::string lines;
  for (const auto& [name, paused] : *queues) lines += (lines.empty() ? "" : "\n") + name;
  return lines;
}

template <class Read>
asked_column access_member(const char* name, Read read, std::string condition = "") {
  return {name, sql_type<std::string>::name,
          [read](const asked_change& c, array_text& to) {
            const auto& access = c.what.when.access;
            to.add(access ? std::optional<std::string>(read(*access)) : std::nullopt);
          },
          std::move(condition)};
}

const std::vector<asked_column>& guard_members() {
  static const std::vector<asked_column> all{
      guard_member("if_status", &guard::status, "m.status = if_status"),
      guard_member("if_revision", &guard::revision, "m.revision = if_revision"),
      guard_member("if_revision_below", &guard::revision_below, "m.revision < if_revision_below"),
      guard_member("if_queue", &guard::queue, "m.queue = if_queue"),
      guard_member("if_claim", &guard::claim, "m.claim = if_claim"),
      guard_member("if_claimed", &guard::claimed, "m.claim <> 0"),
      guard_member("if_held", &guard::held, "m.held = if_held"),
      guard_member("if_due", &guard::due, "m.due = if_due"),
      guard_member("if_open", &guard::open, "NOT m.held OR m.due <= now"),
      guard_member("if_claims_left", &guard::claims_left, "m.unanswered < abs(m.max_claims)"),
      guard_member("if_unanswered_below", &guard::unanswered_below, "m.unanswered < if_unanswered_below"),
      guard_member("if_unanswered_above", &guard::unanswered_above, "m.unanswered > if_unanswered_above"),
      guard_member("if_expired", &guard::expired, "(m.expires_at IS NOT NULL AND m.expires_at <= now) = if_expired"),
      guard_member("if_erased", &guard::erased, "(m.erased_at IS NOT NULL) = if_erased"),
      guard_member("if_unclaimed", &guard::unclaimed, "NOT m.held OR m.unanswered = 0 OR m.due <= now"),
      {"if_not_in", sql_type<std::string>::name,
       [](const asked_change& c, array_text& to) { to.add(names_of(c.what.when.not_in)); },
       "m.queue <> ALL (string_to_array(if_not_in, E'\\n'))"},
      // The length of a text that is kept elsewhere stands in the row.
      guard_member("if_text_bytes_max", &guard::text_bytes_max,
                   "octet_length(m.text) + octet_length(m.headers) <= if_text_bytes_max"),
      guard_member("if_text_other_than", &guard::text_other_than,
                   "m.text <> if_text_other_than OR m.form <> if_form_other_than OR m.content_type <> "
                   "if_type_other_than"),
      access_member(
          "if_queues", [](const access_condition& a) { return like_patterns(a.by->where(a.needed)); },
          in_queues_sql("m.", "if_queues") + " OR m.owner = if_owner"),
      access_member("if_owner",
                    [](const access_condition& a) { return a.or_owner ? std::optional(a.by->name) : std::nullopt; }),
      access_member(
          "if_holder", [](const access_condition& a) { return a.as_holder ? std::optional(a.by->name) : std::nullopt; },
          "m.holder = '' OR m.holder = if_holder OR starts_with(m.holder, if_holder || '/')"),
      guard_member("if_form_other_than", &guard::form_other_than),
      guard_member("if_type_other_than", &guard::type_other_than),
  };
  return all;
}

/// How array_text gives an effect::count: nothing, 0, what is added, or that it is one.
std::string counted_sql(const std::string& column, const std::string& how) {
  return column + " = CASE " + how + " WHEN 0 THEN 0 WHEN " + std::to_string(counted_as_one) +
         " THEN 1 ELSE greatest(0, m." + column + " + coalesce(" + how + ", 0)) END";
}

/// As the check of schema 3 wants it: negative where the row has what schema 2 does not know.
std::string signed_sql(const std::string& max_claims, const std::string& type, const std::string& headers) {
  return "CASE WHEN " + type + " = '' AND " + headers + " = '' THEN 1 ELSE -1 END * " + max_claims;
}

/// How long ago that was, for a line of the history.
std::string ago_sql(const std::string& column) {
  return "coalesce((now - m." + column + ")::text, 'null')";
}

/// The row's history after the change, as `changed` has it.
std::string history_sql() {
  const std::string what =
      "CASE WHEN new_text IS NOT NULL THEN CASE WHEN if_status <> 'pending' THEN 'edited' ELSE 'answered' END "
      "WHEN erases THEN 'erased' WHEN new_status = 'pending' THEN 'retried' WHEN new_status IS NOT NULL THEN "
      "new_status "
      "WHEN new_queue IS NOT NULL THEN 'moved' WHEN new_error IS NOT NULL THEN 'failed' ELSE 'run_now' END";
  return "history = CASE WHEN coalesce(new_text, new_status, new_queue, new_error) IS NULL AND NOT erases "
         "AND if_unclaimed IS NOT TRUE "
         "THEN m.history ELSE "
         "CASE WHEN length(m.history) - length(replace(m.history, E'\\n', '')) < " +
         std::to_string(history_max) +
         " THEN m.history ELSE substr(m.history, strpos(m.history, E'\\n') + 1) END || '[' || m.revision || ',' || "
         "now || ',\"' || " +
         what +
         " || '\",' || to_json(m.queue) || ',' || to_json(m.holder) || ',' || "
         "CASE WHEN m.claimed_at IS NULL THEN 0 ELSE m.claim END || ',' || " +
         ago_sql("claimed_at") + " || ',' || " + ago_sql("rung_at") +
         " || ',' || to_json(coalesce(asked_by, '')) || E']\\n' END";
}

/// What earlier revisions said, after the change: lines of [revision, "form", "content type", "text"], of so many bytes
/// together. Where that many are sure to be left there is no look at the lines.
std::string past_sql() {
  const std::string line =
      "('[' || m.revision || ',' || to_json(m.form) || ',' || to_json(m.content_type) || ',' || to_json(m.text) || "
      "E']\\n')";
  const std::string line_max_bytes = "6 * (octet_length(m.text) + octet_length(m.content_type)) + 100";
  return "past = CASE WHEN erases THEN '' WHEN new_text IS NULL OR octet_length(m.text) + " +
         std::to_string(past_content_overhead_bytes) +
         " > past_max_bytes THEN m.past "
         "WHEN octet_length(m.past) + " +
         line_max_bytes + " <= past_max_bytes THEN m.past || " + line +
         // Written with its escapes it may be larger than all that may be kept.
         " WHEN octet_length(" + line +
         ") > past_max_bytes THEN m.past ELSE (SELECT coalesce(string_agg(kept, '' ORDER BY place), '') FROM ("
         "SELECT one || E'\\n' AS kept, place, sum(octet_length(one) + 1) OVER (ORDER BY place DESC) AS so_far "
         "FROM unnest(string_to_array(m.past || " +
         line +
         ", E'\\n')) WITH ORDINALITY AS lines(one, place) WHERE one <> '') l WHERE so_far <= past_max_bytes) END";
}

const std::vector<asked_column>& effect_members() {
  const std::string next_revision = "m.revision + CASE WHEN new_text IS NULL THEN 0 ELSE 1 END";
  const std::string unless_erased = "CASE WHEN erases THEN '' WHEN new_text IS NULL THEN ";
  const std::string next_form = unless_erased + "m.form ELSE new_form END";
  const std::string next_type = unless_erased + "m.content_type ELSE new_content_type END";
  const std::string next_headers = unless_erased + "m.headers ELSE coalesce(new_headers, m.headers) END";
  const std::string next_claim = "coalesce(new_claim, m.claim)";
  const std::string next_claim_set = "claim = " + next_claim;
  const std::string next_text =
      "text = CASE WHEN erases THEN '' ELSE coalesce(new_text, m.text) END, revision = " + next_revision;
  const std::string next_rung =
      "rung_at = CASE WHEN new_text IS NOT NULL OR new_status = 'pending' THEN CASE WHEN rings THEN now END "
      "WHEN rings THEN coalesce(m.rung_at, now) ELSE m.rung_at END";
  const std::string next_claimed =
      "claimed_at = CASE WHEN new_claim IS NOT NULL THEN now WHEN due_after_lease THEN m.claimed_at END";
  static const std::vector<asked_column> all{
      effect_member("new_text", &effect::text, next_text),
      // not covered: gcov counts the beginning of this one elsewhere
      effect_member("new_form", &effect::form, "form = " + next_form),
      effect_member("new_content_type", &effect::content_type, "content_type = " + next_type),
      effect_member("new_headers", &effect::headers, "headers = " + next_headers),
      effect_member("new_status", &effect::status, "status = coalesce(new_status, m.status)"),
      effect_member("new_queue", &effect::queue,
                    "queue = coalesce(new_queue, m.queue), last_queue = CASE new_queue WHEN '' THEN m.queue ELSE "
                    "CASE WHEN new_queue IS NULL THEN m.last_queue ELSE '' END END"),
      effect_member("new_held", &effect::held, "held = coalesce(new_held, m.held)"),
      effect_member("due_in", &effect::due_in),
      effect_member("due_at", &effect::due_at),
      effect_member("lease_max", &effect::lease_max),
      flag(
          "rings", [](const change& c) { return c.then.rings; }, next_rung),
      flag(
          "erases", [](const change& c) { return c.then.erases; },
          "erased_at = CASE WHEN erases THEN now ELSE m.erased_at END, " + past_sql()),
      {"asked_by", sql_type<std::string>::name,
       [](const asked_change& c, array_text& to) {  // not covered: gcov counts its body alone
         const auto& by = asked_by(c.what);
         to.add(by.empty() ? std::nullopt : std::optional(by));
       }},
      effect_member("due_after_lease", &effect::due_after_lease,
                    "due = CASE WHEN due_after_lease THEN now + least(coalesce(new_lease, m.lease), lease_max) "
                    "ELSE coalesce(due_at, now + due_in, m.due) END"),
      effect_member("new_claim", &effect::new_claim, next_claim_set + ", " + next_claimed),
      effect_member("unanswered_change", &effect::unanswered, counted_sql("unanswered", "unanswered_change")),
      effect_member("failures_change", &effect::failures, counted_sql("failures", "failures_change")),
      effect_member("new_lease", &effect::lease, "lease = coalesce(new_lease, m.lease)"),
      effect_member(
          "new_holder", &effect::holder,
          "holder = CASE WHEN new_claim IS NOT NULL THEN new_holder WHEN due_after_lease THEN m.holder ELSE '' END"),
      effect_member(
          "new_max_claims", &effect::max_claims,
          "max_claims = " + signed_sql("abs(coalesce(new_max_claims, m.max_claims))", next_type, next_headers)),
      effect_member("new_error", &effect::error,
                    "attempts = CASE WHEN erases THEN '[]' WHEN new_error IS NULL THEN m.attempts ELSE "
                    "(CASE WHEN jsonb_array_length(m.attempts) < " +
                        std::to_string(attempts_max) +
                        " THEN m.attempts ELSE m.attempts - 0 END) || jsonb_build_object('revision', " + next_revision +
                        ", 'claim', " + next_claim + ", 'at', now, 'error', new_error) END"),
  };
  return all;
}

bool is_due_from_now(const change& what) {
  return what.then.due_after_lease || (what.then.due_in && !what.then.due_at);
}

/// An answer brings its text along.
bool sends_text_if_applied(const change& what) {
  return tells_text(what, true) && !what.then.text;
}

bool sends_text_if_refused(const change& what) {
  return tells_text(what, false);
}

/// What the statement itself gives a new row; null where the row as it is asked for has the value.
const char* given_when_inserted(const column& c) {
  if (&c == &column_of(&message::created_at) || &c == &column_of(&message::updated_at)) return "now";
  return nullptr;
}

std::string name_when_inserted(const column& c) {
  return &c == &column_of(&message::id) ? c.name : std::string("new_") + c.name;
}

asked_column inserted_column(const column& c) {
  return {name_when_inserted(c), std::visit([](auto member) { return type_of(member); }, c.value),
          [&c](const asked_change& asked, array_text& to) {
            const auto* text = std::get_if<std::string message::*>(&c.value);
            if (c.null_where_empty && text && ((*asked.inserted).**text).empty())
              to.add_null();
            else
              std::visit([&](auto member) { to.add((*asked.inserted).*member); }, c.value);
          }};
}

void append(std::vector<asked_column>& to, const std::vector<asked_column>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

std::vector<asked_column> make_asked_of_updates() {
  std::vector<asked_column> all{
      {"id", sql_type<uuid>::name, [](const asked_change& c, array_text& to) { to.add(c.what.id); }}};
  append(all, guard_members());
  append(all, effect_members());
  append(all, {flag("text_if_applied", sends_text_if_applied), flag("text_if_refused", sends_text_if_refused)});
  return all;
}

std::vector<asked_column> make_asked_of_inserts() {
  std::vector<asked_column> all;
  for (const auto& c : columns)
    if (!given_when_inserted(c)) all.push_back(inserted_column(c));
  append(all, {flag("due_from_now", is_due_from_now), flag("text_if_refused", sends_text_if_refused)});
  return all;
}

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string all;
  for (const auto& part : parts) all.append(all.empty() ? "" : between).append(part);
  return all;
}

}  // namespace

std::string like_patterns(const queue_patterns& of) {
  std::string lines;
  for (const auto& pattern : of.patterns()) {
    if (!lines.empty()) lines += '\n';
    for (const char c : pattern) {
      if (c == '%' || c == '_' || c == '\\') lines += '\\';
      lines += c == '*' ? '%' : c;
    }
  }
  return lines;
}

std::string in_queues_sql(const std::string& prefix, const std::string& patterns) {
  return "coalesce(nullif(" + prefix + "queue, ''), " + prefix + "last_queue) LIKE ANY (string_to_array(" + patterns +
         ", E'\\n'))";
}

const std::vector<asked_column>& asked_of_updates() {
  static const auto all = make_asked_of_updates();
  return all;
}

const std::vector<asked_column>& asked_of_inserts() {
  static const auto all = make_asked_of_inserts();
  return all;
}

std::string asked_sql(const std::vector<asked_column>& of) {
  std::vector<std::string> arrays, names;
  for (const auto& c : of) {
    arrays.push_back("$" + std::to_string(arrays.size() + 2) + "::" + c.type + "[]");
    names.push_back(c.name);
  }
  return "asked AS MATERIALIZED (SELECT * FROM unnest(" + joined(arrays, ", ") + ") AS c(" + joined(names, ", ") + "))";
}

void add_asked(parameters& to, const std::vector<asked_column>& of, std::span<const asked_change> changes) {
  for (const auto& c : of) {
    array_text array;
    for (const auto& one : changes) c.add(one, array);
    to.add(array.finished());
  }
}

std::string assignments_sql() {
  std::vector<std::string> all{"updated_at = CASE WHEN erases THEN m.updated_at ELSE now END", history_sql()};
  for (const auto& member : effect_members())
    if (!member.sql.empty()) all.push_back(member.sql);
  return joined(all, ", ");
}

std::string conditions_sql() {
  std::vector<std::string> all;
  for (const auto& member : guard_members())
    if (!member.sql.empty()) all.push_back("(" + member.name + " IS NULL OR (" + member.sql + "))");
  return joined(all, " AND ");
}

std::string inserted_sql() {
  std::vector<std::string> all;
  for (const auto& c : columns) {
    const auto asked = name_when_inserted(c);
    if (const auto* given = given_when_inserted(c))
      all.emplace_back(given);
    else if (&c == &column_of(&message::rung_at) || &c == &column_of(&message::claimed_at))
      all.push_back("now + " + asked);  // both are given as they are at the time 0
    else if (&c == &column_of(&message::due))
      all.push_back("CASE WHEN due_from_now THEN now + " + asked + " ELSE " + asked + " END");
    else if (&c == &column_of(&message::max_claims))
      all.push_back(signed_sql(asked, name_when_inserted(column_of(&message::content_type)),
                               name_when_inserted(column_of(&message::headers))));
    else
      all.push_back(asked);
  }
  return joined(all, ", ");
}

}  // namespace amc::message_store::postgresql
