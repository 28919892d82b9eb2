#include "app/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/bench.hpp"
#include "app/demo.hpp"
#include "app/messages_command.hpp"
#include "app/post_command.hpp"
#include "app/processes.hpp"
#include "app/queues_command.hpp"
#include "app/receive_command.hpp"
#include "app/routes_command.hpp"
#include "app/token_command.hpp"
#include "app/top_command.hpp"
#include "app/words.hpp"
#include "consumer_services/services.hpp"
#include "core/log.hpp"
#include "core/program.hpp"
#include "core/standard_streams.hpp"
#include "core/text.hpp"

namespace amc::app {
namespace {

/// What the command line gave.
struct invocation {
  config_sources sources;
  std::vector<std::string> words;  ///< positional arguments
  messages_question messages{};
  bench_options bench{};
  post_options post{};
  receive_options receive{};
  queues_question queues{};
  token_options token{};
  top_options top{};
  bool routes_value = false;
  std::vector<config_provider> known = providers();

  config settings() const {
    auto merged = as_given();
    warn_of_secrets(merged);
    return merged;
  }

  config as_given() const {
    auto merged = load_config(known, sources);
    log::configure(merged);
    for (const auto& warning : merged.warnings()) log::warning("config", warning);
    return merged;
  }

  static bool has_password(const config::entry& given) {
    const auto masked = given.key.kind == config_key::type::url ? mask_url(given.value.as_string()) : std::string();
    return masked.find(":***@") != std::string::npos || masked.find("password=***") != std::string::npos;
  }

  /// The command line of a process is shown to everybody on its machine, until `hide_secrets` has run.
  static void warn_of_secrets(const config& merged) {
    for (const auto& [path, entry] : merged.entries())
      if (entry.origin == "--set" && has_password(entry))
        log::warning("config",
                     "--set " + path +
                         " has a password, which ps could show while this started: name a file that has it in " + path +
                         "_file");
  }

  /// From the same sources, as they are by then.
  reread reading() const {
    return [this] { return load_config(known, sources); };
  }

  /// For what would otherwise complain later, or never.
  config checked_settings() const {
    auto merged = as_given();
    check_configuration(merged);
    warn_of_secrets(merged);
    return merged;
  }
};

int run_requester(const invocation& call) {
  const auto settings = call.settings();
  const auto text = call.words.empty() ? "Hi, " : call.words.front();
  const auto came = converse(settings, settings.text("consumer_services.broker_client.url"), text);
  if (came.answered)
    print(shown(came.text) + "\n");
  else
    log::last_words("amc requester", came.text);
  return came.answered ? 0 : 1;
}

int run_config(const invocation& call) {
  const auto settings = call.settings();
  std::string all;
  for (const auto& [path, entry] : settings.entries())
    all += path + ": " + printable(entry) + "  # " + entry.origin + "\n";
  print(all);
  check_configuration(settings);  // what a start would say
  check_listener(settings);
  return 0;
}

int run_reference(const invocation& call) {
  print(configuration_reference(call.known));
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
     [](const invocation& call) { return broker_process(call.checked_settings(), call.reading()); }},
    {"service-a", "run ServiceA: adds a name", "amc service-a --config /etc/amc", "",
     [](const invocation& call) {
       const auto settings = call.checked_settings();
       return service_process(settings, consumer_services::configured_service_a(settings), call.reading());
     }},
    {"service-b", "run ServiceB: adds \"Bye!\"", "amc service-b --config /etc/amc", "",
     [](const invocation& call) {
       return service_process(call.checked_settings(), consumer_services::service_b(), call.reading());
     }},
    {"all", "run the broker and both services in one process", "amc all --set log.level=debug", "",
     [](const invocation& call) { return all_process(call.checked_settings(), call.reading()); }},
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
    {"routes", "print the routes, or the one that decides where a text goes", "amc routes 'Hi, '",
     "the text, or - for stdin",
     [](const invocation& call) {
       return routes_command(call.settings(), call.words.empty() ? std::nullopt : std::optional(call.words.front()),
                             call.routes_value ? content_form::json : content_form::text);
     }},
    {"config", "print the merged configuration, and where each value came from", "amc config", "", run_config},
    {"config-reference", "print the reference page of all keys", "amc config-reference > docs/configuration.md", "",
     run_reference},
    {"version", "print the version, and which stores and queue engines are built in", "amc version", "",
     [](const invocation& call) {
       print(version_text(call.known));
       return 0;
     }},
};

/// `amc messages VERB`, with options of its own for each verb.
void declare_messages(CLI::App& app, messages_question& asked) {
  auto* messages = app.add_subcommand(
      "messages", "list, show, retry, cancel, move and erase messages, and tell what became of them");
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
  auto* history = verb("history", "print what became of each revision, and by whom", "amc messages history ID");
  history->add_flag("--diff", asked.with_diffs, "what each answer has changed, line by line");
  auto* explain = verb("explain", "print why a message is where it is", "amc messages explain ID");
  for (auto* sub : {history, explain}) sub->add_flag("--json", asked.as_json, "one JSON object a line");
  auto* retry = verb("retry", "make dead or cancelled messages pending again: those named, or all that match",
                     "amc messages retry --queue topic-a --error timeout");
  retry->add_option("--error", asked.error, "a part of the latest error");
  retry->add_option("--text", asked.text, "what those named say from now on: the next revision");
  retry->add_flag("--all", asked.all, "all dead messages, where nothing else says which");
  auto* cancel = verb("cancel", "cancel pending messages", "amc messages cancel ID");
  auto* erase = verb("erase", "erase what messages said that have ended, for good", "amc messages erase ID");
  auto* run_now = verb("run-now", "let what waits for its date, or for the end of a back-off, be worked on at once",
                       "amc messages run-now ID");
  auto* move = verb("move", "let messages wait in another queue", "amc messages move --to orders ID");
  move->add_option("--to", asked.to, "the queue")->required();
  for (auto* sub : {list, retry}) {
    sub->add_option("--status", asked.status, "pending, done, dead, cancelled or expired");
    sub->add_option("--queue", asked.queue, "of this queue");
  }
  for (auto* sub : {show, history, explain, retry, cancel, erase, run_now, move})
    sub->add_option("id", asked.ids, "ids of messages");
}

void declare_bench(CLI::App& app, bench_options& asked) {
  auto* sub = app.add_subcommand("bench", "whole conversations with a broker, each answer checked");
  sub->footer("Example:\n  amc bench --conversations 20000 --concurrency 256 --warm-up 1000");
  sub->add_option("--conversations", asked.conversations, "how many")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000'000));
  sub->add_option("--concurrency", asked.concurrency, "under way at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  sub->add_option("--rate", asked.rate, "begin so many a second, and count from the intended start; 0: no clock")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--warm-up", asked.warm_up, "conversations before, not counted")->capture_default_str();
  sub->add_flag("--json", asked.json, "print one JSON object");
}

void declare_post(CLI::App& app, post_options& asked) {
  auto* sub = app.add_subcommand("post", "post a message; print its id, or wait for the answer and print that");
  sub->footer("Example:\n  amc post --queue orders --wait 10 'two boxes'");
  sub->add_option("text", asked.text, "the text, or - for stdin")->required();
  auto* queue = sub->add_option("--queue", asked.queue, "the queue that it goes to; without one the routes decide");
  sub->add_flag("--done", asked.done, "it is finished as it is")->excludes(queue);
  sub->add_option("--wait", asked.wait_s, "seconds to wait for the answer; exit code 3 when it is not there by then")
      ->check(CLI::Range(0, 86'400));
  sub->add_option("--deliver-at", asked.deliver_at, "no sooner than this, like 2026-11-24T06:19:33Z");
  sub->add_option("--expires-at", asked.expires_at, "expired when it is still pending then");
  sub->add_option("--idempotency-key", asked.idempotency_key, "the same key again is the same message again");
  sub->add_flag("--value", asked.is_value, "it is the JSON of a value, such as {\"level\":\"gold\"}, and not a text");
  sub->add_flag("--json", asked.json, "print the message as JSON");
}

void declare_receive(CLI::App& app, receive_options& asked) {
  auto* sub =
      app.add_subcommand("receive", "run a command for each message of a queue: text on stdin, answer on stdout");
  sub->footer("Example:\n  amc receive orders --exec ./pack --to invoices");
  sub->add_option("queue", asked.queue, "the queue")->required();
  sub->add_option("--exec", asked.command, "the command, for /bin/sh; another exit code than 0 is a failure")
      ->required();
  auto* to = sub->add_option("--to", asked.to, "the queue that answers go to; without one the routes decide");
  sub->add_flag("--done", asked.done, "an answer finishes its message")->excludes(to);
  sub->add_option("--service", asked.service, "what it is called in queues, histories and metrics")
      ->capture_default_str();
  sub->add_option("--concurrency", asked.concurrency, "messages at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000));
  sub->add_option("--timeout", asked.timeout_s, "seconds that one run may take; consumer_services.handler_timeout_ms")
      ->check(CLI::Range(1, 86'400));
}

void declare_queues(CLI::App& app, queues_question& asked) {
  auto* queues = app.add_subcommand("queues", "print what waits in each queue; pause, resume and purge queues");
  queues->footer("Example:\n  amc queues --json");
  queues->add_flag("--json", asked.as_json, "one JSON object a line");
  const auto verb = [&](const char* name, const char* help) {
    auto* sub = queues->add_subcommand(name, help);
    sub->footer(std::string("Example:\n  amc queues ") + name + " orders");
    sub->add_option("queue", asked.queue, "the queue")->required();
    sub->callback([&asked, name] { asked.verb = name; });
    return sub;
  };
  verb("pause", "let nobody claim from a queue until it is resumed; what is posted to it waits");
  verb("resume", "let a queue that was paused go on");
  verb("purge", "cancel what waits in a queue and nobody works on")
      ->add_flag("--yes", asked.yes, "that this is meant")
      ->required();
}

void declare_top(CLI::App& app, top_options& asked) {
  auto* sub = app.add_subcommand("top", "show what waits in each queue and how fast it is worked off, again and again");
  sub->footer("Example:\n  amc top --once");
  sub->add_flag("--once", asked.once, "once, for scripts; so it is where stdout is no terminal");
  sub->add_option("--every", asked.every_s, "seconds between two looks")
      ->capture_default_str()
      ->check(CLI::Range(1, 3'600));
}

void declare_token(CLI::App& app, token_options& asked) {
  auto* token = app.add_subcommand("token", "make tokens for those who use a broker");
  token->require_subcommand(1);
  auto* sub = token->add_subcommand("new", "print a new token, and its entry for broker.access.tokens_file");
  sub->footer("Example:\n  amc token new billing --may send:orders,serve:invoices,read:invoices --expires 90d");
  sub->add_option("name", asked.name, "who it is for")->required();
  sub->add_option("--may", asked.rights,
                  "send, serve, read or operate, and a queue: serve:orders, read:team-*, operate:*")
      ->delimiter(',')
      ->required();
  sub->add_option("--expires", asked.expires, "90d, 12h, 30m or never")->capture_default_str();
}

void declare_options(CLI::App& app, invocation& call) {
  app.add_option("--config", call.sources.folder, "folder with *.global.yaml and *.local.yaml files")
      ->default_str(call.sources.folder);
  app.add_option("--set", call.sources.sets, "set a configuration key: KEY=VALUE (may be repeated)")
      ->expected(1)
      ->allow_extra_args(false)  // what follows is an id or a queue
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

/// An option that is empty is not one that is left out: mostly it comes of a variable of a shell that is not set.
void refuse_empty_options(CLI::App& app) {
  for (auto* sub : app.get_subcommands([](CLI::App*) { return true; })) {
    refuse_empty_options(*sub);
    for (auto* option : sub->get_options())
      if (option->get_items_expected_max() > 0 && !option->get_lnames().empty() && option->get_lnames()[0] != "text")
        option->check(
            [](const std::string& given) { return given.empty() ? std::string("is empty; leave it out") : ""; });
  }
}

/// Of the subcommand that was being read: "amc queues purge".
std::string words_of(const CLI::App& app) {
  const auto under_way = app.get_subcommands();
  return app.get_name() + (under_way.empty() ? "" : " " + words_of(*under_way.front()));
}

constexpr const char* footer =
    R"(Configuration: files in config/autoload, then variables such as AMC__BROKER__HTTP__PORT=4000,
then --set broker.http.port=4000; "amc config" prints what is in force, "amc config-reference"
every key. Documentation: README.md and docs/ of the source.

Exit codes: 0 done, or stopped by SIGTERM or SIGINT; 1 failed; 2 wrong usage or configuration;
3 accepted, and not finished in time (post --wait); 141 whoever read the output has closed it.
SIGHUP does not end a process.)";

int complain(const std::string& what, const std::string& command = "amc") {
  log::last_words(command, what);
  return program::exit_wrong_usage;
}

/// What the parser says, without a word that may be a secret.
int complain_about_parsing(const CLI::App& app, const invocation& call, const CLI::ParseError& failed) {
  if (dynamic_cast<const CLI::ExtrasError*>(&failed) == nullptr)
    return complain(std::string(failed.what()) + "; " + words_of(app) + " --help lists all", words_of(app));
  const auto is_cut = [](const std::string& set) { return set.find('=') == std::string::npos; };
  if (std::any_of(call.sources.sets.begin(), call.sources.sets.end(), is_cut))
    return complain("--set: write it as --set KEY=VALUE, without spaces around the =; amc --help");
  std::string words;
  for (const auto& word : app.remaining(true)) words += " " + repeated(word);
  return complain("not expected here:" + words + "; amc --help");
}

}  // namespace

int run(int argc, char** argv) {
  program::prepare();
  invocation call;
  call.sources.environment = program::environment_variables();
  CLI::App app("AMC: asynchronous microservice communication that never loses a message", "amc");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(footer);
  app.set_version_flag("--version", "amc " AMC_VERSION);
  declare_options(app, call);
  for (const auto& command : subcommands) {
    auto* sub = app.add_subcommand(command.name, command.help);
    sub->footer(std::string("Example:\n  ") + command.example);
    if (*command.words) sub->add_option("text", call.words, command.words)->expected(0, 1);
  }
  declare_messages(app, call.messages);
  declare_bench(app, call.bench);
  declare_post(app, call.post);
  declare_receive(app, call.receive);
  declare_queues(app, call.queues);
  declare_top(app, call.top);
  declare_token(app, call.token);
  app.get_subcommand("routes")->add_flag("--value", call.routes_value, "it is the JSON of a value, and not a text");
  refuse_empty_options(app);
  const std::vector<std::string> words(argv + 1, argv + argc);
  program::hide_secrets(argc, argv, call.known);
  if (const auto unknown = unknown_word(app, words)) return complain(*unknown);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::CallForHelp&) {
    return program::reporting("amc", [&] { return print(app.help()), 0; });
  } catch (const CLI::CallForVersion& asked) {
    return program::reporting("amc", [&] { return print(asked.what() + std::string("\n")), 0; });
  } catch (const CLI::ParseError& failed) {
    return complain_about_parsing(app, call, failed);
  }
  call.sources.folder_required = app.count("--config") > 0;
  if (app.got_subcommand("messages"))
    return program::reporting("amc messages", [&] { return messages_command(call.settings(), call.messages); });
  if (app.got_subcommand("post"))
    return program::reporting("amc post", [&] { return post_command(call.settings(), call.post); });
  if (app.got_subcommand("receive"))
    return program::reporting("amc receive", [&] { return receive_command(call.settings(), call.receive); });
  if (app.got_subcommand("queues"))
    return program::reporting("amc queues", [&] { return queues_command(call.settings(), call.queues); });
  if (app.got_subcommand("top"))
    return program::reporting("amc top", [&] { return top_command(call.settings(), call.top); });
  if (app.got_subcommand("token")) return program::reporting("amc token", [&] { return token_command(call.token); });
  if (app.got_subcommand("bench"))
    return program::reporting("amc bench", [&] { return bench(call.settings(), call.bench); });
  for (const auto& command : subcommands)
    if (app.got_subcommand(command.name))
      return program::reporting(std::string("amc ") + command.name, [&] { return command.run(call); });
  return program::exit_wrong_usage;
}

}  // namespace amc::app
