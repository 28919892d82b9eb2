#pragma once

#include <gtest/gtest.h>

#include "tests/support/binary.hpp"

namespace amc::tests {

/// The real binary, run to its end in a folder.
class binary_test : public testing::Test {
 protected:
  /// The exit code, with what was written in `out_` and `err_`.
  int ended(process& once) {
    const int code = once.wait();
    out_ = once.output();
    err_ = once.errors();
    return code;
  }

  temporary_folder folder_;
  std::string out_, err_;
};

}  // namespace amc::tests
