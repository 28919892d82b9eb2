#include <cstdint>
#include <fstream>

#include "broker/router.hpp"
#include "core/config.hpp"
#include "tests/fuzz/expect.hpp"
#include "tests/fuzz/few_keys.hpp"
#include "tests/support/temporary_folder.hpp"

/// A configuration file. It is refused with one line that names it, or every value has its type and means the same when
/// it is printed and given back.
namespace amc::fuzz {
namespace {

std::optional<config> load(const config_sources& sources, std::string_view place) {
  try {
    return load_config(few_keys(), sources);
  } catch (const config_error& why) {
    const std::string_view told = why.what();
    expect(told.find(place) != std::string_view::npos, "a refusal names the place", told);
    return {};
  }
}

void expect_same_when_printed(const config& settings) {
  static const tests::temporary_folder folder;
  std::string printed;
  for (const auto& [path, entry] : settings.entries())
    if (entry.key.kind != config_key::type::url) printed += path + ": " + printable(entry) + "\n";
  std::ofstream(folder.path / "printed.local.yaml", std::ios::binary) << printed;
  const auto again = load({.folder = folder.path.string()}, "printed.local.yaml:");
  for (const auto& [path, entry] : settings.entries())
    expect(again && (entry.key.kind == config_key::type::url || again->at(path).value == entry.value),
           "a printed value means the same", printed);
}

}  // namespace
}  // namespace amc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace amc;
  static const tests::temporary_folder folder;
  std::ofstream(folder.path / "a.local.yaml", std::ios::binary) << fuzz::text_of(data, size);
  const auto settings = fuzz::load({.folder = folder.path.string()}, "a.local.yaml:");
  if (!settings) return 0;
  fuzz::expect_same_when_printed(*settings);
  try {
    const broker::router routes(*settings);
  } catch (const config_error&) {
  }
  return 0;
}
