#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/config.hpp"

/// What every program of the project does first, and last.
namespace amc::program {

constexpr int exit_failed = 1, exit_wrong_usage = 2;

/// Before anything else: standard streams, crashes, and as many descriptors as are allowed.
void prepare();

std::map<std::string, std::string> environment_variables();

/// ps shows the command line to everybody on the machine: what a key that may hold a password was set to does not stay.
void hide_secrets(int argc, char** argv, const std::vector<config_provider>& known);

/// Runs `work`; what stops it becomes one line, told as `name`, and an exit code.
int reporting(const std::string& name, const std::function<int()>& work);

}  // namespace amc::program
