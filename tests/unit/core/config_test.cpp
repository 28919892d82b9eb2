#include "core/config.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.hpp"

namespace amc {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

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

TEST_F(Config, AFileThatLooksMeantAndIsNotReadIsTold) {
  const std::vector<std::pair<std::string, std::string>> better{{"shop.yaml", "shop.global.yaml or shop.local.yaml"},
                                                                {"a.yml", "a.global.yaml or a.local.yaml"},
                                                                {"b.global.yml", "b.global.yaml"},
                                                                {"c.GLOBAL.yaml", "c.global.yaml"},
                                                                {"d.local.YAML", "d.local.yaml"},
                                                                {"local.yaml", "amc.local.yaml"},
                                                                {".e.global.yaml", "e.global.yaml"}};
  for (const auto& [name, to_be_read] : better) write(name, "shop: {name: other}");
  for (const auto* name : {"README", "notes.txt", "a.global.yaml.bak", "b.json"}) write(name, "shop: {name: other}");
  const auto loaded = load();
  EXPECT_EQ(loaded.text("shop.name"), "corner");
  EXPECT_EQ(loaded.warnings().size(), better.size());
  for (const auto& [name, to_be_read] : better)
    EXPECT_THAT(loaded.warnings(), testing::Contains(AllOf(HasSubstr("/" + name + " is not read"),
                                                           HasSubstr("call it " + to_be_read + " if"))));
}

TEST_F(Config, OnlyRegularFilesAreReadAndNothingIsWaitedFor) {
  const auto path = folder_.path / "a.local.yaml";
  const auto refused = [&](const char* what) {
    EXPECT_THAT(complaint(), AllOf(HasSubstr("a.local.yaml"), HasSubstr(what)));
    std::filesystem::remove_all(path);
  };
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  refused("no regular file");
  std::filesystem::create_directory(path);
  refused("no regular file");
  std::filesystem::create_symlink("/dev/zero", path);
  refused("no regular file");
  std::filesystem::create_symlink("/nowhere", path);
  refused("cannot be read");
  std::filesystem::create_symlink(path, path);
  refused("cannot be read");
  const int socket_descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(socket_descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  refused("cannot be read");
  close(socket_descriptor);
  std::ofstream(path) << std::string((1 << 20) + 1, '#');
  refused("larger than 1 MiB");
}

TEST_F(Config, AFolderThatIsNoneIsRefused) {
  write("file", "");
  sources_.folder = (folder_.path / "file").string();
  EXPECT_THROW(load_config(providers_, sources_), config_error);
  sources_.folder = (folder_.path / "link").string();
  std::filesystem::create_symlink("/nowhere", sources_.folder);
  EXPECT_THROW(load_config(providers_, sources_), config_error);
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
  EXPECT_THAT(complaint(), HasSubstr("\"65536\" is not between 0 and 65535"));
}

TEST_F(Config, AChoiceThatIsNoneIsRefusedWithTheKnownOnes) {
  sources_.sets = {"shop.size=huge"};
  EXPECT_THAT(complaint(), HasSubstr("\"huge\" is none of: small, large"));
}

TEST_F(Config, InvalidYamlIsRefusedWithItsLine) {
  write("a.local.yaml", "shop:\n  name: [\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("a.local.yaml:"), HasSubstr("not valid YAML")));
}

TEST_F(Config, AKeyTwiceInAFileIsRefusedWithBothLines) {
  write("a.local.yaml", "shop:\n  name: a\n  open: true\n  name: b\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("a.local.yaml:4"), HasSubstr("\"name\""), HasSubstr("after line 2")));
  write("a.local.yaml", "shop: {door: {port: 1}}\nshop.door:\n  port: 2\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("a.local.yaml:3"), HasSubstr("shop.door.port"), HasSubstr("after line 1")));
  write("a.local.yaml", "shop: {name: a}\nshop: {open: true}\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("a.local.yaml:2"), HasSubstr("\"shop\""), HasSubstr("after line 1")));
  write("a.local.yaml", "shop: {shelves: [{label: a, label: b}]}\n");
  EXPECT_THAT(complaint(), HasSubstr("\"label\" stands here a second time"));
}

TEST_F(Config, WhatWouldSilentlyMeanSomethingElseIsRefused) {
  const std::vector<std::pair<std::string, std::string>> refused{
      {"shop: {name: a}\n---\nshop: {name: b}\n", "a.local.yaml:2: a second document"},
      {"---\n---\n", "a second document"},
      {"shop:\n  name: \"a\n", "not valid YAML"},
      {"shop:\n  name: 'a\n# more\n\n", "not valid YAML"},
      {"shop: {name: &x a}\n", "an anchor"},
      {"shop: &x {name: a}\n", "an anchor"},
      {"shop: {name: a, bank: *x}\n", "YAML"},
      {"x: &x {name: a}\nshop: {<<: *x}\n", "an anchor"},
      {"shop: {<<: {name: a}}\n", "a merge key"},
      {"shop: {name: !!str 1}\n", "a tag"},
      {"shop: !thing {name: a}\n", "a tag"},
      {"shop:\n\tname: a\n", "a.local.yaml:2"},
      {"shop: {name: \"a\x1b[2J\"}\n", "the control character \\u001b"},
      {"shop: {name: caf\xe9}\n", "not UTF-8"},
      {"\xff\xfe"
       "s",
       "not UTF-8"},
      {std::string("shop: {name: a\0b}\n", 18), "the control character \\u0000"},
      {"shop: {name: \"a\\0b\"}\n", "UTF-8 without U+0000"},
      {"shop: {wares: [\"a\\0b\"]}\n", "UTF-8 without U+0000"},
      {"? [a]\n: b\n", "a key must be a text"},
      {std::string(100'000, '['), "not valid YAML"}};
  for (const auto& [yaml, what] : refused) {
    write("a.local.yaml", yaml);
    EXPECT_THAT(complaint(), AllOf(HasSubstr("a.local.yaml:"), HasSubstr(what))) << yaml.substr(0, 50);
  }
}

TEST_F(Config, FilesOfOtherSystemsMeanTheSame) {
  write("a.local.yaml",
        "\xef\xbb\xbfshop:\r\n  name: here\r\n  wares:\r\n    - tea\r\n  bank: |\r\n    a\r\n    b\r\n");
  const auto loaded = load();
  EXPECT_EQ(loaded.text("shop.name"), "here");
  EXPECT_EQ(loaded.text("shop.bank"), "a\nb\n");
  EXPECT_THAT(loaded.at("shop.name").origin, HasSubstr("a.local.yaml:2"));
}

/// Forms that YAML or a shell would read as something else.
const char* const literal_texts[] = {"",    "::",   "team #1.", "s3 #ret", "~",   "null", "yes",    " a ",   "a: b",
                                     "[a",  "{a",   "'a'",      "\"a\"",   "&a",  "*a",   "!a",     "%a",    "@a",
                                     "- a", "a\nb", "0x10",     "1e3",     "<<",  "---",  "...",    "a=b=c", "\\n",
                                     "|",   ">",    "?",        "a\tb",    "# a", ",a",   "Zürich", "`a`"};

TEST_F(Config, ATextFromTheEnvironmentIsTakenAsItIs) {
  for (const auto* text : literal_texts) {
    sources_.environment = {{"AMC__SHOP__NAME", text}, {"AMC__SHOP__BANK", text}};
    const auto loaded = load();
    EXPECT_EQ(loaded.text("shop.name"), text);
    EXPECT_EQ(loaded.text("shop.bank"), text);
  }
}

TEST_F(Config, ATextFromTheCommandLineIsTakenAsItIs) {
  for (const auto* text : literal_texts) {
    sources_.sets = {"shop.name=" + std::string(text), "shop.bank=" + std::string(text)};
    const auto loaded = load();
    EXPECT_EQ(loaded.text("shop.name"), text);
    EXPECT_EQ(loaded.text("shop.bank"), text);
  }
}

TEST_F(Config, ListsFromTheCommandLineAreYaml) {
  sources_.sets = {"shop.wares=[tea, 'a #b']", "shop.shelves=[{label: x}]"};
  const auto loaded = load();
  EXPECT_THAT(loaded.texts("shop.wares"), ElementsAre("tea", "a #b"));
  EXPECT_EQ(loaded.maps("shop.shelves").at(0).at("label").as_string(), "x");
}

TEST_F(Config, NumbersAndBooleansAreStrict) {
  for (const auto* text :
       {"1e3", "0x10", "010", "00", "+5", "1_000", "1 ", " 1", "", "1.0", "--1", "-", "-0", "ten", "٣"}) {
    sources_.sets = {"shop.door.port=" + std::string(text)};
    EXPECT_THAT(complaint(), HasSubstr("shop.door.port: expected a whole number")) << text;
  }
  for (const auto* text : {"65536", "-1", "9223372036854775808", "-9223372036854775809", "99999999999999999999999"}) {
    sources_.sets = {"shop.door.port=" + std::string(text)};
    EXPECT_THAT(complaint(), HasSubstr("is not between 0 and 65535")) << text;
  }
  for (const auto* text : {"yes", "True", "TRUE", "1", "on", "", " true"}) {
    sources_.sets = {"shop.open=" + std::string(text)};
    EXPECT_THAT(complaint(), HasSubstr("shop.open: expected true or false")) << text;
  }
}

TEST_F(Config, AVariableWithOneUnderscoreIsRefusedWithTheNearestName) {
  for (const auto* name : {"AMC_SHOP__DOOR__PORT", "AMC_SHOP_DOOR_PORT"}) {
    sources_.environment = {{name, "1"}};
    EXPECT_THAT(complaint(), AllOf(HasSubstr(name), HasSubstr("AMC__SHOP__DOOR__PORT"))) << name;
  }
}

TEST_F(Config, OtherVariablesThatBeginLikeOursAreTold) {
  sources_.environment = {{"AMC_HOME", "/opt"}};
  EXPECT_THAT(load().warnings(), ElementsAre(HasSubstr("AMC_HOME is not read")));
}

TEST_F(Config, VariablesThatKubernetesMakesForAServiceAreNobodysBusiness) {
  sources_.environment = {{"AMC_PORT", "tcp://10.0.0.1:4000"},
                          {"AMC_SERVICE_HOST", "10.0.0.1"},
                          {"AMC_SHOP_SERVICE_PORT", "4000"},
                          {"AMC_SHOP_PORT", "tcp://10.0.0.1:4000"},
                          {"AMC_SHOP_PORT_4000_TCP_ADDR", "10.0.0.1"}};
  EXPECT_THAT(load().warnings(), testing::IsEmpty());
}

TEST_F(Config, TwoVariablesForOneKeyAreRefused) {
  sources_.environment = {{"AMC__SHOP__NAME", "a"}, {"AMC__shop__NAME", "b"}};
  EXPECT_THAT(complaint(), AllOf(HasSubstr("AMC__SHOP__NAME"), HasSubstr("AMC__shop__NAME")));
  sources_.environment = {{"amc__shop__name", "a"}};
  EXPECT_EQ(load().text("shop.name"), "a");
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

TEST_F(Config, WhatIsPrintedCanBePastedIntoAFile) {
  write("a.local.yaml", R"(shop: {name: "a\e\x7f\u009b\u2028 \"q\" #1 é", wares: [': ', "\n", '']})");
  const auto first = load();
  std::string printed;
  for (const auto& [path, entry] : first.entries())
    printed += path + ": " + printable(entry) + "  # " + entry.origin + "\n";
  write("a.local.yaml", printed);
  const auto again = load();
  for (const auto& [path, entry] : first.entries()) EXPECT_EQ(again.at(path).value, entry.value) << path;
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

TEST_F(Config, WhatIsWrongInAMapIsToldWithTheKeyOfItsList) {
  for (const auto* wrong : {"{label: \"\\0\"}", "{high: yes}", "{label: [x]}"}) {
    sources_.sets = {std::string("shop.shelves=[") + wrong + "]"};
    EXPECT_THAT(complaint(), testing::StartsWith("--set: shop.shelves: ")) << wrong;
  }
}

TEST_F(Config, PrintsUrlsWithoutTheirPassword) {
  sources_.sets = {"shop.bank=http://me:secret@bank/"};
  const auto loaded = load();
  EXPECT_EQ(printable(loaded.at("shop.bank")), "\"http://me:***@bank/\"");
}

TEST_F(Config, AUrlMayStandInAFileOfItsOwn) {
  write("bank", "  http://me:secret@bank/ \r\nnot this\n");
  const auto file = (folder_.path / "bank").string();
  sources_.sets = {"shop.bank_file=" + file};
  const auto loaded = load();
  EXPECT_EQ(loaded.text("shop.bank"), "http://me:secret@bank/");
  EXPECT_EQ(loaded.at("shop.bank").origin, file + ":1");
  EXPECT_EQ(printable(loaded.at("shop.bank")), "\"http://me:***@bank/\"");
}

TEST_F(Config, AUrlAndAFileForItAreOneTooMany) {
  write("bank", "http://bank/");
  sources_.sets = {"shop.bank_file=" + (folder_.path / "bank").string()};
  sources_.environment = {{"AMC__SHOP__BANK", "http://me:secret@other/"}};
  EXPECT_EQ(complaint(),
            "--set: shop.bank_file: environment AMC__SHOP__BANK says shop.bank too; leave one of them out");
}

TEST_F(Config, AFileForAUrlThatHasNoneIsRefusedAndNotRepeated) {
  sources_.sets = {"shop.bank_file=" + (folder_.path / "nowhere").string()};
  EXPECT_THAT(complaint(), AllOf(HasSubstr("nowhere"), HasSubstr("shop.bank_file")));
  write("bank", "\nhttp://me:secret@bank/\n");
  sources_.sets = {"shop.bank_file=" + (folder_.path / "bank").string()};
  EXPECT_THAT(complaint(), HasSubstr("bank:1: shop.bank_file: the first line is empty"));
  write("bank", std::string("http://me:secret\xff@bank/\n"));
  EXPECT_THAT(complaint(), AllOf(HasSubstr("UTF-8"), Not(HasSubstr("secret"))));
}

TEST_F(Config, NoComplaintRepeatsASecretInTheWrongPlace) {
  const std::string url = "postgresql://amc:s3cret@db/amc";
  for (const auto& set : std::vector<std::string>{
           "shop.bank:" + url, "shop.bank", "shop.bnk=" + url, url, url + "?a=b", "shop.door.port=" + url,
           "shop.size=" + url, "shop.open=" + url, "shop=" + url, "shop={bank:" + url + "}", "shop.wares=" + url,
           url + "?a=[", "shop.shelves=[{" + url + ": x}]", "shop.size=password=s3cret"}) {
    sources_.sets = {set};
    const auto told = complaint();
    EXPECT_NE(told, "no complaint") << set;
    EXPECT_THAT(told, testing::Not(HasSubstr("s3cret")));
  }
  sources_.sets.clear();
  for (const auto& yaml : std::vector<std::string>{"shop:\n  bank:" + url + "\n", "shop: {bank:" + url + "}\n",
                                                   "shop: " + url + "\n", url + "\n", "shop:\n  bank: \"" + url + "\n",
                                                   "shop:\n  door: {port: '" + url + "'}\n"}) {
    write("a.local.yaml", yaml);
    const auto told = complaint();
    EXPECT_NE(told, "no complaint") << yaml;
    EXPECT_THAT(told, testing::Not(HasSubstr("s3cret")));
  }
}

}  // namespace
}  // namespace amc
