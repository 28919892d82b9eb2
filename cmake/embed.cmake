# cmake -DFROM=FILE -DTO=SOURCE -DNAMESPACE=… -DNAME=… -DPROJECT_VERSION=… -P embed.cmake: a text as a constant of the program.
cmake_minimum_required(VERSION 3.25)
file(READ "${FROM}" text)
string(REPLACE "@PROJECT_VERSION@" "${PROJECT_VERSION}" text "${text}")
file(WRITE "${TO}" "#include <string_view>

namespace ${NAMESPACE} {
extern const std::string_view ${NAME};
const std::string_view ${NAME} = R\"embedded(${text})embedded\";
}  // namespace ${NAMESPACE}
")
