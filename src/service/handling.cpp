#include "service/handling.hpp"

#include "core/environment.hpp"
#include "core/uuid_source.hpp"
#include "service/contents.hpp"

namespace amc {
namespace service {

handler_outcome outcome_of(answer said) {
  if (const auto why = why_unfit(said.text(), said.form(), said.headers()))
    return handler_failure{"the handler's answer " + *why};
  answered told{told_content(said.text(), said.form(), said.content_type(), said.headers())};
  if (said.queue()) told.to = to_queue{*said.queue()};
  if (said.is_done()) told.to = to_done{};
  return told;
}

void handle(const handler& call, const delivery& work, const completion& end) {
  try {
    call(work, end);
  } catch (const reject& never) {
    end.reject(never.what());
  } catch (const std::exception& failed) {
    end.fail(failed.what());
  } catch (...) {
    end.fail("the handler threw something that is no std::exception");
  }
}

}  // namespace service

// ---- delivery ----

delivery::delivery(std::string text, content_form form, std::string queue, std::vector<amc::header> headers) {
  auto inner = std::make_shared<claimed_revision>();
  inner->id = uuid_v7_source(system_wall_clock, system_random)();
  inner->revision = 1;
  inner->text = std::move(text);
  inner->form = form;
  inner->queue = std::move(queue);
  inner->headers = std::move(headers);
  inner->attempt = 1;
  inner_ = std::move(inner);
}

std::string delivery::id() const {
  return to_string(inner_->id);
}

int delivery::revision() const {
  return inner_->revision;
}

std::string delivery::key() const {
  return id() + "/" + std::to_string(revision());
}

const std::string& delivery::text() const {
  return inner_->text;
}

content_form delivery::form() const {
  return inner_->form;
}

const std::string& delivery::content_type() const {
  return inner_->content_type;
}

const std::vector<header>& delivery::headers() const {
  return inner_->headers;
}

std::optional<std::string> delivery::header(std::string_view name) const {
  for (const auto& one : inner_->headers)
    if (one.name == name) return one.value;
  return {};
}

std::int64_t delivery::claim() const {
  return inner_->claim;
}

const std::string& delivery::queue() const {
  return inner_->queue;
}

int delivery::attempt() const {
  return inner_->attempt;
}

std::optional<timestamp> delivery::created_at() const {
  return inner_->created_at;
}

const std::string& delivery::traceparent() const {
  return inner_->traceparent;
}

const std::string& delivery::tracestate() const {
  return inner_->tracestate;
}

// ---- answer ----

answer answer::json(std::string value) {
  answer said(std::move(value));
  said.form_ = content_form::json;
  return said;
}

answer answer::bytes(std::string any, std::string content_type) {
  answer said(std::move(any));
  said.form_ = content_form::bytes;
  said.content_type_ = std::move(content_type);
  return said;
}

answer& answer::to(std::string queue) & {
  queue_ = std::move(queue);
  done_ = false;
  return *this;
}

answer& answer::done() & {
  done_ = true;
  queue_.reset();
  return *this;
}

answer& answer::content_type(std::string type) & {
  content_type_ = std::move(type);
  return *this;
}

answer& answer::headers(std::vector<amc::header> all) & {
  headers_ = std::move(all);
  return *this;
}

// ---- reject and completion ----

reject::~reject() = default;

completion::state::~state() {
  if (!over)
    told(service::handler_failure{"the handler let go of its delivery without an answer and without a failure"});
}

bool completion::state::end(const std::function<service::handler_outcome()>& how) {
  if (over.exchange(true)) return false;
  told(how());
  return true;
}

bool completion::answer(amc::answer said) const {
  return state_->end([&] { return service::outcome_of(std::move(said)); });
}

bool completion::fail(std::string reason) const {
  return state_->end([&] { return service::handler_failure{std::move(reason)}; });
}

bool completion::reject(std::string reason) const {
  return state_->end([&] { return service::handler_failure{std::move(reason), true}; });
}

}  // namespace amc
