#include "app/command_line.hpp"

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "app/bench.hpp"
#include "app/demo.hpp"
#include "app/messages_command.hpp"
#include "app/processes.hpp"
#include "consumer_services/services.hpp"
#include "core/log.hpp"

extern char** environ;

namespace amc::app {
namespace {

/// What the command line gave.
struct invocation {
  config_sources sources;
  std::vector<std::string> words;  ///< positional arguments
  messages_question messages{};
  bench_options bench{};
  std::vector<config_provider> known = providers();

  config settings() const {
    auto merged = load_config(known, sources);
    log::configure(merged);
    return merged;
  }
};

int run_requester(const invocation& call) {
  const auto settings = call.settings();
  const auto text = call.words.empty() ? "Hi, " : call.words.front();
  const auto came = converse(settings, settings.text("consumer_services.broker_client.url"), text);
  if (came.answered)
    std::cout << came.text << std::endl;
  else
    log::last_words("amc requester", came.text);
  return came.answered ? 0 : 1;
}

int run_config(const invocation& call) {
  const auto settings = call.settings();
  for (const auto& [path, entry] : settings.entries())
    std::cout << path << ": " << printable(entry) << "  # " << entry.origin << "\n";
  return 0;
}

int run_reference(const invocation& call) {
  std::cout << configuration_reference(call.known);
  return 0;
}

struct subcommand {
  const char* name;
  const char* help;
  const char* example;
  const char* words;  ///< help of the positional argument; empty: there is none
  int (*run)(const invocation& call);
};

const subcommand subcommands[] = {
    {"broker", "run the broker: the HTTP API", "amc broker --set broker.http.port=4000", "",
     [](const invocation& call) { return broker_process(call.settings()); }},
    {"service-a", "run ServiceA: adds a name", "amc service-a --config /etc/amc", "",
     [](const invocation& call) {
       const auto settings = call.settings();
       return service_process(settings, consumer_services::configured_service_a(settings));
     }},
    {"service-b", "run ServiceB: adds \"Bye!\"", "amc service-b --config /etc/amc", "",
     [](const invocation& call) { return service_process(call.settings(), consumer_services::service_b()); }},
    {"all", "run the broker and both services in one process", "amc all --set log.level=debug", "",
     [](const invocation& call) { return all_process(call.settings()); }},
    {"requester", "post a text, wait for the answer, print it", "amc requester 'Hi, '", "the text; \"Hi, \" by default",
     run_requester},
    {"demo", "show one message travel, in a temporary folder", "amc demo", "",
     [](const invocation& call) { return demo(call.sources, call.known); }},
    {"health", "ask the broker whether it is ready: exit 0 or 1", "amc health", "",
     [](const invocation& call) { return health(call.settings()); }},
    {"migrate", "bring the store's schema up to date, and show the steps", "amc migrate plan",
     "\"plan\" only shows what would be done",
     [](const invocation& call) {
       if (!call.words.empty() && call.words.front() != "plan")
         throw config_error("\"" + call.words.front() + "\" is not known here; say nothing, or \"plan\"");
       return migrate(call.settings(), !call.words.empty());
     }},
    {"config", "print the merged configuration, and where each value came from", "amc config", "", run_config},
    {"config-reference", "print the reference page of all keys", "amc config-reference > docs/configuration.md", "",
     run_reference},
    {"version", "print the version", "amc version", "",
     [](const invocation&) {
       std::cout << "amc " << AMC_VERSION << "\n";
       return 0;
     }},
};

std::map<std::string, std::string> environment_variables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

/// `amc messages VERB`, with options of its own for each verb.
void declare_messages(CLI::App& app, messages_question& asked) {
  auto* messages = app.add_subcommand("messages", "list, show, retry and cancel messages");
  messages->require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, const char* example) {
    auto* sub = messages->add_subcommand(name, help);
    sub->footer(std::string("Example:\n  ") + example);
    sub->callback([&asked, name] { asked.verb = name; });
    return sub;
  };
  auto* list = verb("list", "print messages, one JSON object a line", "amc messages list --status dead --limit 20");
  list->add_option("--limit", asked.limit, "no more than this")->capture_default_str();
  auto* show = verb("show", "print messages in full", "amc messages show ID");
  auto* retry = verb("retry", "make dead or cancelled messages pending again: those named, or all that match",
                     "amc messages retry --queue topic-a --error timeout");
  retry->add_option("--error", asked.error, "a part of the latest error");
  auto* cancel = verb("cancel", "cancel pending messages", "amc messages cancel ID");
  for (auto* sub : {list, retry}) {
    sub->add_option("--status", asked.status, "pending, done, dead, cancelled or expired");
    sub->add_option("--queue", asked.queue, "of this queue");
  }
  for (auto* sub : {show, retry, cancel}) sub->add_option("id", asked.ids, "ids of messages");
}

void declare_bench(CLI::App& app, bench_options& asked) {
  auto* sub = app.add_subcommand("bench", "whole conversations with a broker, each answer checked");
  sub->footer("Example:\n  amc bench --conversations 20000 --concurrency 256 --warm-up 1000");
  sub->add_option("--conversations", asked.conversations, "how many")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  sub->add_option("--concurrency", asked.concurrency, "under way at once")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  sub->add_option("--rate", asked.rate, "begin so many a second, and count from the intended start; 0: no clock")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--warm-up", asked.warm_up, "conversations before, not counted")->capture_default_str();
  sub->add_flag("--json", asked.json, "print one JSON object");
}

void declare_options(CLI::App& app, invocation& call) {
  app.add_option("--config", call.sources.folder, "folder with *.global.yaml and *.local.yaml files")
      ->default_str(call.sources.folder);
  app.add_option("--set", call.sources.sets, "set a configuration key: KEY=VALUE (may be repeated)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

/// Every connection is a descriptor; the usual soft limit of 1,024 is for programs that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// Runs `work`; what stops it becomes one line and an exit code.
int reporting(const std::string& name, const std::function<int()>& work) {
  try {
    return work();
  } catch (const config_error& failed) {
    log::last_words(name, failed.what());
    return 2;
  } catch (const std::exception& failed) {
    log::last_words(name, failed.what());
    return 1;
  }
}

}  // namespace

int run(int argc, char** argv) {
  raise_descriptor_limit();
  invocation call;
  call.sources.environment = environment_variables();
  CLI::App app("AMC: asynchronous microservice communication that never loses a message");
  app.require_subcommand(1);
  app.fallthrough();
  declare_options(app, call);
  for (const auto& command : subcommands) {
    auto* sub = app.add_subcommand(command.name, command.help);
    sub->footer(std::string("Example:\n  ") + command.example);
    if (*command.words) sub->add_option("text", call.words, command.words)->expected(0, 1);
  }
  declare_messages(app, call.messages);
  declare_bench(app, call.bench);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& stopped) {
    return app.exit(stopped) == 0 ? 0 : 2;
  }
  call.sources.folder_required = app.count("--config") > 0;
  if (app.got_subcommand("messages"))
    return reporting("amc messages", [&] { return messages_command(call.settings(), call.messages); });
  if (app.got_subcommand("bench")) return reporting("amc bench", [&] { return bench(call.settings(), call.bench); });
  for (const auto& command : subcommands)
    if (app.got_subcommand(command.name))
      return reporting(std::string("amc ") + command.name, [&] { return command.run(call); });
  return 2;
}

}  // namespace amc::app
