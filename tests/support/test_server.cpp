#include "tests/support/test_server.hpp"

#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "tests/support/source_folder.hpp"

namespace amc::tests {

test_server::test_server(std::string engine, std::vector<std::string> arguments)
    : engine_(std::move(engine)), arguments_(std::move(arguments)) {
  // The server may run as another user.
  std::filesystem::permissions(folder_.path, std::filesystem::perms::others_all | std::filesystem::perms::group_all,
                               std::filesystem::perm_options::add);
  start();
}

test_server::~test_server() {
  if (script_ && script_->running()) {
    thaw();
    stop();
  }
}

std::string test_server::told(const std::string& name) const {
  const auto at = ("\n" + lines_).find("\n" + name + "=");
  if (at == std::string::npos) throw std::runtime_error("the server told no " + name);
  const auto begin = at + name.size() + 1;
  return lines_.substr(begin, lines_.find('\n', begin) - begin);
}

std::uint16_t test_server::port() const {
  const auto address = engine_ == "kafka" ? told("brokers") : url();
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

void test_server::start() {
  process::options how;
  how.arguments = {source_folder() / "scripts/test-server", engine_, "--folder", folder_.path.string()};
  how.arguments.insert(how.arguments.end(), arguments_.begin(), arguments_.end());
  if (!port_.empty()) how.arguments.insert(how.arguments.end(), {"--port", port_});
  script_ = std::make_unique<process>(how);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(200);
  while (script_->output().find("ready\n") == std::string::npos) {
    if (!script_->running() || std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("no " + engine_ + ": " + script_->errors());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  lines_ = script_->output();
  port_ = std::to_string(port());
}

void test_server::stop() {
  script_->signal(SIGTERM);
  script_->wait();
}

void test_server::kill() {
  signal(SIGKILL);
  script_->wait();
}

void test_server::set_memory_watermark(const std::string& share) const {
  evaluate("ok = rpc:call(amc@localhost, vm_memory_monitor, set_vm_memory_high_watermark, [" + share + "])");
}

void test_server::set_rights_of_weak(const std::string& configure, const std::string& write,
                                     const std::string& read) const {
  const std::string users = "rpc:call(amc@localhost, rabbit_auth_backend_internal, ";
  const auto binary = [](const std::string& text) { return "<<\"" + text + "\">>"; };
  evaluate(users + "add_user, [<<\"weak\">>, <<\"weak\">>, <<\"test\">>]), ok = " + users +
           "set_permissions, [<<\"weak\">>, <<\"/\">>, " + binary(configure) + ", " + binary(write) + ", " +
           binary(read) + ", <<\"test\">>])");
}

/// The node speaks Erlang's distribution on the second port after its own; rabbitmqctl would want an epmd for that.
void test_server::evaluate(const std::string& erlang) const {
  const auto node_port = std::to_string(port() + 2);
  process control({.arguments = {"/usr/bin/erl", "-noinput", "-sname", "control@localhost", "-start_epmd", "false",
                                 "-dist_listen", "false", "-erl_epmd_port", node_port, "-eval", erlang + ", halt()."},
                   .environment = {"HOME=" + folder_.path.string()}});
  if (control.wait() != 0) throw std::runtime_error("cannot control the server: " + control.output());
}

void test_server::freeze() const {
  signal(SIGSTOP);
}

void test_server::thaw() const {
  signal(SIGCONT);
}

void test_server::signal(int number) const {
  ::kill(std::stoi(told("pid")), number);
}

}  // namespace amc::tests
