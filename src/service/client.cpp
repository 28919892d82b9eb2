#include "amc/client.hpp"

#include <boost/json.hpp>

#include "access/token_caller.hpp"
#include "core/back_off.hpp"
#include "core/json_text.hpp"
#include "core/loop.hpp"
#include "core/text.hpp"
#include "core/time_text.hpp"
#include "core/uuid_source.hpp"
#include "core/work.hpp"
#include "http/client.hpp"
#include "service/contents.hpp"

namespace amc {
namespace json = boost::json;

// ---- what is posted ----

new_message new_message::json(std::string value) {
  new_message what(std::move(value));
  what.form_ = content_form::json;
  return what;
}

new_message new_message::bytes(std::string any, std::string content_type) {
  new_message what(std::move(any));
  what.form_ = content_form::bytes;
  what.content_type_ = std::move(content_type);
  return what;
}

new_message& new_message::to(std::string queue) {
  queue_ = std::move(queue);
  return *this;
}

new_message& new_message::done() {
  done_ = true;
  return *this;
}

new_message& new_message::content_type(std::string type) {
  content_type_ = std::move(type);
  return *this;
}

new_message& new_message::headers(std::vector<header> all) {
  headers_ = std::move(all);
  return *this;
}

new_message& new_message::deliver_at(timestamp when) {
  deliver_at_ = when;
  return *this;
}

new_message& new_message::expires_at(timestamp when) {
  expires_at_ = when;
  return *this;
}

new_message& new_message::idempotency_key(std::string key) {
  key_ = std::move(key);
  return *this;
}

new_message& new_message::trace(std::string traceparent, std::string tracestate) {
  traceparent_ = std::move(traceparent);
  tracestate_ = std::move(tracestate);
  return *this;
}

/// As the API wants it.
struct new_message::parts {
  static http::request request(const new_message& what, const std::string& own_key) {
    constexpr int unprocessable = 422;
    const auto headers = what.headers_.empty() ? std::nullopt : std::optional(what.headers_);
    if (const auto why = service::why_unfit(what.text_, what.form_, headers))
      throw refused(unprocessable, "The message " + *why + ".");
    if (!what.key_.empty() && !is_idempotency_key(what.key_)) throw refused(unprocessable, bad_idempotency_key);
    const auto said = service::told_content(what.text_, what.form_, what.content_type_, headers);
    json_object_text item;
    if (!what.queue_.empty()) item.add("queue", what.queue_);
    if (what.done_) item.add("done", true);
    if (what.deliver_at_) item.add("deliver_at", to_rfc3339(*what.deliver_at_));
    if (what.expires_at_) item.add("expires_at", to_rfc3339(*what.expires_at_));
    service::add_content(item, said);
    http::request asked{"POST", "/messages", {}, item.take()};
    asked.headers.add("Idempotency-Key", what.key_.empty() ? own_key : what.key_);
    if (is_traceparent(what.traceparent_)) asked.headers.add("traceparent", what.traceparent_);
    if (is_tracestate(what.tracestate_)) asked.headers.add("tracestate", what.tracestate_);
    return asked;
  }
};

refused::~refused() = default;
no_answer::~no_answer() = default;

namespace {

constexpr int ok = 200, not_found = 404, over_quota = 429, overloaded = 503;

/// What came is no answer of a broker. Retrying may find one: a proxy's page, a broker that starts.
no_answer unexpected(bool may_have_been_done, const http::response& reply) {
  constexpr std::size_t shown_max = 100;
  return {may_have_been_done, "was answered " + std::to_string(reply.status) + ", \"" +
                                  made_valid(shortened(reply.body, shown_max)) + "\": is this a broker's URL?"};
}

std::string text_in(const json::object& fields, std::string_view name) {
  const auto* value = fields.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

message_state state_in(const http::response& reply) try {
  const auto body = read_json(reply.body);
  const auto& fields = body.as_object();
  const auto* said = fields.if_contains("message");
  const bool is_value = said && !said->is_string();
  auto told = service::content_of(fields, is_value ? member_text(reply.body, "message") : std::string_view());
  message_state state;
  state.id = fields.at("id").as_string();
  state.revision = fields.at("revision").to_number<int>();
  state.state = parse_status(fields.at("status").as_string()).value();
  state.text = std::move(told.text);
  state.form = told.form;
  state.content_type = std::move(told.content_type);
  state.headers = std::move(told.headers);
  state.queue = text_in(fields, "queue");
  if (const auto* attempts = fields.if_contains("attempts"))
    state.error = text_in(attempts->as_array().back().as_object(), "error");
  return state;
} catch (const std::exception&) {
  throw unexpected(true, reply);
}

/// The broker's reason.
std::string reason_in(const http::response& reply) {
  boost::system::error_code not_json;
  const auto detail = service::detail_of(read_json(reply.body, not_json));
  return detail.empty() ? "the broker answered " + std::to_string(reply.status) : detail;
}

/// It goes into a target as it is.
bool is_id(std::string_view id) {
  return parse_uuid(id).has_value();
}

refused unknown(const std::string& id) {
  return {not_found, "Message \"" + made_valid(shortened(id, 100)) + "\" not found."};
}

}  // namespace

struct client::parts {
  parts(const std::string& url, client_options given)
      : options(std::move(given)), calls(caller(on.env(), url, options)) {}

  static std::shared_ptr<http::caller> caller(const environment& env, const std::string& url,
                                              const client_options& options) {
    http::client_options told;
    told.url = url;
    told.keys = "amc::client";
    told.ca_file = options.ca_file;
    told.certificate_file = options.certificate_file;
    told.key_file = options.key_file;
    told.answer_max_bytes = options.answer_max_bytes;
    auto calls = http::make_client(env, std::move(told));
    return access::with_token(env, std::move(calls), options.token_file);
  }

  using clock = std::chrono::steady_clock;

  /// Asks until there is an answer, or the time is over. What is asked can be asked again.
  task<http::response> ask(http::request asked, milliseconds longest) {
    const auto deadline = clock::now() + longest;
    back_off pause(on.env().random());
    bool may_have_been_done = false;
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
      std::string why;
      http::request once = asked;
      try {
        auto reply = co_await calls->send(std::move(once), left);
        if (reply.status < 500 && reply.status != over_quota) co_return reply;
        why = reason_in(reply);
        may_have_been_done = may_have_been_done || (reply.status != overloaded && reply.status != over_quota);
      } catch (const http::answer_too_large& failed) {
        throw no_answer(true, failed.what());
      } catch (const unavailable& failed) {
        why = failed.what();
        may_have_been_done = may_have_been_done || failed.why() == unavailable::reason::outcome_unknown;
      }
      const auto rest = pause.next();
      if (clock::now() + rest >= deadline) throw no_answer(may_have_been_done && asked.method != "GET", why);
      co_await sleep_for(on.env(), rest);
    }
  }

  task<http::response> taken(http::request asked, milliseconds longest) {
    auto reply = co_await ask(std::move(asked), longest);
    if (reply.status >= 300) throw refused(reply.status, reason_in(reply));
    co_return reply;
  }

  task<message_state> post(new_message what) {
    auto asked = new_message::parts::request(what, to_string(ids()));
    const auto reply = co_await taken(std::move(asked), options.timeout);
    co_return state_in(reply);
  }

  task<message_state> post_and_wait(new_message what, milliseconds longest) {
    const auto deadline = clock::now() + longest;
    auto asked = new_message::parts::request(what, to_string(ids()));
    prefer_wait(asked, longest);
    const auto reply = co_await taken(std::move(asked), options.timeout + longest);
    auto state = state_in(reply);
    const auto left = std::chrono::floor<milliseconds>(deadline - clock::now());
    if (state.state == status::done || (state.state == status::pending && left <= milliseconds(0))) co_return state;
    // Also where it has ended otherwise: that says why.
    co_return co_await wait(std::move(state.id), std::max(left, milliseconds(0)));
  }

  task<std::optional<message_state>> find(std::string id) {
    if (!is_id(id)) co_return std::nullopt;
    http::request asked{"GET", "/messages/" + id};
    const auto reply = co_await ask(std::move(asked), options.timeout);
    if (reply.status == not_found) co_return std::nullopt;
    if (reply.status != ok) throw refused(reply.status, reason_in(reply));
    co_return state_in(reply);
  }

  task<message_state> wait(std::string id, milliseconds longest) {
    if (!is_id(id)) throw unknown(id);
    const auto deadline = clock::now() + longest;
    for (;;) {
      const auto left = std::max(std::chrono::ceil<milliseconds>(deadline - clock::now()), milliseconds(0));
      http::request asked{"GET", "/messages/" + id};
      prefer_wait(asked, left);
      const auto reply = co_await taken(std::move(asked), options.timeout + left);
      auto state = state_in(reply);
      if (state.state != status::pending || clock::now() >= deadline) co_return state;
      // Whole seconds are waited for, and no more than the broker's most: what is left is asked for again.
      const auto rest = std::chrono::floor<milliseconds>(deadline - clock::now());
      if (rest < one_second) co_await sleep_for(on.env(), std::min(rest, short_rest));
    }
  }

  task<message_state> cancel(std::string id) {
    if (!is_id(id)) throw unknown(id);
    http::request asked{"DELETE", "/messages/" + id};
    const auto reply = co_await taken(std::move(asked), options.timeout);
    co_return state_in(reply);
  }

  ~parts() { on.run(under_way.drain()); }

  template <class T>
  std::future<T> start(task<T> work) {
    std::promise<T> told;
    auto outcome = told.get_future();
    boost::asio::post(on.executor(), [this, work = std::move(work), told = std::move(told)]() mutable {
      under_way.spawn(tell(std::move(told), std::move(work)));
    });
    return outcome;
  }

  template <class T>
  static task<void> tell(std::promise<T> told, task<T> work) {
    try {
      auto value = co_await std::move(work);
      told.set_value(std::move(value));
    } catch (...) {
      told.set_exception(std::current_exception());
    }
  }

  static constexpr milliseconds one_second{1'000}, short_rest{50};

  client_options options;
  loop on{"client"};
  std::shared_ptr<http::caller> calls;
  uuid_source ids = uuid_v7_source(system_wall_clock, system_random);
  task_group under_way{on.executor()};

 private:
  static void prefer_wait(http::request& asked, milliseconds longest) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(longest).count();
    if (seconds > 0) asked.headers.add("Prefer", "wait=" + std::to_string(seconds));
  }
};

client::client(const std::string& url, client_options options)
    : parts_(std::make_unique<parts>(url, std::move(options))) {}

client::~client() = default;

std::future<message_state> client::post_async(new_message what) {
  return parts_->start(parts_->post(std::move(what)));
}

std::future<message_state> client::post_and_wait_async(new_message what, milliseconds longest) {
  return parts_->start(parts_->post_and_wait(std::move(what), longest));
}

std::future<std::optional<message_state>> client::find_async(std::string id) {
  return parts_->start(parts_->find(std::move(id)));
}

std::future<message_state> client::wait_async(std::string id, milliseconds longest) {
  return parts_->start(parts_->wait(std::move(id), longest));
}

std::future<message_state> client::cancel_async(std::string id) {
  return parts_->start(parts_->cancel(std::move(id)));
}

message_state client::post(const new_message& what) {
  return post_async(what).get();
}

message_state client::post_and_wait(const new_message& what, milliseconds longest) {
  return post_and_wait_async(what, longest).get();
}

std::optional<message_state> client::find(const std::string& id) {
  return find_async(id).get();
}

message_state client::wait(const std::string& id, milliseconds longest) {
  return wait_async(id, longest).get();
}

message_state client::cancel(const std::string& id) {
  return cancel_async(id).get();
}

}  // namespace amc
