#include "message_store/postgresql/conninfo.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace amc::message_store::postgresql {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string complaint(const std::string& url) {
  return read_conninfo(url).complaint.value_or("none");
}

std::vector<std::string> hosts(const std::string& url) {
  std::vector<std::string> all;
  for (const auto& one : read_conninfo(url).hosts) all.push_back(one.name + "|" + one.address + "|" + one.port);
  return all;
}

TEST(Conninfo, WhatNoServerMendsIsAComplaint) {
  const std::string long_name(64, 'x');
  const std::vector<std::pair<std::string, std::string>> all{
      {"postgresql://h/db?sslmode=requird", "invalid sslmode value: \"requird\""},
      {"postgresql://h/db?sslmod=require", "\"sslmod\""},
      {"host=h sslmod = require", "\"sslmod\""},
      {"postgresql://h/db?connect_timeout=abc", "connect_timeout"},
      {"postgresql://h/db?keepalives_idle=1x", "keepalives_idle"},
      {"postgresql://h/db?tcp_user_timeout=99999999999", "tcp_user_timeout"},
      {"postgresql://h/db?target_session_attrs=bogus", "target_session_attrs is any, read-write"},
      {"postgresql://h/db?channel_binding=requir", "channel_binding"},
      {"postgresql://h/db?gssencmode=x", "gssencmode"},
      {"postgresql://h/db?ssl_min_protocol_version=TLSv9", "ssl_min_protocol_version"},
      {"postgresql://h/db?service=nowhere", "\"nowhere\" not found"},
      {"postgresql://h/db?replication=true", "replication"},
      {"postgresql://h:0/db", "port"},
      {"postgresql://h:70000/db", "port"},
      {"postgresql://h:1,i:65536/db", "port"},
      {"postgresql://h:x/db", "port"},
      {"postgresql://a,b,c/db?port=1,2", "2 port numbers to 3 hosts"},
      {"host=a,b hostaddr=127.0.0.1", "2 host names to 1 hostaddr"},
      {"host=a,,b", "empty name"},
      {"host=h hostaddr=localhost", "hostaddr"},
      {"host=/" + std::string(120, 'x'), "path of the socket"},
      {"postgresql://h/" + long_name, "dbname is longer than 63 bytes"},
      {"postgresql://" + long_name + "@h/db", "user is longer than 63 bytes"},
      {"postgresql://h/db?sslrootcert=/nowhere/ca.pem", "sslrootcert: cannot read the file \"/nowhere/ca.pem\""},
      {"postgresql://h/db?sslcert=/nowhere/c.pem", "sslcert"},
      {"postgresql://h/db?sslkey=/nowhere/k.pem", "sslkey"},
      {"postgresql://h/db?sslcrl=/nowhere/k.crl", "sslcrl"},
      {"postgresql://h/db?passfile=/nowhere/p", "passfile"},
      {"postgresql://h/%zz", "percent-encoded"},
      {"amqp://h/db", "missing"},
      {"h:5432/db", "missing"},
  };
  for (const auto& [url, words] : all) EXPECT_THAT(complaint(url), HasSubstr(words)) << url;
}

TEST(Conninfo, WhatMayWorkIsNoComplaint) {
  for (const auto* url :
       {"", "host=h", "postgresql://amc:p%40ss%2Fword@h/db", "postgresql://[::1]:5432/db", "postgresql:///db?host=/tmp",
        "postgresql://a:1,b/db?target_session_attrs=prefer-standby&connect_timeout=3", "host = h  port = ' 5432 '",
        "postgresql://h/db?sslmode=disable&sslrootcert=/nowhere", "postgresql://h/db?sslmode=verify-full"})
    EXPECT_EQ(complaint(url), "none") << url;
}

TEST(Conninfo, AComplaintHasNoSecretInIt) {
  for (const auto* url :
       {"postgresql://amc:s3%zzcret@h/db", "postgresql://amc:s3@cret@h/db?sslmode=x", "postgresql://amc:s3@cret@h/db",
        "postgresql://amc:s3/cret@h/db", "postgresql://amc:5/s3cret@h/db", "host=h password=s3cret sslmode=x",
        "host=h password = s3cret port=x", "host=h password='s3cret", "host=h s3cret", "host=h password=my s3cret"})
    EXPECT_THAT(complaint(url), AllOf(Not("none"), Not(HasSubstr("cret")), Not(HasSubstr("s3")))) << url;
}

TEST(Conninfo, EachHostHasItsAddressAndPort) {
  EXPECT_THAT(hosts("postgresql://a:1,b:2/db"), ElementsAre("a||1", "b||2"));
  EXPECT_THAT(hosts("postgresql://a,[::1]:7/db"), ElementsAre("a||5432", "::1||7"));
  EXPECT_THAT(hosts("host=a,b hostaddr=127.0.0.1,127.0.0.2 port=9"), ElementsAre("a|127.0.0.1|9", "b|127.0.0.2|9"));
  EXPECT_THAT(hosts("hostaddr=127.0.0.1"), ElementsAre("|127.0.0.1|5432"));
  EXPECT_EQ(read_conninfo("postgresql://h/db?connect_timeout=3").connect_timeout, milliseconds(3'000));
  EXPECT_EQ(read_conninfo("postgresql://h/db?connect_timeout=0").connect_timeout, std::nullopt);
  EXPECT_THAT(read_conninfo("host=h target_session_attrs=prefer-standby").session_attributes,
              ElementsAre("standby", "any"));
}

TEST(Conninfo, ANameIsTriedAtEachOfItsAddresses) {
  const auto tries = tries_for({.name = "localhost", .port = "7"});
  ASSERT_FALSE(tries.empty());
  for (const auto& one : tries) {
    EXPECT_EQ(one.at("host"), "localhost") << "which a certificate must name";
    EXPECT_THAT(one.at("hostaddr"), testing::AnyOf("127.0.0.1", "::1"));
    EXPECT_EQ(one.at("port"), "7");
  }
}

TEST(Conninfo, ANameThatCannotBeLookedUpIsAway) {
  const std::string no_name(64, 'x');  // too long to ask anybody for
  try {
    tries_for({.name = no_name, .port = "7"});
    FAIL() << "it has no address";
  } catch (const unavailable& failed) {
    EXPECT_EQ(failed.why(), unavailable::reason::away) << "it may get one";
    EXPECT_THAT(failed.what(), HasSubstr("cannot look up the host \"" + no_name + "\""));
  }
}

TEST(Conninfo, APrivateKeyOfAnotherUserIsAComplaint) {
  const tests::temporary_folder folder;
  const auto key = folder.path / "key.pem";
  std::ofstream(key) << "key";
  std::filesystem::permissions(key, std::filesystem::perms::owner_read);
  constexpr uid_t other = 1;
  if (chown(key.c_str(), other, static_cast<gid_t>(-1)) != 0) GTEST_SKIP() << "needs the right to give a file away";
  EXPECT_THAT(complaint("postgresql://h/db?sslkey=" + key.string()), HasSubstr("owned by AMC's user"));
}

TEST(Conninfo, APrivateKeyThatOthersReadIsAComplaint) {
  const tests::temporary_folder folder;
  const auto key = folder.path / "key.pem";
  std::ofstream(key) << "key";
  using std::filesystem::perms;
  for (const auto* name : {"sslkey", "passfile"}) {
    const auto url = "postgresql://h/db?" + std::string(name) + "=" + key.string();
    std::filesystem::permissions(key, perms::owner_read | perms::group_write | perms::others_read);
    EXPECT_THAT(complaint(url), HasSubstr("chmod 0600")) << name;
    std::filesystem::permissions(key, perms::owner_read | perms::owner_write);
    EXPECT_EQ(complaint(url), "none") << name;
  }
}

}  // namespace
}  // namespace amc::message_store::postgresql
