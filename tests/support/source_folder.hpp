#pragma once

#include <filesystem>

namespace amc::tests {

/// The folder of the sources that the tests were built from.
std::filesystem::path source_folder();

}  // namespace amc::tests
