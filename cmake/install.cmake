# What is installed: the program, two shared libraries with headers that need C++20 alone, and how to find them.
#   amc::service, amc::client   libamc.so: services and clients of one's own
#   amc::testing                libamc_testing.so: a broker inside a test
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# amc_shared(NAME FILE OF MODULE NAMES NAMESPACE): a shared library of a module, which shows what include/amc declares there.
function(amc_shared name)
  cmake_parse_arguments(arg "" "FILE;OF;NAMES" "" ${ARGN})
  add_library(${name} SHARED $<TARGET_OBJECTS:amc_${arg_OF}>)
  set_target_properties(${name} PROPERTIES
    OUTPUT_NAME ${arg_FILE} VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    EXPORT_NAME ${arg_OF} LINKER_LANGUAGE CXX)
  target_compile_features(${name} INTERFACE cxx_std_20)
  target_include_directories(${name} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  get_target_property(links amc_${arg_OF} LINK_LIBRARIES)
  target_link_libraries(${name} PRIVATE ${links})
  set(map ${CMAKE_CURRENT_BINARY_DIR}/${name}.map)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/exports.map.in ${map} @ONLY)
  target_link_options(${name} PRIVATE -Wl,--no-undefined -Wl,--as-needed -Wl,--version-script=${map})
  set_target_properties(${name} PROPERTIES LINK_DEPENDS ${map})
endfunction()

amc_shared(amc_shared FILE amc OF service NAMES amc)
amc_shared(amc_testing_shared FILE amc_testing OF testing NAMES amc::testing)
add_library(amc_client INTERFACE)
set_target_properties(amc_client PROPERTIES EXPORT_NAME client)
target_link_libraries(amc_client INTERFACE amc_shared)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/amc)
install(TARGETS amc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS amc_shared amc_testing_shared amc_client EXPORT amcTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/amc DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT amcTargets NAMESPACE amc:: DESTINATION ${package})
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/amcConfig.cmake "include(\"\${CMAKE_CURRENT_LIST_DIR}/amcTargets.cmake\")\n")
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/amcConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH up_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(name amc amc-testing)
  string(REPLACE "-" "_" file ${name})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/amc.pc.in ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/amcConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/amcConfigVersion.cmake DESTINATION ${package})
