#include "queue_system/nats/connection.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <thread>

#include "core/config.hpp"
#include "core/why_unreachable.hpp"
#include "queue_system/driver.hpp"

namespace amc::queue_system::nats {
namespace {

namespace json = boost::json;
using clock = std::chrono::steady_clock;

/// JetStream's codes of refusals that mean something to this driver.
enum : std::int64_t { js_stream_exists = 10'058, js_stream_not_found = 10'059 };

const int unlimited = -1;

bool is_out_of_room(std::int64_t code) {
  // Of an account, of the server, of a stream: in memory or on disk.
  return code == 10'002 || code == 10'023 || code == 10'028 || code == 10'047 || code == 10'077;
}

// not covered: a server without an operator's accounts does not answer at all then
bool is_not_enabled(std::int64_t code) {
  return code == 10'039 || code == 10'076;
}

std::int64_t number_in(const json::object& of, std::string_view name) {
  const auto* value = of.if_contains(name);
  return value && value->is_number() ? value->to_number<std::int64_t>() : 0;
}

const json::object& object_in(const json::object& of, std::string_view name) {
  static const json::object none;
  const auto* value = of.if_contains(name);
  return value && value->is_object() ? value->get_object() : none;
}

std::int64_t nanoseconds_of(milliseconds time) {
  return std::chrono::nanoseconds(time).count();
}

}  // namespace

std::optional<server_url> parse_address(const std::string& url) {
  constexpr url_rules rules{.scheme = "nats",
                            .tls_scheme = "tls",
                            .port = 4'222,
                            .tls_port = 4'222,
                            .has_path = false,
                            .has_many_hosts = true};
  return parse_server_url(url, rules);
}

std::string_view bytes_of(natsMsg& of) {
  return {natsMsg_GetData(&of), static_cast<std::size_t>(natsMsg_GetDataLength(&of))};
}

std::string words_of(natsMsg& of) {
  const char* status = nullptr;
  const char* description = nullptr;
  if (natsMsgHeader_Get(&of, "Status", &status) != NATS_OK || !status) return "";
  natsMsgHeader_Get(&of, "Description", &description);
  return std::string(status) + (description ? std::string(" ") + description : "");
}

json::object object_of(natsMsg& answer) {
  boost::system::error_code unreadable;
  auto read = json::parse(bytes_of(answer), unreadable);
  return !unreadable && read.is_object() ? std::move(read.get_object()) : json::object();
}

std::int64_t error_code_of(const json::object& answer) {
  const auto& error = object_in(answer, "error");
  const auto code = number_in(error, "err_code");
  return code != 0 ? code : number_in(error, "code");
}

connection::connection(const nats_options& options, const std::string& role) : options_(options) {
  connect(role);
  if (natsConnection_HasHeaderSupport(link_.get()) != NATS_OK)
    fail(unavailable::reason::refused, "the server is older than NATS 2.2; queue_system.nats.url wants a newer one");
  natsInbox* inbox = nullptr;
  check(natsInbox_Create(&inbox), "making an inbox");
  inbox_ = std::string(inbox) + ".";
  natsInbox_Destroy(inbox);
  natsSubscription* arriving = nullptr;
  check(natsConnection_SubscribeSync(&arriving, link_.get(), (inbox_ + "*").c_str()), "listening");
  arriving_.reset(arriving);
}

connection::~connection() {
  // A server that does not answer is not waited for.
  flush(milliseconds(500));
}

void connection::connect(const std::string& role) {
  const auto where = parse_address(options_.url);
  if (!where) fail(unavailable::reason::refused, "its URL cannot be read");
  connect_to_any(where->hosts, [&](const auto& server) { connect_to(server, *where, role); });
}

/// The library is given one server at a time: it would expect one name in the certificates of all.
void connection::connect_to(const server_url::host_and_port& server, const server_url& as, const std::string& role) {
  natsOptions* made = nullptr;
  check(natsOptions_Create(&made), "connecting");
  const std::unique_ptr<natsOptions, freed_by<natsOptions_Destroy>> how(made);
  const bool is_ipv6 = server.host.find(':') != std::string::npos;
  const auto host = is_ipv6 ? "[" + server.host + "]" : server.host;
  natsOptions_SetURL(made, ("nats://" + host + ":" + std::to_string(server.port)).c_str());
  if (!as.password.empty())
    natsOptions_SetUserInfo(made, as.user.c_str(), as.password.c_str());
  else if (!as.user.empty())
    natsOptions_SetToken(made, as.user.c_str());
  natsOptions_SetName(made, ("amc " + role).c_str());
  natsOptions_SetTimeout(made, options_.connect_timeout.count());
  natsOptions_SetWriteDeadline(made, options_.answer_timeout.count());
  natsOptions_SetPingInterval(made, options_.heartbeat.count());
  natsOptions_SetMaxPingsOut(made, 2);
  // What is asked is lost with its connection: it is made anew as a whole.
  natsOptions_SetAllowReconnect(made, false);
  if (as.tls) {
    check(natsOptions_SetSecure(made, true), "connecting");
    if (!options_.verify) natsOptions_SkipServerVerification(made, true);
    if (options_.verify && natsOptions_LoadCATrustedCertificates(made, options_.ca_file.c_str()) != NATS_OK)
      fail(unavailable::reason::refused,
           "\"" + options_.ca_file + "\" holds no certificates; check queue_system.nats.ca_file");
    if (options_.verify) natsOptions_SetExpectedHostname(made, server.host.c_str());
  }
  natsConnection* link = nullptr;
  const auto status = natsConnection_Connect(&link, made);
  link_.reset(link);
  if (status != NATS_OK) fail_to_connect(status, server);
}

void connection::fail_to_connect(natsStatus status, const server_url::host_and_port& where) const {
  const auto why =
      "connecting: " + (status == NATS_NO_SERVER || status == NATS_IO_ERROR
                            ? why_unreachable(where.host, std::to_string(where.port), options_.connect_timeout)
                            : natsStatus_GetText(status));
  if (status == NATS_CONNECTION_AUTH_FAILED)
    fail(unavailable::reason::refused, why + "; check the user and the password in queue_system.nats.url");
  if (status == NATS_SECURE_CONNECTION_REQUIRED)
    // not covered: the library speaks TLS where the server wants it
    fail(unavailable::reason::refused, why + "; what answers there wants TLS: use tls:// in queue_system.nats.url");
  if (status == NATS_SECURE_CONNECTION_WANTED)
    fail(unavailable::reason::refused,
         why + "; what answers there speaks no TLS: use nats:// in queue_system.nats.url");
  if (status == NATS_SSL_ERROR)
    fail(unavailable::reason::refused,
         why + "; check queue_system.nats.ca_file, and that its certificate has the host of queue_system.nats.url");
  fail(unavailable::reason::away, why);
}

std::uint64_t connection::number_of(natsMsg& reply) const {
  const std::string_view subject = natsMsg_GetSubject(&reply);
  std::uint64_t number = 0;
  if (subject.starts_with(inbox_))
    std::from_chars(subject.data() + inbox_.size(), subject.data() + subject.size(), number);
  return number;
}

void connection::send(const std::string& subject, const std::string& reply_to, std::string_view bytes) {
  const auto size = static_cast<int>(bytes.size());
  const auto status = reply_to.empty() ? natsConnection_Publish(link_.get(), subject.c_str(), bytes.data(), size)
                                       : natsConnection_PublishRequest(link_.get(), subject.c_str(), reply_to.c_str(),
                                                                       bytes.data(), size);
  if (status == NATS_MAX_PAYLOAD)
    fail(unavailable::reason::refused,
         "an event of " + std::to_string(size) + " bytes is larger than the server takes (" +
             std::to_string(natsConnection_GetMaxPayload(link_.get())) + ", its max_payload)");
  check(status, "sending");
}

void connection::send_expecting(const std::string& stream, const std::string& subject, const std::string& reply_to) {
  natsMsg* made = nullptr;
  check(natsMsg_Create(&made, subject.c_str(), reply_to.c_str(), nullptr, 0), "sending");
  const message sent(made);
  check(natsMsgHeader_Set(made, "Nats-Expected-Stream", stream.c_str()), "sending");
  check(natsConnection_PublishMsg(link_.get(), made), "sending");
}

message connection::next(milliseconds longest) {
  // A right that is missing is told by no answer; now and then is soon enough to look.
  constexpr milliseconds slice{100};
  const auto deadline = clock::now() + longest;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
    natsMsg* got = nullptr;
    // With no time to wait the library only looks, and says so by a time-out.
    const auto status =
        natsSubscription_NextMsg(&got, arriving_.get(), std::clamp(left, milliseconds(0), slice).count());
    if (status == NATS_OK) return message(got);
    if (status == NATS_NO_RESPONDERS) ++unheard_;
    if (status != NATS_TIMEOUT && status != NATS_NO_RESPONDERS) check(status, "receiving");
    check_rights();
    if (left <= slice || status == NATS_NO_RESPONDERS) return {};
  }
}

void connection::flush(milliseconds longest) noexcept {
  if (link_) natsConnection_FlushTimeout(link_.get(), longest.count());
}

message connection::answer_to(std::uint64_t number, const std::string& doing) {
  const auto deadline = clock::now() + options_.answer_timeout;
  do {
    unheard_ = 0;
    auto answer = next(std::chrono::ceil<milliseconds>(deadline - clock::now()));
    if (unheard() > 0) return {};
    if (answer && number_of(*answer) == number) return answer;  // another one is of what was given up
  } while (clock::now() < deadline);
  // not covered: takes a server that answers pings and no questions
  fail(unavailable::reason::away, doing + ": no answer within " + std::to_string(options_.answer_timeout.count()) +
                                      " ms (queue_system.nats.answer_timeout_ms)");
}

json::object connection::ask(const std::string& what, const json::object& request) {
  const auto number = new_number();
  send("$JS.API." + what, reply_subject(number), json::serialize(request));
  const auto answer = answer_to(number, what);
  if (!answer)
    fail(
        unavailable::reason::refused,
        "JetStream is not enabled there; start the server with --jetstream, or let queue_system.nats.url name another");
  return object_of(*answer);
}

void connection::make_stream() {
  const auto name = stream_for(options_.prefix);
  const json::object wanted{{"name", name},
                            {"subjects", json::array{subjects_of(name)}},
                            {"retention", "workqueue"},
                            {"storage", options_.in_memory ? "memory" : "file"},
                            {"num_replicas", options_.replicas},
                            {"max_consumers", unlimited},
                            {"max_msgs", unlimited},
                            {"max_bytes", unlimited},
                            {"discard", "new"}};
  if (*options_.stream_was_there && is_there_or_gone(name)) return;
  const auto made = ask("STREAM.CREATE." + name, wanted);
  const auto code = error_code_of(made);
  if (code != 0) {
    const auto existing = code == js_stream_exists ? ask("STREAM.INFO." + name) : json::object{};
    if (!fits(object_in(existing, "config"), wanted)) refuse(made, "making stream \"" + name + "\"");
  }
  *options_.stream_was_there = true;
}

/// A server (2.9) deletes the files of a stream for a moment longer than it knows of it, and takes those of one that is
/// made meanwhile along: its consumers deliver nothing then.
/// So one that is there is not asked for again: it could be deleted in between.
bool connection::is_there_or_gone(const std::string& stream) {
  constexpr milliseconds moment{1'000};
  const auto code = error_code_of(ask("STREAM.INFO." + stream));
  if (code == js_stream_not_found) std::this_thread::sleep_for(moment);
  return code == 0;
}

/// Whether what differs is only what an operator may have tuned: limits, a description.
bool connection::fits(const json::object& existing, const json::object& wanted) const {
  for (const auto* name : {"subjects", "retention", "storage", "num_replicas"}) {
    const auto* is = existing.if_contains(name);
    if (!is) return false;
    const auto text = json::serialize(*is), as_wanted = json::serialize(wanted.at(name));
    if (text != as_wanted)
      fail(unavailable::reason::refused,
           "stream \"" + stream_for(options_.prefix) + "\" exists with " + name + " " + text + " instead of " +
               as_wanted +
               "; set queue_system.nats.storage and replicas as it is, set another queue_system.prefix, or "
               "delete it: what is pending is rung again");
  }
  return true;
}

json::object connection::make_consumer(const place& queue) {
  make_stream();
  const json::object config{
      {"durable_name", queue.consumer}, {"filter_subject", queue.subject},
      {"deliver_policy", "all"},        {"replay_policy", "instant"},
      {"ack_policy", "explicit"},       {"ack_wait", nanoseconds_of(options_.ack_wait)},
      {"max_deliver", unlimited},       {"max_ack_pending", unlimited},  // each subscriber bounds its own
      {"max_waiting", 100'000}};
  auto made = ask("CONSUMER.DURABLE.CREATE." + queue.stream + "." + queue.consumer,
                  {{"stream_name", queue.stream}, {"config", config}});
  if (error_code_of(made) != 0)
    // not covered: takes a stream that is deleted in that moment, or a right to make streams and no consumers
    refuse(made, "making consumer \"" + queue.consumer + "\" of stream \"" + queue.stream + "\"");
  return made;
}

void connection::refuse(const json::object& answer, const std::string& doing) const {
  const auto& error = object_in(answer, "error");
  const auto* description = error.if_contains("description");
  const auto code = error_code_of(answer);
  const auto told = doing + ": " +
                    (description && description->is_string() ? std::string(description->get_string()) : "no") + " (" +
                    std::to_string(code) + ")";
  if (is_out_of_room(code))
    fail(unavailable::reason::away,
         told + "; give the server more room for JetStream (max_file_store, max_memory_store)");
  if (is_not_enabled(code))
    // not covered: as above
    fail(unavailable::reason::refused,
         told + "; enable JetStream for the server and the account of queue_system.nats.url");
  // What is not found is made again, and a server that is busy gets over it.
  const auto http = number_in(error, "code");
  fail(http >= 400 && http < 500 && http != 404 && http != 408 ? unavailable::reason::refused
                                                               : unavailable::reason::away,
       told);
}

void connection::check(natsStatus status, const std::string& doing) const {
  if (status == NATS_OK) return;
  const char* more = nullptr;
  const auto before = link_ ? natsConnection_GetLastError(link_.get(), &more) : NATS_OK;
  const auto told = doing + ": " + (before != NATS_OK && more && *more ? more : natsStatus_GetText(status));
  if (before == NATS_CONNECTION_AUTH_FAILED)
    // not covered: takes a user that is taken away while it is connected
    fail(unavailable::reason::refused, told + "; check the user and the password in queue_system.nats.url");
  fail(unavailable::reason::away, told);
}

void connection::check_rights() const {
  const char* more = nullptr;
  if (natsConnection_GetLastError(link_.get(), &more) == NATS_NOT_PERMITTED)
    fail(unavailable::reason::refused,
         std::string(more) +
             "; the user of queue_system.nats.url needs that right, and those to $JS.API.>, $JS.ACK.> and "
             "_INBOX.>");
}

void connection::fail(unavailable::reason why, const std::string& what) const {
  throw unavailable(why, "nats at " + mask_url(options_.url) + ": " + what);
}

}  // namespace amc::queue_system::nats
