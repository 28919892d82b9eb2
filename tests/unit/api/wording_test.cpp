#include "api/wording.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace amc::api {
namespace {

TEST(Wording, EachErrorHasItsStatus) {
  const std::vector<std::pair<errc, int>> all{
      {errc::invalid, 422},   {errc::unroutable, 422},   {errc::key_reused, 422},   {errc::not_found, 404},
      {errc::terminal, 409},  {errc::held, 409},         {errc::needs_alone, 409},  {errc::needs_room, 409},
      {errc::too_large, 413}, {errc::stale, 412},        {errc::precondition, 428}, {errc::unreadable, 503},
      {errc::unknown, 500},   {errc::unidentified, 401}, {errc::forbidden, 403},    {errc::over_quota, 429}};
  for (const auto& [code, status] : all) EXPECT_EQ(refused({code, "no"}).status, status) << to_string(code);
}

TEST(Wording, EachStatusHasItsTitle) {
  const std::vector<std::pair<int, std::string>> all{{400, "Bad Request"},
                                                     {403, "Forbidden"},
                                                     {404, "Not Found"},
                                                     {405, "Method Not Allowed"},
                                                     {408, "Request Timeout"},
                                                     {409, "Conflict"},
                                                     {412, "Precondition Failed"},
                                                     {413, "Content Too Large"},
                                                     {415, "Unsupported Media Type"},
                                                     {421, "Misdirected Request"},
                                                     {422, "Unprocessable Content"},
                                                     {428, "Precondition Required"},
                                                     {431, "Request Header Fields Too Large"},
                                                     {500, "Internal Server Error"},
                                                     {503, "Service Unavailable"}};
  for (const auto& [status, title] : all)
    EXPECT_EQ(boost::json::parse(problem(status, "so").body).at("title").as_string(), title) << status;
}

}  // namespace
}  // namespace amc::api
