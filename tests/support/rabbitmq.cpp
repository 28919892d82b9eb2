#include "tests/support/rabbitmq.hpp"

#include <cstdlib>
#include <functional>
#include <stdexcept>

#include "queue_system/rabbitmq/rabbitmq_c.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/unique_name.hpp"

namespace amc::tests {
namespace {

/// A connection that shares no code with the driver.
void on_channel(std::string url, const std::function<void(amqp_connection_state_t)>& use) {
  amqp_connection_info where{};
  amqp_parse_url(url.data(), &where);
  auto* link = amqp_new_connection();
  auto* socket = amqp_tcp_socket_new(link);
  if (amqp_socket_open(socket, where.host, where.port) != AMQP_STATUS_OK) {
    amqp_destroy_connection(link);
    throw std::runtime_error("no RabbitMQ at " + std::string(where.host) + ":" + std::to_string(where.port));
  }
  amqp_login(link, "/", 0, 131'072, 0, AMQP_SASL_METHOD_PLAIN, where.user, where.password);
  amqp_channel_open(link, 1);
  use(link);
  amqp_connection_close(link, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(link);
}

std::string test_server() {
  const char* server = std::getenv("AMC_TEST_RABBITMQ_URL");
  if (!server) throw std::runtime_error("AMC_TEST_RABBITMQ_URL names no server: run scripts/with-test-servers COMMAND");
  return server;
}

}  // namespace

rabbitmq_queues::rabbitmq_queues() : rabbitmq_queues(test_server()) {}

rabbitmq_queues::rabbitmq_queues(std::string url) : url_(std::move(url)) {
  prefix_ = "test-" + unique_name('-') + ".";
}

rabbitmq_queues::~rabbitmq_queues() {
  try {
    remove({"q", "r", "topic-a", "topic-b", "nobody-has-heard-of-this"});
  } catch (const std::exception&) {
    // the server may be gone already
  }
}

queue_system::rabbitmq_options rabbitmq_queues::options() const {
  auto options = queue_system::rabbitmq_options_from(configured());
  options.url = url_;
  options.prefix = prefix_;
  return options;
}

void rabbitmq_queues::remove(const std::vector<std::string>& queues) const {
  std::vector<std::string> names;
  for (const auto& queue : queues) names.push_back(prefix_ + queue);
  delete_rabbitmq_queues(url_, names);
}

void delete_rabbitmq_queues(const std::string& url, const std::vector<std::string>& names) {
  on_channel(url, [&](amqp_connection_state_t link) {
    for (const auto& name : names) amqp_queue_delete(link, 1, amqp_cstring_bytes(name.c_str()), false, false);
  });
}

bool rabbitmq_queues::first_was_delivered_before(const std::string& queue) const {
  bool redelivered = true;
  on_channel(url_, [&](amqp_connection_state_t link) {
    const auto name = prefix_ + queue;
    const auto reply = amqp_basic_get(link, 1, amqp_cstring_bytes(name.c_str()), true);
    if (reply.reply.id == AMQP_BASIC_GET_OK_METHOD)
      redelivered = static_cast<const amqp_basic_get_ok_t*>(reply.reply.decoded)->redelivered;
  });
  return redelivered;
}

void rabbitmq_queues::make_other(const std::string& queue) const {
  on_channel(url_, [&](amqp_connection_state_t link) {
    const auto name = prefix_ + queue;
    amqp_table_entry_t longest{amqp_cstring_bytes("x-max-length"), {}};
    longest.value.kind = AMQP_FIELD_KIND_I32;
    longest.value.value.i32 = 7;
    amqp_queue_declare(link, 1, amqp_cstring_bytes(name.c_str()), false, true, false, false, {1, &longest});
  });
}

}  // namespace amc::tests
