#include <cstdint>

#include "queue_system/event_codec.hpp"
#include "tests/fuzz/expect.hpp"

/// Bytes from a queue, where anybody may have put them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace amc;
  using fuzz::expect;
  const auto decoded = queue_system::decode(fuzz::text_of(data, size));
  if (!decoded) {
    expect(!decoded.error().detail.empty(), "a refusal says why");
    return 0;
  }
  expect(decoded->revision >= 1, "a revision is positive");
  const std::chrono::system_clock::time_point time{std::chrono::seconds(decoded->revision)};
  const auto again = queue_system::decode(queue_system::encode(*decoded, uuid{}, time));
  expect(again && again->id == decoded->id && again->revision == decoded->revision,
         "an event that is encoded and decoded is the same");
  return 0;
}
