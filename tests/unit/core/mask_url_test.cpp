#include <gmock/gmock.h>

#include "core/config.hpp"

namespace amc {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MaskUrl, ShowsWhatIsNoSecret) {
  for (const auto* url :
       {"", "http://bank:80/a/b", "http://me@bank", "amqp://mq:5672/%2F", "postgresql://amc@127.0.0.1:5432/amc",
        "postgresql://amc@[::1]:5432,db-2:5433/amc?sslmode=require&target_session_attrs=read-write",
        "postgresql:///amc?host=/var/run/postgresql", "host=db port=5432 dbname=amc user=amc sslmode=verify-full",
        "hostaddr=::1 dbname=''", "postgresql://%2Fvar%2Frun/amc", "HTTP://Bank/", "http://bücher:80"})
    EXPECT_EQ(mask_url(url), url);
}

TEST(MaskUrl, HidesThePassword) {
  EXPECT_EQ(mask_url("postgresql://amc:secret@host/db"), "postgresql://amc:***@host/db");
  EXPECT_EQ(mask_url("postgresql://amc:p@ss:w@host/db"), "postgresql://amc:***@host/db");
  EXPECT_EQ(mask_url("amqps://amc:secret@mq:5671/vhost"), "amqps://amc:***@mq:5671/vhost");
  EXPECT_EQ(mask_url("AMQP://amc:secret@mq"), "AMQP://amc:***@mq");
  EXPECT_EQ(mask_url("postgresql://amc:secret@h1:1,h2:2/db"), "postgresql://amc:***@h1:1,h2:2/db");
  EXPECT_EQ(mask_url("amqp://:secret@mq"), "amqp://:***@mq");
  EXPECT_EQ(mask_url("nats://amc:secret@h1:1,h2:2"), "nats://amc:***@h1:1,h2:2");
  EXPECT_EQ(mask_url("NATS://a-token@host"), "NATS://***@host");
  EXPECT_EQ(mask_url("redis://:secret@host:6379/2"), "redis://:***@host:6379/2");
  EXPECT_EQ(mask_url("rediss://secret@host"), "rediss://***@host");
  EXPECT_EQ(mask_url("postgresql://h/db?user=amc&password=x&sslpassword=y"), "postgresql://h/db?user=amc&password=***");
  EXPECT_EQ(mask_url("postgresql://h/db?sslpassword=y"), "postgresql://h/db?***");
  EXPECT_EQ(mask_url("host=h password=x dbname=d"), "host=h password=***");
  EXPECT_EQ(mask_url("host=db password = s3cret"), "host=db password=***");
}

TEST(MaskUrl, OfWhatIsNotQuiteAUrlShowsNothing) {
  EXPECT_EQ(mask_url("amqp://amc:pa/ss@host"), "amqp://***");
  EXPECT_EQ(mask_url("http://bank:80/a@b"), "http://***");
  EXPECT_EQ(mask_url("amqp//amc:secret@host"), "***");
  EXPECT_EQ(mask_url("no url: at@all"), "***");
}

/// A secret at every place where one can stand, also by mistake, in every form that libpq, AMQP and HTTP URLs take.
TEST(MaskUrl, ASecretNeverComesOut) {
  const std::string secret = "s3cret";
  // What may stand in front of and behind it, within the password.
  const std::vector<std::string> around{"",   "/",  "?",  "#",   "@",  ":",  "&", "=",   ";",   " ",    ",",    "'",
                                        "\"", "\\", "%",  "%40", "[",  "]",  "+", "a:b", "a@b", "a/b",  "a b",  "é",
                                        "8",  "8/", "8@", "//",  "\n", "\t", "|", "{",   "}",   "a=b ", "&a=b", "\\'"};
  const std::vector<std::string> forms{
      "postgresql://amc:SECRET@db/amc",
      "POSTGRESQL://amc:SECRET@db:5432/amc?sslmode=require",
      "postgres://amc:SECRET@h1:1,h2:2/amc",
      "postgresql://amc:SECRET@[::1]:5432/amc",
      "postgresql://:SECRET@db",
      "postgresql://amc%3ASECRET@db/amc",
      "postgresql://am%63:SECRET@db/amc",
      "postgresql://amc:SECRET@/amc?host=/var/run",
      "postgresql://amc@db/amc?password=SECRET",
      "postgresql://db/amc?user=amc&password=SECRET&sslmode=require",
      "postgresql://db/amc?pass%77ord=SECRET",
      "postgresql://db/amc?PASSWORD=SECRET",
      "postgresql://db/amc?sslpassword=SECRET",
      "postgresql://db/amc?passwd=SECRET&host=x",
      "postgresql://db/amc?password%3DSECRET",
      "postgresql://db/amc?options=-c%20x%3DSECRET",
      "postgresql://amc:x@db/amc?password=SECRET",
      "amqp://amc:SECRET@mq:5672/%2F",
      "amqps://amc:SECRET@mq",
      "AMQPS://amc:SECRET@mq/vhost?heartbeat=10",
      "amqp//amc:SECRET@mq",
      "amqp:/amc:SECRET@mq",
      "amqp:amc:SECRET@mq",
      "://amc:SECRET@mq",
      "//amc:SECRET@mq",
      " postgresql://amc:SECRET@db",
      "amc:SECRET@mq",
      "SECRET",
      "http://amc:SECRET@broker:4000",
      "http://broker:4000/?access_token=SECRET",
      "http://broker:4000/#SECRET",
      "host=db password=SECRET",
      "host=db password = SECRET",
      "host=db password ='SECRET' dbname=amc",
      "host=db\tpassword\t=\tSECRET",
      "host=db password='a b\\'SECRET'",
      "password=SECRET host=db",
      "host=db PASSWORD=SECRET",
      "host=db pasword=SECRET",
      "host=db, password=SECRET",
      "host=db;password=SECRET",
      "host=db,password:SECRET",
      "host='db password=SECRET",
      "host='db' password='SECRET",
      "host=db\\ password=SECRET",
      "host=db user=amc\\ password=SECRET",
      "host=db sslpassword=SECRET",
      "host=db SECRET",
      "host=db = SECRET",
      "user=amc:SECRET@db",
      "dbname=postgresql://amc:SECRET@db/amc",
      "dbname='postgresql://amc:SECRET@db/amc'",
      "passfile=/x password=SECRET",
      "password=SECRET",
  };
  for (const auto& form : forms)
    for (const auto& before : around)
      for (const auto& behind : around) {
        auto text = form;
        text.replace(text.find("SECRET"), 6, before + secret + behind);
        ASSERT_THAT(mask_url(text), Not(HasSubstr(secret))) << text;
        ASSERT_THAT(repeated(text), Not(HasSubstr(form == "SECRET" ? "\n" : secret))) << text;
      }
}

TEST(Repeated, IsOneShortLineInQuotes) {
  EXPECT_EQ(repeated("soon"), "\"soon\"");
  EXPECT_EQ(repeated("a\n\x1b[2J"), "\"a\\n\\u001b[2J\"");
  EXPECT_EQ(repeated(std::string(1'000, 'x')), "\"" + std::string(100, 'x') + "…\"");
}

}  // namespace
}  // namespace amc
