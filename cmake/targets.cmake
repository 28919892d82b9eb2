# What every target of this project is compiled with, and how a module is declared.

add_library(amc_options INTERFACE)
# Designated initializers leave members out on purpose. -pthread and -fPIC (modules become part of shared libraries)
# everywhere, or the precompiled header does not fit.
target_compile_options(amc_options INTERFACE
  -pthread -fPIC -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # A false alarm about Asio's coroutine frames: their operator new has been inlined, their operator delete has not.
  target_compile_options(amc_options INTERFACE -Wno-mismatched-new-delete)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False alarms of g++ 12 about variants, strings and coroutine frames that it has inlined.
    target_compile_options(amc_options INTERFACE -Wno-maybe-uninitialized -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow)
  endif()
endif()
target_compile_definitions(amc_options INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_BEAST_SEPARATE_COMPILATION
  # Asio's frames and handlers from operator new: glibc's aligned_alloc is several times slower, and nothing of it needs more
  # than the usual alignment. A request has about ten frames at once; two kept for reuse are too few.
  BOOST_ASIO_DISABLE_STD_ALIGNED_ALLOC BOOST_ASIO_DISABLE_BOOST_ALIGN BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=16)
if(AMC_WERROR)
  target_compile_options(amc_options INTERFACE -Werror)
endif()
if(AMC_SANITIZE)
  target_compile_options(amc_options INTERFACE -fsanitize=${AMC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(amc_options INTERFACE -fsanitize=${AMC_SANITIZE})
  if(AMC_SANITIZE MATCHES undefined)
    # Its look at a vptr opens a pipe, and takes a process that has no descriptor left for a broken one.
    target_compile_options(amc_options INTERFACE -fno-sanitize=vptr)
  endif()
  if(AMC_SANITIZE MATCHES thread)
    target_compile_options(amc_options INTERFACE -Wno-tsan) # Asio uses fences, which TSan does not model
  endif()
endif()
if(AMC_FUZZ)
  target_compile_options(amc_options INTERFACE -fsanitize=fuzzer-no-link)
  target_compile_definitions(amc_options INTERFACE _GLIBCXX_ASSERTIONS)
endif()
if(AMC_SANITIZE OR AMC_COVERAGE OR AMC_FUZZ OR CMAKE_BUILD_TYPE STREQUAL Debug)
  target_compile_definitions(amc_options INTERFACE AMC_THOROUGH_CHECKS)
endif()
if(AMC_COVERAGE)
  target_compile_options(amc_options INTERFACE --coverage)
  target_link_options(amc_options INTERFACE --coverage)
endif()

# amc_module(NAME SOURCES … LINK …): one static library a module. What it links says which way the arrows point.
function(amc_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(amc_${name} STATIC ${arg_SOURCES})
  target_include_directories(amc_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(amc_${name} PUBLIC amc_options ${arg_LINK})
  if(NOT name STREQUAL core)
    target_precompile_headers(amc_${name} REUSE_FROM amc_core)
  endif()
endfunction()
