#include "broker/configuration.hpp"

#include <gmock/gmock.h>

#include "app/processes.hpp"

namespace amc::broker {
namespace {

config settings_with(const std::vector<std::string>& sets) {
  config_sources sources{.folder = "/nowhere"};
  sources.sets = sets;
  return load_config(app::providers(), sources);
}

TEST(BrokerConfiguration, AMessageHasWhatItsRequestLeaves) {
  EXPECT_EQ(message_max_bytes(settings_with({"broker.http.body_max_bytes=100000"})), 100'000U - 1'024);
}

TEST(BrokerConfiguration, AMessageThatDoesNotFitIntoARequestIsRefused) {
  try {
    message_max_bytes(settings_with({"broker.http.body_max_bytes=100000", "broker.message_max_bytes=100000"}));
    FAIL() << "it does not fit";
  } catch (const config_error& failed) {
    EXPECT_THAT(failed.what(),
                testing::AllOf(testing::HasSubstr("broker.message_max_bytes"), testing::HasSubstr("at most 98976")));
  }
}

}  // namespace
}  // namespace amc::broker
