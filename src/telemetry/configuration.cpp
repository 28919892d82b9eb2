#include "telemetry/configuration.hpp"

#include <boost/asio/ip/host_name.hpp>
#include <boost/url/parse.hpp>
#include <charconv>
#include <fstream>

#include "core/text.hpp"

namespace amc::telemetry {
namespace {

struct collector_url {
  std::string server{}, target{};
};

/// "http://HOST:PORT/PATH" taken apart. Without a path it is the one that collectors have.
collector_url taken_apart(const config& settings) {
  constexpr const char* key = "telemetry.otlp.url";
  const auto given = settings.text(key);
  const auto url = boost::urls::parse_uri(given);
  if (!url || !(url->scheme() == "http" || url->scheme() == "https") || url->host().empty())
    throw settings.complaint(key, repeated(given) + " is not a URL like http://127.0.0.1:4318");
  if (url->has_userinfo())
    throw settings.complaint(key, repeated(given) + " holds credentials, which belong into telemetry.otlp.headers");
  if (url->has_query() || url->has_fragment())
    throw settings.complaint(key, repeated(given) + " has a query or a fragment, which have no meaning here");
  const std::string path(url->encoded_path());
  return {std::string(url->scheme()) + "://" + std::string(url->encoded_host_and_port()),
          path.empty() || path == "/" ? "/v1/traces" : path};
}

/// What a header's name is made of, and a value on one line.
bool is_header(std::string_view name, std::string_view value) {
  constexpr std::string_view letters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !name.empty() && name.find_first_not_of(letters) == std::string_view::npos && !has_control(value);
}

/// Never shows what it complains about: it may be a secret.
void add_header(http::headers& to, const config& settings, const char* key, std::string_view line) {
  const auto equals = line.find('=');
  const auto name = trimmed(line.substr(0, equals));
  const auto value = equals == std::string_view::npos ? std::string_view() : trimmed(line.substr(equals + 1));
  if (equals == std::string_view::npos || !is_header(name, value))
    throw settings.complaint(key, "a header is written NAME=VALUE, as Authorization=Bearer TOKEN");
  to.add(std::string(name), std::string(value));
}

http::headers headers_from(const config& settings) {
  constexpr const char* key = "telemetry.otlp.headers";
  constexpr const char* file_key = "telemetry.otlp.headers_file";
  http::headers all;
  for (const auto& line : settings.texts(key)) add_header(all, settings, key, line);
  const auto name = settings.text(file_key);
  if (name.empty()) return all;
  std::ifstream file(name);
  if (!file) throw settings.complaint(file_key, "cannot be read: " + repeated(name));
  for (std::string line; std::getline(file, line);)
    if (const auto told = trimmed(line); !told.empty()) add_header(all, settings, file_key, told);
  return all;
}

double sample_ratio_from(const config& settings) {
  constexpr const char* key = "telemetry.otlp.sample_ratio";
  const auto text = settings.text(key);
  double ratio = -1;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), ratio);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || !(ratio >= 0 && ratio <= 1))
    throw settings.complaint(key, repeated(text) + " is not a number from 0 to 1, like 0.01");
  return ratio;
}

http::client_options client_options_from(const config& settings, const std::string& server) {
  http::client_options options;
  options.url = server;
  options.keys = "telemetry.otlp";
  options.ca_file = settings.text("telemetry.otlp.ca_file");
  options.certificate_file = settings.text("telemetry.otlp.certificate_file");
  options.key_file = settings.text("telemetry.otlp.key_file");
  options.answer_max_bytes = 4 << 20;  // what OTLP recommends
  return options;
}

std::string this_host() {
  boost::system::error_code failed;
  const auto name = boost::asio::ip::host_name(failed);
  return failed || !is_valid_utf8(name) ? "" : name;
}

exporter_options exporter_options_from(const config& settings, const collector_url& url) {
  exporter_options options;
  options.collector = url.server + url.target;
  options.target = url.target;
  options.headers = headers_from(settings);
  options.host = this_host();
  options.interval = settings.duration("telemetry.otlp.interval_ms");
  options.timeout = settings.duration("telemetry.otlp.timeout_ms");
  options.retry_max = settings.duration("telemetry.otlp.retry_max_ms");
  options.retry_after_max = settings.duration("telemetry.otlp.retry_after_max_ms");
  return options;
}

}  // namespace

config_provider provider() {
  return {
      "telemetry",
      {
          {.path = "telemetry.service_name",
           .default_yaml = "\"\"",
           .help = "the service.name of all spans of this process. Empty: amc-broker for what a broker does, and each "
                   "service's own name for what its handler does"},
          {.path = "telemetry.otlp.url",
           .kind = config_key::type::url,
           .default_yaml = "\"\"",
           .help = "where traces are sent: a collector that takes OTLP over HTTP, as http://127.0.0.1:4318; without a "
                   "path it is /v1/traces. Empty: nothing is traced"},
          {.path = "telemetry.otlp.headers",
           .kind = config_key::type::settings,
           .default_yaml = "[]",
           .help = "what the collector wants to see besides, as [Authorization=Bearer TOKEN]; values are not shown"},
          {.path = "telemetry.otlp.headers_file",
           .default_yaml = "\"\"",
           .help = "a file with more of these, NAME=VALUE, one a line; read at the start"},
          {.path = "telemetry.otlp.sample_ratio",
           .default_yaml = "\"0\"",
           .help =
               "of the messages that are posted without a traceparent, so many get a trace of their own: 0 to 1. One "
               "that comes with a traceparent is traced where the caller's flag says so"},
          {.path = "telemetry.otlp.ca_file",
           .default_yaml = "\"\"",
           .help = "with an https URL: the authorities, in PEM, of which one must have signed the collector's "
                   "certificate. Empty: those that the machine knows"},
          {.path = "telemetry.otlp.certificate_file",
           .default_yaml = "\"\"",
           .help =
               "the certificate to show a collector that asks for one, in PEM, with those that lead to its authority "
               "behind it. Empty: none is shown"},
          {.path = "telemetry.otlp.key_file", .default_yaml = "\"\"", .help = "the key of that certificate, in PEM"},
          number_key("telemetry.otlp.buffer_max_spans", "8192",
                     "spans that wait to be sent, those being sent included; more are dropped, and counted", 1,
                     10'000'000),
          number_key("telemetry.otlp.buffer_max_bytes", "16777216",
                     "what these take in memory; what is being sent is there a second time, as JSON", 4'096,
                     1'000'000'000'000),
          number_key("telemetry.otlp.batch_max_spans", "512", "spans of one request", 1, 100'000),
          number_key("telemetry.otlp.interval_ms", "1000", "a span waits no longer than this for others to go with it"),
          number_key("telemetry.otlp.timeout_ms", "5000",
                     "for one request to the collector, and when the process ends for all that is left"),
          number_key(
              "telemetry.otlp.retry_max_ms", "60000",
              "spans that the collector did not take for so long, as it is away or says 429 or 503, are dropped"),
          number_key("telemetry.otlp.retry_after_max_ms", "600000",
                     "where the collector says when to come again (Retry-After), nothing is sent before, but for no "
                     "longer than this; spans that find no room meanwhile are dropped"),
      }};
}

traces::traces(const config& settings, std::shared_ptr<amc::metrics> numbers)
    : service_name_(settings.text("telemetry.service_name")) {
  if (service_name_.size() > 255 || !is_valid_utf8(service_name_) || has_control(service_name_))
    throw settings.complaint("telemetry.service_name", "is at most 255 bytes of UTF-8 without control characters");
  sample_ratio_ = sample_ratio_from(settings);
  if (settings.text("telemetry.otlp.url").empty()) return;
  const auto url = taken_apart(settings);
  auto options = exporter_options_from(settings, url);
  const auto calls = client_options_from(settings, url.server);
  buffer_ =
      std::make_shared<span_buffer>(*numbers, span_buffer_options{settings.size("telemetry.otlp.buffer_max_spans"),
                                                                  settings.size("telemetry.otlp.buffer_max_bytes"),
                                                                  settings.size("telemetry.otlp.batch_max_spans")});
  loop_ = std::make_unique<loop>("telemetry", std::move(numbers));
  // A complaint about a file must not travel between threads.
  auto collector = http::make_client(loop_->env(), calls);
  loop_->run([&] {
    exporter_ = std::make_unique<exporter>(loop_->env(), std::move(collector), buffer_, std::move(options));
    exporter_->run();
  });
}

traces::~traces() {
  stop();
}

std::shared_ptr<tracer> traces::of(const std::string& service) const {
  if (!buffer_) return nullptr;
  return std::make_shared<tracer>(buffer_, service_name_.empty() ? service : service_name_, sample_ratio_,
                                  tracer_environment{.random = loop_->env().random});
}

void traces::stop() {
  if (!exporter_) return;
  loop_->run(exporter_->stop());
  loop_->run([&] { exporter_.reset(); });
}

}  // namespace amc::telemetry
