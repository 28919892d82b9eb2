#include "consumer_services/services.hpp"

#include <gmock/gmock.h>

#include <set>

namespace amc::consumer_services {
namespace {

claimed_revision with_text(const std::string& text) {
  claimed_revision work;
  work.text = text;
  return work;
}

TEST(ServiceA, AddsANameToTheTrimmedText) {
  EXPECT_EQ(service_a([] { return "Bram"; }).handler(with_text("Hi, ")), "Hi, Bram.");
}

TEST(ServiceB, SaysGoodbye) {
  EXPECT_EQ(service_b().handler(with_text(" Hi, Bram. ")), "Hi, Bram. Bye!");
}

TEST(Services, WorkWhereTheSeedsDo) {
  const auto a = service_a([] { return ""; });
  EXPECT_EQ(a.queue, "topic-a");
  EXPECT_FALSE(a.on_the_store);
  EXPECT_EQ(service_b().queue, "topic-b");
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
