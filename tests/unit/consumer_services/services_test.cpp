#include "consumer_services/services.hpp"

#include <gmock/gmock.h>

#include <set>

#include "service/handling.hpp"

namespace amc::consumer_services {
namespace {

/// What the service's handler answers.
std::string answered(const example_service& by, const std::string& text) {
  std::string said;
  const auto told = [&](const service::handler_outcome& outcome) { said = outcome ? outcome->said.text : "failed"; };
  by.what.handler(delivery(text), completion(std::make_shared<completion::state>(told)));
  return said;
}

TEST(ServiceA, AddsANameToTheTrimmedText) {
  EXPECT_EQ(answered(service_a([] { return "Bram"; }), "Hi, "), "Hi, Bram.");
}

TEST(ServiceB, SaysGoodbye) {
  EXPECT_EQ(answered(service_b(), " Hi, Bram. "), "Hi, Bram. Bye!");
}

TEST(Services, WorkWhereTheSeedsDo) {
  const auto a = service_a([] { return ""; });
  EXPECT_EQ(a.what.queue, "topic-a");
  EXPECT_FALSE(a.on_the_store);
  EXPECT_EQ(service_b().what.queue, "topic-b");
  EXPECT_TRUE(service_b().on_the_store);
}

TEST(NameProvider, GivesEveryConfiguredName) {
  const auto next = random_names({"Joao", "Bram", "Eni"}, 1);
  std::set<std::string> given;
  for (int i = 0; i < 200; ++i) given.insert(next());
  EXPECT_THAT(given, testing::UnorderedElementsAre("Joao", "Bram", "Eni"));
}

TEST(NameProvider, NeedsANameInTheConfiguration) {
  config_sources sources{.folder = "/nowhere", .sets = {"consumer_services.name_provider.names=[]"}};
  EXPECT_THROW(configured_service_a(load_config({provider()}, sources)), config_error);
}

}  // namespace
}  // namespace amc::consumer_services
