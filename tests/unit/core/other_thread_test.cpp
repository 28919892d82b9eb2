#include "core/other_thread.hpp"

#include <gtest/gtest.h>

#include "core/loop.hpp"

namespace amc {
namespace {

using thread = std::thread::id;

task<thread> here() {
  co_return std::this_thread::get_id();
}

task<thread> away() {
  co_await boost::asio::this_coro::executor;
  throw unavailable(unavailable::reason::full, "no room");
}

struct visit {
  thread there{}, before{}, after{};
};

task<visit> visiting(boost::asio::any_io_executor other) {
  visit made;
  made.before = std::this_thread::get_id();
  made.there = co_await run_at(other, here());
  made.after = std::this_thread::get_id();
  co_return made;
}

TEST(OtherThread, ACoroutineRunsThereAndItsCallerGoesOnHere) {
  loop here_loop("here"), there_loop("there");
  const auto made = here_loop.run(visiting(there_loop.executor()));
  EXPECT_EQ(made.before, here_loop.run(here()));
  EXPECT_EQ(made.after, made.before);
  EXPECT_EQ(made.there, there_loop.run(here()));
  EXPECT_NE(made.there, made.before);
}

TEST(OtherThread, WhatIsUnavailableThereIsUnavailableHere) {
  loop here_loop("here"), there_loop("there");
  try {
    here_loop.run(run_at(there_loop.executor(), away()));
    FAIL() << "nothing was thrown";
  } catch (const unavailable& failed) {
    EXPECT_EQ(failed.why(), unavailable::reason::full);
    EXPECT_STREQ(failed.what(), "no room");
  }
}

}  // namespace
}  // namespace amc
