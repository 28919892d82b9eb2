#include "tests/support/source_folder.hpp"

namespace amc::tests {

std::filesystem::path source_folder() {
  return AMC_SOURCE_DIR;
}

}  // namespace amc::tests
