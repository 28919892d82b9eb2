#include "amc/config.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/support/temporary_folder.hpp"

namespace amc {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Config : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& yaml) const { std::ofstream(folder_.path / name) << yaml; }

  config load() {
    sources_.folder = folder_.path.string();
    return load_config(providers_, sources_);
  }

  std::string complaint() {
    try {
      load();
    } catch (const config_error& failed) {
      return failed.what();
    }
    return "no complaint";
  }

  tests::temporary_folder folder_;
  config_sources sources_;
  std::vector<config_provider> providers_{
      {"shop",
       {{.path = "shop.door.port",
         .kind = config_key::type::integer,
         .default_yaml = "80",
         .help = "",
         .min = 0,
         .max = 65'535},
        {.path = "shop.name", .default_yaml = "corner", .help = ""},
        {.path = "shop.size", .default_yaml = "small", .help = "", .choices = {"small", "large"}},
        {.path = "shop.open", .kind = config_key::type::boolean, .default_yaml = "true", .help = ""},
        {.path = "shop.bank", .kind = config_key::type::url, .default_yaml = "''", .help = ""},
        {.path = "shop.wares", .kind = config_key::type::texts, .default_yaml = "[tea, rice]", .help = ""},
        {.path = "shop.shelves",
         .kind = config_key::type::maps,
         .default_yaml = "[{label: a}]",
         .help = "",
         .fields = {{.path = "label", .default_yaml = "null"},
                    {.path = "high", .kind = config_key::type::boolean, .default_yaml = "false"}}}}}};
};

TEST_F(Config, HasTheDefaultsWithoutAnything) {
  const auto loaded = load();
  EXPECT_EQ(loaded.integer("shop.door.port"), 80);
  EXPECT_EQ(loaded.text("shop.name"), "corner");
  EXPECT_TRUE(loaded.boolean("shop.open"));
  EXPECT_THAT(loaded.texts("shop.wares"), ElementsAre("tea", "rice"));
  EXPECT_EQ(loaded.at("shop.name").origin, "default");
}

TEST_F(Config, LocalFilesWinOverGlobalOnesWhateverTheirNames) {
  write("z.global.yaml", "shop: {name: global}");
  write("a.local.yaml", "shop: {name: local}");
  EXPECT_EQ(load().text("shop.name"), "local");
}

TEST_F(Config, FilesOfOneKindMergeInTheOrderOfTheirNames) {
  write("a.global.yaml", "shop: {name: first, open: false}");
  write("b.global.yaml", "shop: {name: second}");
  const auto loaded = load();
  EXPECT_EQ(loaded.text("shop.name"), "second");
  EXPECT_FALSE(loaded.boolean("shop.open"));
}

TEST_F(Config, OtherFilesAreNotRead) {
  write("shop.yaml", "shop: {name: other}");
  EXPECT_EQ(load().text("shop.name"), "corner");
}

TEST_F(Config, ListsReplace) {
  write("a.local.yaml", "shop: {wares: [salt]}");
  EXPECT_THAT(load().texts("shop.wares"), ElementsAre("salt"));
}

TEST_F(Config, TheEnvironmentWinsOverFiles) {
  write("a.local.yaml", "shop: {door: {port: 1}}");
  sources_.environment = {{"AMC__SHOP__DOOR__PORT", "2"}, {"OTHER", "3"}};
  const auto loaded = load();
  EXPECT_EQ(loaded.integer("shop.door.port"), 2);
  EXPECT_EQ(loaded.at("shop.door.port").origin, "environment AMC__SHOP__DOOR__PORT");
}

TEST_F(Config, SetWinsOverTheEnvironment) {
  sources_.environment = {{"AMC__SHOP__DOOR__PORT", "2"}};
  sources_.sets = {"shop.door.port=3"};
  EXPECT_EQ(load().integer("shop.door.port"), 3);
}

TEST_F(Config, AValueKnowsItsFileAndLine) {
  write("a.local.yaml", "# a comment\nshop:\n  name: here\n");
  EXPECT_THAT(load().at("shop.name").origin, HasSubstr("a.local.yaml:3"));
}

TEST_F(Config, AFileOfCommentsIsFine) {
  write("a.local.yaml", "# nothing\n");
  EXPECT_EQ(load().text("shop.name"), "corner");
}

TEST_F(Config, AnUnknownKeyIsNamedWithItsLineAndTheNearestKnownOne) {
  write("a.local.yaml", "shop:\n  door:\n    prot: 1\n");
  EXPECT_THAT(complaint(),
              AllOf(HasSubstr("a.local.yaml:3"), HasSubstr("\"shop.door.prot\""), HasSubstr("\"shop.door.port\"")));
}

TEST_F(Config, AnUnknownKeyInTheEnvironmentIsNamedWithItsVariable) {
  sources_.environment = {{"AMC__SHOP__NAMES", "x"}};
  EXPECT_THAT(complaint(), AllOf(HasSubstr("AMC__SHOP__NAMES"), HasSubstr("\"shop.name\"")));
}

TEST_F(Config, AWrongTypeIsNamedWithItsLine) {
  write("a.local.yaml", "shop:\n  door: {port: many}\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("a.local.yaml:2"), HasSubstr("shop.door.port"), HasSubstr("whole number")));
}

TEST_F(Config, AMapWhereATextBelongsIsAWrongType) {
  write("a.local.yaml", "shop: {name: {first: x}}");
  EXPECT_THAT(complaint(), HasSubstr("shop.name: expected a text"));
}

TEST_F(Config, ATextWhereAMapBelongsIsAWrongType) {
  write("a.local.yaml", "shop: 3");
  EXPECT_THAT(complaint(), HasSubstr("shop: expected a map"));
}

TEST_F(Config, ANumberOutOfRangeIsRefused) {
  sources_.sets = {"shop.door.port=65536"};
  EXPECT_THAT(complaint(), HasSubstr("65536 is not between 0 and 65535"));
}

TEST_F(Config, AChoiceThatIsNoneIsRefusedWithTheKnownOnes) {
  sources_.sets = {"shop.size=huge"};
  EXPECT_THAT(complaint(), HasSubstr("\"huge\" is none of: small, large"));
}

TEST_F(Config, InvalidYamlIsRefusedWithItsLine) {
  write("a.local.yaml", "shop:\n  name: [\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("a.local.yaml:"), HasSubstr("not valid YAML")));
}

TEST_F(Config, ASetWithoutAValueIsRefused) {
  sources_.sets = {"shop.name"};
  EXPECT_THAT(complaint(), HasSubstr("KEY=VALUE"));
}

TEST_F(Config, AFolderThatWasAskedForMustExist) {
  sources_.folder = "/nowhere/at/all";
  sources_.folder_required = true;
  EXPECT_THROW(load_config(providers_, sources_), config_error);
}

TEST_F(Config, EntriesOfMapsHaveDefaultsAndTypes) {
  write("a.local.yaml", "shop: {shelves: [{label: x, high: true}, {label: y}]}");
  const auto loaded = load();
  const auto& shelves = loaded.maps("shop.shelves");
  ASSERT_EQ(shelves.size(), 2U);
  EXPECT_TRUE(shelves[0].at("high").as_bool());
  EXPECT_FALSE(shelves[1].at("high").as_bool());
}

TEST_F(Config, WhatIsPrintedCanBeGivenBack) {
  write("a.local.yaml", "shop:\n  shelves: [{high: true}]\n  wares: ['1', \"a\\tb\"]\n");
  const auto first = load();
  for (const auto* path : {"shop.shelves", "shop.wares", "shop.door.port", "shop.open"})
    sources_.sets.push_back(path + ("=" + printable(first.at(path))));
  const auto again = load();
  for (const auto& [path, entry] : first.entries()) EXPECT_EQ(again.at(path).value, entry.value) << path;
}

TEST_F(Config, AnUnknownEntryOfAMapIsRefused) {
  write("a.local.yaml", "shop: {shelves: [{lable: x}]}");
  EXPECT_THAT(complaint(), HasSubstr("unknown entry \"lable\"; known are: label, high"));
}

TEST_F(Config, PrintsUrlsWithoutTheirPassword) {
  sources_.sets = {"shop.bank=http://me:secret@bank/"};
  const auto loaded = load();
  EXPECT_EQ(printable(loaded.at("shop.bank")), "\"http://me:***@bank/\"");
}

TEST(MaskUrl, LeavesUrlsWithoutAPasswordAlone) {
  EXPECT_EQ(mask_url("http://bank:80/a@b"), "http://bank:80/a@b");
  EXPECT_EQ(mask_url("http://me@bank"), "http://me@bank");
  EXPECT_EQ(mask_url("no url: at@all"), "no url: at@all");
}

TEST(MaskUrl, HidesThePasswordWhateverItContains) {
  EXPECT_EQ(mask_url("postgresql://amc:p@ss:w@host/db"), "postgresql://amc:***@host/db");
  EXPECT_EQ(mask_url("amqp://amc:pa/ss@host"), "amqp://amc:***@host");
  EXPECT_EQ(mask_url("amqp//amc:secret@host"), "amqp//amc:***@host");
  EXPECT_EQ(mask_url("postgresql://h/db?user=amc&password=x&sslpassword=y"),
            "postgresql://h/db?user=amc&password=***&sslpassword=***");
  EXPECT_EQ(mask_url("host=h password=x dbname=d"), "host=h password=*** dbname=d");
}

}  // namespace
}  // namespace amc
