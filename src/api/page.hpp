#pragma once

#include <span>
#include <string_view>

namespace amc::api {

/// A file of the page, as it stands in src/api/page.
struct page_file {
  std::string_view name;
  std::string_view text;
};
/// Made by cmake/embed_folder.cmake.
std::span<const page_file> page_files();

}  // namespace amc::api
