#include "api/configuration.hpp"

#include "access/exposure.hpp"

namespace amc::api {
namespace {

std::vector<std::string> checked(const config& settings, const char* key, bool (*is_one)(std::string_view),
                                 const char* example) {
  auto all = settings.texts(key);
  for (const auto& each : all)
    if (!is_one(each)) throw settings.complaint(key, "\"" + each + "\" is not like " + example);
  return all;
}

/// Of a listener, its certificates and its connections.
std::vector<config_key> listener_keys() {
  return {
      {.path = "broker.http.address", .default_yaml = "127.0.0.1", .help = "the IP address to listen on"},
      number_key("broker.http.port", "4000", "the port to listen on; 0 takes any free one", 0, 65'535),
      {.path = "broker.http.tls.certificate_file",
       .default_yaml = "\"\"",
       .help = "the server's certificate, in PEM, with those that lead to its authority behind it: then it speaks TLS "
               "1.2 and 1.3 alone. Read again when it or the key changes. Empty: plain HTTP"},
      {.path = "broker.http.tls.key_file", .default_yaml = "\"\"", .help = "the key of that certificate, in PEM"},
      {.path = "broker.http.tls.client_ca_file",
       .default_yaml = "\"\"",
       .help = "the authorities, in PEM, whose certificates clients may show in the place of a token, as entries of "
               "broker.access.tokens_file name them. Read again when it changes. Empty: none is asked for"},
      {.path = "broker.http.tls.crl_file",
       .default_yaml = "\"\"",
       .help = "the certificates that each authority in client_ca_file has revoked: a CRL of each, in PEM. Read again "
               "when it changes. Empty: none is"},
      number_key("broker.http.header_max_bytes", "16384", "a larger request header is answered 431", 1'024, 1 << 20),
      number_key("broker.http.body_max_bytes", "1048576", "a larger request body is answered 413", 1, 1 << 30),
      number_key("broker.http.bodies_max_bytes", "67108864",
                 "request bodies under way together; more are answered 503. One of the largest always fits", 1,
                 std::int64_t{1} << 40),
      number_key("broker.http.answers_max_bytes", "67108864",
                 "answers that wait to be taken together; to make room those that were not taken within a second "
                 "are given up, and lists and messages are answered 503",
                 1, std::int64_t{1} << 40),
      number_key("broker.http.connections_max", "10000", "more connections are answered 503", 1, 1'000'000),
      number_key("broker.http.idle_timeout_ms", "60000", "a connection without a request is closed after this"),
      number_key("broker.http.header_timeout_ms", "10000", "from the first byte of a request to the end of its header"),
      number_key("broker.http.body_timeout_ms", "30000",
                 "from the end of a request's header to the end of its body, and for an answer to be taken"),
      number_key("broker.http.rate_min_bytes_per_s", "16384",
                 "body_timeout_ms grows by the time that the bytes so far take at this rate", 1, 1 << 30),
  };
}

/// Of requests that wait, and of lists.
std::vector<config_key> request_keys() {
  return {
      number_key("broker.http.wait_max_ms", "60000", "the longest that \"Prefer: wait\" is honoured for"),
      number_key("broker.http.waiters_max", "4096", "parked requests; more are answered 503", 1, 1'000'000),
      number_key("broker.http.receivers_max", "4096",
                 "parked requests for work (POST /queues/{queue}/receive); more are answered 503", 1, 1'000'000),
      number_key("broker.http.receive_wait_max_ms", "25000",
                 "the longest that a request for work is parked; less than what proxies cut"),
      number_key("broker.http.waiters_max_bytes", "67108864",
                 "of the texts that parked requests hold; what is more is read when it is answered", 0,
                 std::int64_t{1} << 40),
      number_key("broker.http.claims_max", "1000",
                 "entries in one request: new messages, claims, leases, releases, failures, answers", 1, 10'000),
      number_key("broker.http.page_max", "1000", "messages in one page of a list", 1, 10'000),
      number_key("broker.http.page_max_bytes", "1048576",
                 "a page of a list ends when it has so many; its first message comes whatever its size", 1, 1 << 30),
  };
}

/// Of browsers, proxies and the page.
std::vector<config_key> browser_keys() {
  return {
      {.path = "broker.http.origins",
       .kind = config_key::type::texts,
       .default_yaml = "[]",
       .help = "origins (SCHEME://HOST or SCHEME://HOST:PORT) of web pages that may use this API; a page of any "
               "other is answered 403"},
      {.path = "broker.http.hosts",
       .kind = config_key::type::texts,
       .default_yaml = "[]",
       .help = "names (HOST or HOST:PORT) that a broker on a loopback address goes by, beside localhost and the "
               "loopback's addresses; any other Host is answered 421"},
      {.path = "broker.http.trusted_proxies",
       .kind = config_key::type::texts,
       .default_yaml = "[]",
       .help = "addresses or networks (10.0.0.0/8) of proxies that ask for credentials themselves; without "
               "broker.access.tokens_file or open, what others pass on (X-Forwarded-For, Forwarded, …) is answered "
               "403"},
      {.path = "broker.admin.address",
       .default_yaml = "\"\"",
       .help = "the IP address of a listener of its own for the page, which is nowhere else then; it answers what "
               "broker.http answers too, with the same certificates, rights and limits. Empty: there is none, and the "
               "page is at broker.http"},
      number_key("broker.admin.port", "4001", "the port of that listener; 0 takes any free one", 0, 65'535),
      {.path = "broker.page.enabled",
       .kind = config_key::type::boolean,
       .default_yaml = "true",
       .help = "whether there is a page for people at /ui/; else it is answered 404"},
      number_key("broker.page.sessions_max", "1000",
                 "browsers that are signed in to the page at once; a new one ends the one that was used longest "
                 "ago, of the same token first",
                 1, 1'000'000),
      number_key("broker.page.session_ms", "43200000", "a sign-in to the page ends after this"),
  };
}

}  // namespace

config_provider provider() {
  config_provider all{"api", listener_keys()};
  for (const auto& more : {request_keys(), browser_keys()}) all.keys.insert(all.keys.end(), more.begin(), more.end());
  return all;
}

http::server_options server_options_from(const config& settings) {
  http::server_options options;
  options.address = settings.text("broker.http.address");
  options.port = static_cast<std::uint16_t>(settings.integer("broker.http.port"));
  options.header_max_bytes = settings.size("broker.http.header_max_bytes");
  options.body_max_bytes = settings.size("broker.http.body_max_bytes");
  options.connections_max = settings.size("broker.http.connections_max");
  options.idle_timeout = settings.duration("broker.http.idle_timeout_ms");
  options.header_timeout = settings.duration("broker.http.header_timeout_ms");
  options.body_timeout = settings.duration("broker.http.body_timeout_ms");
  options.rate_min_bytes_per_s = settings.size("broker.http.rate_min_bytes_per_s");
  options.bodies_max_bytes = settings.size("broker.http.bodies_max_bytes");
  options.answers_max_bytes = settings.size("broker.http.answers_max_bytes");
  options.browsers.origins = checked(settings, "broker.http.origins", http::is_origin, "https://ops.example:8443");
  options.browsers.hosts = checked(settings, "broker.http.hosts", http::is_host, "amc.example or amc.example:4000");
  return options;
}

std::optional<http::server_options> admin_options_from(const config& settings) {
  auto options = server_options_from(settings);
  options.address = settings.text("broker.admin.address");
  options.port = static_cast<std::uint16_t>(settings.integer("broker.admin.port"));
  options.address_keys = "broker.admin";
  return options.address.empty() ? std::nullopt : std::optional(std::move(options));
}

std::shared_ptr<http::tls_certificates> certificates_from(const environment& env, const config& settings) {
  http::tls_files files{settings.text("broker.http.tls.certificate_file"), settings.text("broker.http.tls.key_file"),
                        settings.text("broker.http.tls.client_ca_file"), settings.text("broker.http.tls.crl_file")};
  if (files.certificate.empty() != files.key.empty())
    throw settings.complaint("broker.http.tls.certificate_file",
                             "give both, it and broker.http.tls.key_file, or neither");
  if (files.certificate.empty() && !files.client_ca.empty())
    throw settings.complaint("broker.http.tls.client_ca_file", "takes broker.http.tls.certificate_file");
  if (files.client_ca.empty() && !files.revoked.empty())
    throw settings.complaint("broker.http.tls.crl_file", "takes broker.http.tls.client_ca_file");
  return files.certificate.empty() ? nullptr : std::make_shared<http::tls_certificates>(env, std::move(files));
}

api_options api_options_from(const config& settings) {
  api_options options;
  options.wait_max = settings.duration("broker.http.wait_max_ms");
  options.receive_wait_max = settings.duration("broker.http.receive_wait_max_ms");
  options.receive_max_bytes = settings.size("broker.claims_max_bytes");
  options.claims_max = settings.size("broker.http.claims_max");
  options.page_max = settings.size("broker.http.page_max");
  options.page_max_bytes = settings.size("broker.http.page_max_bytes");
  options.pages_max_bytes = settings.size("broker.http.answers_max_bytes");
  options.idempotency = settings.duration("broker.idempotency_ms");
  if (settings.boolean("broker.page.enabled"))
    options.page_at = settings.text("broker.admin.address").empty() ? listener::http : listener::admin;
  options.page_sessions = {settings.size("broker.page.sessions_max"), settings.duration("broker.page.session_ms")};
  options.trusted_proxies =
      checked(settings, "broker.http.trusted_proxies", access::is_network, "10.0.0.7 or 10.0.0.0/8");
  return options;
}

broker::waiters_options waiters_options_from(const config& settings) {
  return {settings.size("broker.http.waiters_max"), settings.size("broker.http.waiters_max_bytes")};
}

broker::receivers_options receivers_options_from(const config& settings) {
  return {settings.size("broker.http.receivers_max"), settings.duration("broker.sweep_interval_ms")};
}

}  // namespace amc::api
