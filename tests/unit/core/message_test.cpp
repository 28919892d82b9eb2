#include "core/message.hpp"

#include <gmock/gmock.h>

#include <set>

#include "core/uuid_source.hpp"

namespace amc {
namespace {

constexpr const char* some_id = "01890a5d-ac96-774b-bcce-b302099a8057";

TEST(Uuid, ReadsWhatItWrites) {
  const auto id = parse_uuid(some_id);
  ASSERT_TRUE(id);
  EXPECT_EQ(to_string(*id), some_id);
}

TEST(Uuid, RefusesOtherSpellings) {
  for (const auto* text :
       {"", "6b04866b30234c8", "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "01890a5d-ac96-774b-bcce-b302099a805g", "01890a5d-ac96-774b-bcce-b302099a80570"})
    EXPECT_FALSE(parse_uuid(text)) << text;
}

TEST(UuidSource, MakesVersion7OfTheRightVariant) {
  auto next = uuid_v7_source([] { return timestamp(milliseconds(0x0123456789ab)); }, [] { return ~std::uint64_t{0}; });
  EXPECT_EQ(to_string(next()).substr(0, 15), "01234567-89ab-7");
  EXPECT_EQ(to_string(next())[19], 'b');
}

TEST(UuidSource, GrowsWithinAMillisecondAndWhenTheClockJumpsBack) {
  auto now = timestamp(milliseconds(1'000'000));
  auto next = uuid_v7_source([&] { return now; }, [] { return std::uint64_t{7}; });
  auto last = next();
  for (int i = 0; i < 10'000; ++i) {
    if (i == 5'000) now -= milliseconds(500);
    const auto id = next();
    ASSERT_LT(last, id);
    last = id;
  }
}

TEST(Status, ReadsWhatItWrites) {
  for (const auto value : {status::pending, status::done, status::dead, status::cancelled, status::expired})
    EXPECT_EQ(parse_status(to_string(value)), value);
  EXPECT_FALSE(parse_status("lost"));
}

}  // namespace
}  // namespace amc
