#include <algorithm>
#include <cstdint>

#include "access/token_file.hpp"
#include "core/config.hpp"
#include "tests/fuzz/expect.hpp"

/// A file of tokens. It is refused whole with one line that names it, or everybody in it has a name, and is found by
/// the digest of its token alone.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace amc;
  using fuzz::expect;
  const auto text = fuzz::text_of(data, size);
  try {
    const auto table = access::token_table::parse(text, "t.yaml");
    expect(!table.find(access::digest_of(text)), "a file is no token of its own");
    expect(!table.find(""), "no digest is nobody's");
    if (const auto known = table.find(access::digest_of("foo"))) {
      expect(principal::is_name(known->name), "everybody has a name");
      for (const auto what : all_rights)
        for (const auto& pattern : known->where(what).patterns())
          expect(queue_patterns::is_one(pattern), "a right is for queues", pattern);
    }
  } catch (const config_error& why) {
    const std::string_view told = why.what();
    expect(told.starts_with("t.yaml:"), "a refusal names the place", told);
    expect(told.find('\n') == std::string_view::npos, "a refusal is one line", told);
  }
  return 0;
}
