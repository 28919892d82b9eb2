#include <gmock/gmock.h>
#include <libpq-fe.h>

#include <atomic>
#include <boost/json.hpp>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "broker/life_cycle.hpp"
#include "core/uuid_source.hpp"
#include "message_store/postgresql/postgresql.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/postgresql.hpp"
#include "tests/support/source_folder.hpp"

/// A process of 0.1.0 on a database that this version upgrades under it: it says what 0.1.0 says to the server
/// (tests/fixtures), and goes on. Rows with what it does not know it neither reads, claims nor answers.
namespace amc {
namespace {

using broker::life_cycle::to_queue;
using testing::IsEmpty;
using testing::StartsWith;
namespace life_cycle = broker::life_cycle;

std::string fixture(const char* name) {
  std::ifstream in(tests::source_folder() / "tests/fixtures/0.1.0" / name, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  if (!in) throw std::runtime_error(std::string("cannot read the fixture ") + name);
  return content.str();
}

/// 0.1.0, as a server sees it.
class old_process {
 public:
  using values = std::map<std::string, std::string>;

  explicit old_process(const std::string& url) : link_(PQconnectdb(url.c_str())) {
    const auto all = boost::json::parse(fixture("statements.json")).as_object();
    for (const auto& [name, sql] : all) {
      said_[name] = sql.as_string();
      PQclear(PQprepare(link_, std::string(name).c_str(), sql.as_string().c_str(), 0, nullptr));
    }
  }
  ~old_process() { PQfinish(link_); }
  old_process(const old_process&) = delete;
  old_process& operator=(const old_process&) = delete;

  /// The SQLSTATE of a refusal; "applied"; "refused", by the guard.
  std::string insert(const uuid& id, const std::string& text) {
    return changed("insert", {{"id", to_string(id)},
                              {"new_revision", "1"},
                              {"new_status", "pending"},
                              {"new_queue", "q"},
                              {"new_due", "0"},
                              {"new_held", "f"},
                              {"new_claim", "0"},
                              {"new_unanswered", "0"},
                              {"new_failures", "0"},
                              {"new_lease", "10000"},
                              {"new_max_claims", "5"},
                              {"new_attempts", "\"[]\""},
                              {"new_fingerprint", "\"\""},
                              {"new_traceparent", "\"\""},
                              {"new_text", text},
                              {"due_from_now", "t"},
                              {"text_if_refused", "f"}});
  }
  std::string claim(const uuid& id, int revision) {
    return changed("update", {{"id", to_string(id)},
                              {"if_status", "pending"},
                              {"if_revision", std::to_string(revision)},
                              {"if_open", "t"},
                              {"if_claims_left", "t"},
                              {"if_expired", "f"},
                              {"new_held", "t"},
                              {"due_after_lease", "t"},
                              {"new_claim", "t"},
                              {"unanswered_change", "1"}});
  }
  /// Without a revision the last writer wins.
  std::string answer(const uuid& id, std::optional<int> revision, const std::string& text) {
    values asked{{"id", to_string(id)},    {"if_status", "pending"}, {"new_text", text},     {"new_status", "pending"},
                 {"new_queue", "q"},       {"new_held", "f"},        {"due_in", "0"},        {"unanswered_change", "0"},
                 {"failures_change", "0"}, {"new_lease", "10000"},   {"new_max_claims", "5"}};
    if (revision)
      asked["if_revision"] = std::to_string(*revision);
    else
      asked["if_revision_below"] = "1000";
    return changed("update", asked);
  }
  std::string ring(const uuid& id) {
    return changed("update", {{"id", to_string(id)}, {"if_status", "pending"}, {"new_held", "f"}, {"due_in", "1000"}});
  }
  std::string retry_cancelled(const uuid& id) {
    return changed("update", {{"id", to_string(id)},
                              {"if_status", "cancelled"},
                              {"new_status", "pending"},
                              {"new_held", "f"},
                              {"due_in", "0"}});
  }
  /// The member of the row that it finds.
  std::string found(const uuid& id, const std::string& column) {
    const auto list = to_string(id);
    const char* arguments[] = {list.c_str(), "t"};
    auto* done = PQexecPrepared(link_, "find", 2, arguments, nullptr, nullptr, 0);
    const std::string value = PQgetvalue(done, 0, PQfnumber(done, column.c_str()));
    PQclear(done);
    return value;
  }

 private:
  std::string changed(const std::string& statement, const values& asked) {
    std::vector<std::string> arrays;
    for (const auto& name : names_of(statement)) {
      const auto given = asked.find(name);
      const bool is_flag = name.starts_with("text_if") || name == "due_after_lease" || name == "new_claim";
      arrays.push_back("{" + (given != asked.end() ? given->second : is_flag ? "f" : "NULL") + "}");
    }
    std::vector<const char*> arguments{nullptr};  // the server's clock
    for (const auto& array : arrays) arguments.push_back(array.c_str());
    auto* done = PQexecPrepared(link_, statement.c_str(), static_cast<int>(arguments.size()), arguments.data(), nullptr,
                                nullptr, 0);
    std::string became;
    if (PQresultStatus(done) != PGRES_TUPLES_OK)
      became = PQresultErrorField(done, PG_DIAG_SQLSTATE);
    else
      became = PQntuples(done) == 1 && *PQgetvalue(done, 0, 0) == 't' ? "applied" : "refused";
    PQclear(done);
    return became;
  }

  /// Of the arrays that the statement is given, from $2 on.
  std::vector<std::string> names_of(const std::string& statement) const {
    const auto& sql = said_.at(statement);
    const auto begin = sql.find("AS c(") + 5;
    std::istringstream list(sql.substr(begin, sql.find(')', begin) - begin));
    std::vector<std::string> names;
    for (std::string name; std::getline(list >> std::ws, name, ',');) names.push_back(name);
    return names;
  }

  PGconn* link_;
  std::map<std::string, std::string> said_;
};

class Schema2Beside : public testing::Test {
 protected:
  Schema2Beside() { database_.execute(fixture("amc.sql")); }

  /// Upgrades the database.
  void open() {
    auto options = message_store::postgresql_options_from(tests::configured());
    options.url = database_.url();
    options.connections = 1;
    options.past_max_bytes = 1'000;
    opened_.emplace(message_store::open_postgresql(options));
    store_ = opened_->drivers.at(0).get();
  }
  outcome apply(const change& what) {
    const std::vector<change> batch{what};
    return store_->apply(batch).at(0);
  }
  row find(const uuid& id) {
    const std::vector<uuid> ids{id};
    return store_->find(ids, true).at(0).now;
  }
  uuid accept(const content& said) {
    const auto id = next_id_();
    EXPECT_TRUE(apply(life_cycle::accept(id, said, to_queue{"q"}, false, times_)).applied);
    return id;
  }
  static content value() {
    content said("[1.50]");
    said.form = content_form::json;
    said.content_type = "application/json";
    return said;
  }
  static content with_headers() {
    content said("Hi, ");
    said.headers = std::vector<header>{{"a", "b"}};
    return said;
  }

  uuid_source next_id_ = system_uuid_source();
  life_cycle::policy times_ = tests::default_rules();
  tests::postgresql_database database_;
  std::optional<opened_store> opened_;
  store* store_ = nullptr;
};

/// What one of its threads does: each message is accepted, claimed and answered.
struct load {
  load(const std::string& url, std::atomic<bool>& over) : old(url), thread([this, &over] { run(over); }) {}

  void run(const std::atomic<bool>& over) {
    const auto next_id = system_uuid_source();
    while (!over && complaint.empty()) {
      const auto id = next_id();
      for (const auto& became : {old.insert(id, "first"), old.claim(id, 1), old.answer(id, 1, "second")})
        if (became != "applied") complaint = became;
      ids.push_back(id);
      done = static_cast<int>(ids.size());
    }
  }

  old_process old;
  std::vector<uuid> ids{};
  std::string complaint{};
  std::atomic<int> done = 0;
  std::thread thread;
};

TEST_F(Schema2Beside, GoesOnWhileItIsUpgraded) {
  std::atomic<bool> over = false;
  load one(database_.url(), over), other(database_.url(), over);
  const auto wait_for_more = [&] {
    for (auto* l : {&one, &other})
      for (const int goal = l->done + 20; l->done < goal && l->complaint.empty();) std::this_thread::yield();
  };
  wait_for_more();
  open();
  wait_for_more();
  over = true;
  one.thread.join();
  other.thread.join();
  for (const auto* l : {&one, &other}) {
    EXPECT_EQ(l->complaint, "");
    for (const auto& id : l->ids) {
      const auto now = find(id);
      ASSERT_TRUE(now);
      EXPECT_EQ(now->text, "second");
      EXPECT_EQ(now->revision, 2);
      EXPECT_EQ(now->content_type, "");
    }
  }
  EXPECT_TRUE(apply(life_cycle::claim({one.ids.front(), 2}, 1, false)).applied) << "and this version goes on with them";
}

TEST_F(Schema2Beside, WorksOnWhatItKnows) {
  open();
  old_process old(database_.url());
  const auto id = accept("Hi, ");
  EXPECT_EQ(old.found(id, "max_claims"), std::to_string(times_.max_claims));
  EXPECT_EQ(old.claim(id, 1), "applied");
  EXPECT_EQ(old.answer(id, 1, "next"), "applied");
  EXPECT_EQ(find(id)->text, "next");
}

/// Each is refused as 0.1.0 expects it of a server: by the guard, or by a constraint, which costs that change alone.
TEST_F(Schema2Beside, LeavesAloneWhatItDoesNotKnow) {
  open();
  old_process old(database_.url());
  for (const auto& said : {value(), with_headers()}) {
    const auto id = accept(said);
    EXPECT_THAT(old.found(id, "max_claims"), StartsWith("-")) << "what it takes for no row of its own";
    EXPECT_EQ(old.claim(id, 1), "refused");
    EXPECT_EQ(old.answer(id, 1, "wrong"), "23514");
    EXPECT_EQ(old.answer(id, {}, "wrong"), "23514");
    EXPECT_EQ(old.ring(id), "applied") << "which harms nobody";
    const auto now = find(id);
    EXPECT_EQ(now->text, said.text);
    EXPECT_EQ(now->content_type, said.content_type);
    EXPECT_EQ(now->revision, 1);
    EXPECT_EQ(now->unanswered, 0);
    EXPECT_TRUE(apply(life_cycle::claim({id, 1}, 1, false)).applied);
  }
}

TEST_F(Schema2Beside, WorksOnWhatItKnowsAgain) {
  open();
  old_process old(database_.url());
  const auto id = accept(value());
  apply(life_cycle::answer(id, 1, "a text", to_queue{"q"}, false, times_));
  EXPECT_EQ(old.claim(id, 2), "applied");
  apply(life_cycle::answer(id, 2, value(), to_queue{"q"}, false, times_));
  EXPECT_EQ(old.claim(id, 3), "refused");
}

TEST_F(Schema2Beside, LeavesThePastOfWhatItChangesReadable) {
  open();
  old_process old(database_.url());
  const auto id = accept("one");
  apply(life_cycle::claim({id, 1}, 1, false, "new"));
  apply(life_cycle::answer(id, 1, "two", to_queue{"q"}, true, times_));
  EXPECT_EQ(old.claim(id, 2), "applied");
  EXPECT_EQ(old.answer(id, 2, "three"), "applied");
  apply(life_cycle::claim({id, 3}, 2, false, "new"));
  apply(life_cycle::answer(id, 3, "four", to_queue{"q"}, true, times_));
  const auto told = opened_->reader->past_of(id);
  ASSERT_EQ(told.contents.size(), 2U) << "what it has followed nobody has noted";
  EXPECT_EQ(told.contents[0].text, "one");
  EXPECT_EQ(told.contents[1].revision, 3);
  EXPECT_EQ(told.contents[1].text, "three");
  EXPECT_EQ(history_of(*told.of.now).size(), 2U);
}

TEST_F(Schema2Beside, RetriesNothingThatWasErased) {
  open();
  old_process old(database_.url());
  const auto id = accept("a secret"), other = accept("no secret");
  for (const auto& one : {id, other}) apply(life_cycle::cancel(one));
  EXPECT_TRUE(apply(life_cycle::erase(*find(id))).applied);
  EXPECT_EQ(old.retry_cancelled(other), "applied");
  EXPECT_EQ(old.retry_cancelled(id), "23514");
  EXPECT_EQ(find(id)->status, status::cancelled);
}

}  // namespace
}  // namespace amc
