#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <set>

#include "api/resources.hpp"
#include "tests/support/broker_world.hpp"

namespace amc::api {
namespace {

namespace json = boost::json;
using operation = std::pair<std::string, std::string>;  ///< path and method, as the table of routes writes them

/// What GET /openapi.json says, held against the code. What the answers are like is tests/integration/descriptions.
class Description : public testing::Test {
 protected:
  static std::string pattern_of(std::string path) {
    for (auto open = path.find('{'); open != std::string::npos; open = path.find('{'))
      path.replace(open, path.find('}') - open + 1, "*");
    return path;
  }

  static std::string in_capitals(std::string_view method) {
    std::string capitals(method);
    for (char& c : capitals) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return capitals;
  }

  /// Calls `see` with each operation and its description.
  template <class See>
  void each_operation(const See& see) const {
    for (const auto& [path, item] : described_.at("paths").as_object())
      for (const auto& [method, about] : item.as_object())
        if (method != "parameters") see(operation{pattern_of(path), in_capitals(method)}, about.as_object());
  }

  static void collect_references(const json::value& part, std::set<std::string>& found) {
    if (const auto* fields = part.if_object())
      for (const auto& [name, value] : *fields)
        name == "$ref" ? void(found.emplace(value.as_string())) : collect_references(value, found);
    if (const auto* list = part.if_array())
      for (const auto& value : *list) collect_references(value, found);
  }

  tests::broker_world w_;
  json::value described_ = json::parse(w_.ask("GET", "/openapi.json").body);
};

TEST_F(Description, HasEveryRouteAndNoOther) {
  std::set<operation> there_are, told;
  for (const auto& r : routes()) {
    there_are.emplace(r.path, r.method);
    if (r.method == "GET") there_are.emplace(r.path, "HEAD");
  }
  each_operation([&](const operation& o, const json::object&) { told.insert(o); });
  EXPECT_EQ(told, there_are);
}

TEST_F(Description, HasEveryParameterAndNoOther) {
  std::map<operation, std::set<std::string>> there_are, told;
  for (const auto& r : routes())
    for (const auto name : r.parameters) {
      there_are[{std::string(r.path), std::string(r.method)}].emplace(name);
      if (r.method == "GET") there_are[{std::string(r.path), "HEAD"}].emplace(name);
    }
  each_operation([&](const operation& o, const json::object& about) {
    if (!about.contains("parameters")) return;
    for (const auto& reference : about.at("parameters").as_array()) {
      const auto& parameter = described_.at_pointer(std::string(reference.at("$ref").as_string().subview(1)));
      if (parameter.at("in") == "query") told[o].emplace(parameter.at("name").as_string());
    }
  });
  EXPECT_EQ(told, there_are);
}

TEST_F(Description, WhatAnyRequestMayBeRefusedForStandsAtEachOperation) {
  each_operation([&](const operation& o, const json::object& about) {
    for (const auto* status : {"400", "403", "408", "413", "415", "421", "422", "431", "500", "503"})
      EXPECT_TRUE(about.at("responses").as_object().contains(status)) << o.second << " " << o.first << " " << status;
  });
}

TEST_F(Description, EveryEndpointThatAsksWhoAsksSaysSo) {
  std::set<operation> open;
  for (const auto& r : routes())
    if (r.right_to.is_open()) open.insert({std::string(r.path), "GET"}), open.insert({std::string(r.path), "HEAD"});
  each_operation([&](const operation& o, const json::object& about) {
    const bool asks = !open.contains(o);
    EXPECT_EQ(about.at("responses").as_object().contains("401"), asks) << o.second << " " << o.first;
    EXPECT_EQ(about.contains("security"), !asks) << o.second << " " << o.first;
  });
}

TEST_F(Description, EveryReferenceLeadsSomewhereAndNothingIsUnused) {
  std::set<std::string> used, there_is;
  collect_references(described_, used);
  for (const auto& [kind, all] : described_.at("components").as_object())
    for (const auto& [name, value] : all.as_object())
      if (kind != "securitySchemes") there_is.insert("#/components/" + std::string(kind) + "/" + std::string(name));
  EXPECT_EQ(used, there_is);
}

TEST_F(Description, TellsTheVersion) {
  EXPECT_THAT(std::string(described_.at("info").at("version").as_string()), testing::MatchesRegex("[0-9.]+"));
}

}  // namespace
}  // namespace amc::api
