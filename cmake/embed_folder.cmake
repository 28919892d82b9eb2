# cmake -DFROM=FOLDER -DTO=SOURCE -DPROJECT_VERSION=… -P embed_folder.cmake: the files of the page as constants of the program.
cmake_minimum_required(VERSION 3.25)
file(GLOB names RELATIVE "${FROM}" "${FROM}/*")
list(SORT names)
set(table "")
foreach(name IN LISTS names)
  file(READ "${FROM}/${name}" text)
  string(REPLACE "@PROJECT_VERSION@" "${PROJECT_VERSION}" text "${text}")
  string(APPEND table "    {\"${name}\", R\"embedded(${text})embedded\"},\n")
endforeach()
file(WRITE "${TO}" "#include \"api/page.hpp\"

namespace amc::api {

std::span<const page_file> page_files() {
  static constexpr page_file all[] = {
${table}  };
  return all;
}

}  // namespace amc::api
")
