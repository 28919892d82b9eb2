#include <gmock/gmock.h>

#include <csignal>
#include <fstream>

#include "tests/support/binary_test.hpp"
#include "tests/support/raw_http.hpp"

/// Tokens, against the real binary: made by it, read by it, sent by its clients.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class AccessOfTheBinary : public binary_test {
 protected:
  struct made {
    std::string token, entry;
  };
  made make_token(const std::string& name, const std::string& rights, const std::string& expires = "90d") {
    process once(amc_command(folder_.path, {"token", "new", name, "--may", rights, "--expires", expires}));
    EXPECT_EQ(ended(once), 0) << err_;
    const auto end = out_.find('\n');
    return {out_.substr(0, end), out_.substr(end + 1)};
  }
  void write(const std::string& file, const std::string& text) const {
    std::ofstream(folder_.path / (file + ".new")) << text;
    std::filesystem::rename(folder_.path / (file + ".new"), folder_.path / file);
  }
  int run(std::vector<std::string> words, std::vector<std::string> sets = {}) {
    process once(amc_command(folder_.path, std::move(words), std::move(sets)));
    return ended(once);
  }
  static int status(std::uint16_t port, const std::string& token, const std::string& target = "/queues") {
    return ask(port, "GET", target, "", "Authorization: Bearer " + token + "\r\n").status;
  }
  static std::string url(std::uint16_t port) {
    return "consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(port);
  }

  const std::vector<std::string> guarded_{"broker.http.port=0", "broker.access.tokens_file=tokens.yaml"};
};

TEST_F(AccessOfTheBinary, AnAddressThatOthersReachEndsTheStart) {
  for (const auto* command : {"broker", "all", "config"}) {
    EXPECT_EQ(run({command}, {"broker.http.port=0", "broker.http.address=0.0.0.0"}), 2) << command;
    EXPECT_THAT(err_, AllOf(HasSubstr("broker.http.address"), HasSubstr("broker.access.tokens_file"),
                            HasSubstr("amc token new"), HasSubstr("broker.access.open")))
        << command;
  }
}

TEST_F(AccessOfTheBinary, WhatIsMeantOpenIsSaidSo) {
  process broker(amc_command(folder_.path, {"broker"},
                             {"broker.http.port=0", "broker.http.address=0.0.0.0", "broker.access.open=true"}));
  EXPECT_EQ(ask(port_of(broker), "GET", "/queues").status, 200);
  EXPECT_THAT(broker.errors(), HasSubstr("[warning] [access] broker.access.open: whoever reaches"));
}

TEST_F(AccessOfTheBinary, TheListenerOfThePageIsAskedTheSame) {
  EXPECT_EQ(run({"broker"}, {"broker.http.port=0", "broker.admin.address=0.0.0.0"}), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("broker.admin.address"), HasSubstr("broker.access.tokens_file")));
  EXPECT_EQ(run({"config"}, {"broker.admin.address=localhost"}), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("broker.admin.address"), HasSubstr("is not an IP address")));
}

TEST_F(AccessOfTheBinary, ThePageHasAListenerOfItsOwn) {
  const auto reader = make_token("reader", "read:*");
  write("tokens.yaml", reader.entry);
  auto sets = guarded_;
  sets.insert(sets.end(), {"broker.admin.address=127.0.0.1", "broker.admin.port=0"});
  process broker(amc_command(folder_.path, {"broker"}, sets));
  const auto port = port_of(broker), admin = admin_port_of(broker);
  EXPECT_EQ(ask(port, "GET", "/ui/").status, 404);
  EXPECT_EQ(ask(admin, "GET", "/ui/").status, 200);
  for (const auto each : {port, admin}) {
    EXPECT_EQ(status(each, reader.token), 200);
    EXPECT_EQ(status(each, "nobody"), 401);
  }
  broker.signal(SIGTERM);
  EXPECT_EQ(broker.wait(), 0);
}

TEST_F(AccessOfTheBinary, APageWhosePortIsTakenEndsTheStart) {
  process first(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  const auto taken = std::to_string(port_of(first));
  EXPECT_EQ(run({"broker"}, {"broker.http.port=0", "broker.store.sqlite.path=other.db",
                             "broker.admin.address=127.0.0.1", "broker.admin.port=" + taken}),
            1);
  EXPECT_THAT(err_, AllOf(HasSubstr(taken), HasSubstr("in use"), HasSubstr("broker.admin.port")));
}

TEST_F(AccessOfTheBinary, AFileOfTokensThatIsWrongEndsTheStart) {
  EXPECT_EQ(run({"broker"}, guarded_), 2);
  EXPECT_THAT(err_, HasSubstr("tokens.yaml"));
  write("tokens.yaml", "- {name: x}\n");
  for (const auto* command : {"broker", "config"}) {
    EXPECT_EQ(run({command}, guarded_), 2) << command;
    EXPECT_THAT(err_, HasSubstr("tokens.yaml:1: broker.access.tokens_file: ")) << command;
  }
}

TEST_F(AccessOfTheBinary, ATokenIsMadeForOneLineAndAnEntry) {
  const auto one = make_token("billing", "send:orders,serve:invoices,read:team-*");
  EXPECT_THAT(one.token, MatchesRegex("amc_[A-Za-z0-9_-]{43}"));
  EXPECT_THAT(one.entry, AllOf(HasSubstr("- name: \"billing\"\n"), HasSubstr("\"serve:invoices\""),
                               HasSubstr("expires: "), Not(HasSubstr(one.token))));
  EXPECT_THAT(make_token("x", "read:*", "never").entry, Not(HasSubstr("expires")));
  EXPECT_EQ(run({"token", "new", "x"}), 2);
  EXPECT_EQ(run({"token", "new", "x y", "--may", "read:*"}), 2);
  EXPECT_EQ(run({"token", "new", "x", "--may", "reads:*"}), 2);
  EXPECT_THAT(err_, HasSubstr("is no right"));
  EXPECT_EQ(run({"token", "new", "x", "--may", "read:*", "--expires", "soon"}), 2);
}

TEST_F(AccessOfTheBinary, ATokenActsFromItsEntryOnAndNoLongerThanThat) {
  const auto first = make_token("first", "read:*"), second = make_token("second", "read:*");
  write("tokens.yaml", first.entry);
  process broker(amc_command(folder_.path, {"broker"}, guarded_));
  const auto port = port_of(broker);
  EXPECT_EQ(status(port, first.token), 200);
  EXPECT_EQ(status(port, second.token), 401);
  EXPECT_EQ(status(port, first.token.substr(0, 40)), 401);
  write("tokens.yaml", second.entry);
  broker.wait_for_error_text("read again: 1 tokens");
  EXPECT_EQ(status(port, first.token), 401);
  EXPECT_EQ(status(port, second.token), 200);
  write("tokens.yaml", first.entry + "- 1\n");
  broker.wait_for_error_text("the tokens stay as they were");
  EXPECT_EQ(status(port, second.token), 200);
  const auto log = broker.errors();
  for (const auto& token : {first.token, second.token}) EXPECT_THAT(log, Not(HasSubstr(token)));
}

TEST_F(AccessOfTheBinary, ABodyIsNotReadOfSomebodyUnknown) {
  write("tokens.yaml", "[]\n");
  process broker(amc_command(folder_.path, {"broker"}, guarded_));
  raw_connection link(port_of(broker));
  link.send("POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(link.read().status, 401);
}

TEST_F(AccessOfTheBinary, EveryClientOfOursSendsItsToken) {
  const auto admin = make_token("admin", "send:*,serve:*,read:*,operate:*");
  write("tokens.yaml", admin.entry);
  write("token", admin.token + "\n");
  auto sets = guarded_;
  sets.emplace_back("consumer_services.broker_client.token_file=token");
  process all(amc_command(folder_.path, {"all"}, sets));
  const auto port = port_of(all);
  const std::vector<std::string> known{url(port), "consumer_services.broker_client.token_file=token"},
      unknown{url(port)};
  EXPECT_EQ(run({"requester"}, known), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("Bye!"));
  EXPECT_EQ(run({"bench", "--conversations", "5", "--concurrency", "2"}, known), 0) << err_;
  EXPECT_EQ(run({"post", "x", "--queue", "q"}, known), 0) << err_;
  for (const auto& words : std::vector<std::vector<std::string>>{{"queues"}, {"messages", "list"}, {"health"}})
    EXPECT_EQ(run(words, known), 0) << words.front() << err_;
  process receiver(amc_command(folder_.path, {"receive", "q", "--exec", "cat", "--done"}, known));
  while (run({"messages", "list", "--status", "pending", "--queue", "q"}, known), !out_.empty()) {
  }
  receiver.signal(SIGTERM);
  EXPECT_EQ(receiver.wait(), 0) << receiver.errors();
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"requester"}, {"queues"}, {"post", "x"}, {"messages", "list"}}) {
    EXPECT_EQ(run(words, unknown), 1) << words.front();
    EXPECT_THAT(err_, HasSubstr("Authorization: Bearer")) << words.front();
  }
}

TEST_F(AccessOfTheBinary, AServiceHasTheRightsThatItNeedsAndNoOthers) {
  const auto a = make_token("a", "serve:topic-a"), b = make_token("b", "serve:topic-b"),
             asker = make_token("asker", "send:topic-a");
  write("tokens.yaml", a.entry + b.entry + asker.entry);
  for (const auto& [file, token] : {std::pair("a", a.token), std::pair("b", b.token), std::pair("asker", asker.token)})
    write(file, token);
  process broker(amc_command(folder_.path, {"broker"}, guarded_));
  const auto port = port_of(broker);
  const auto token = [](const std::string& file) { return "consumer_services.broker_client.token_file=" + file; };
  process service_a(amc_command(folder_.path, {"service-a"}, {url(port), token("a")}));
  process service_b(amc_command(folder_.path, {"service-b"}, {url(port), token("b")}));
  EXPECT_EQ(run({"requester"}, {url(port), token("asker")}), 0) << err_ << service_a.errors() << service_b.errors();
  EXPECT_THAT(out_, HasSubstr("Bye!"));
  EXPECT_EQ(run({"queues"}, {url(port), token("a")}), 1);
  EXPECT_THAT(err_, HasSubstr("403"));
}

TEST_F(AccessOfTheBinary, ASecretOnTheCommandLineIsWarnedOf) {
  run({"config"}, {"broker.store.postgresql.url=postgresql://amc:s3cret@127.0.0.1/amc"});
  EXPECT_THAT(err_, AllOf(HasSubstr("--set broker.store.postgresql.url"), Not(HasSubstr("s3cret"))));
  run({"config"}, {"broker.store.postgresql.url=postgresql://amc@127.0.0.1/amc"});
  EXPECT_THAT(err_, Not(HasSubstr("--set")));
}

}  // namespace
}  // namespace amc::tests
