#pragma once

#include <functional>
#include <string>
#include <vector>

namespace amc::consumer_services {

/// Gives a name each time it is called. Called from one thread.
using name_provider = std::function<std::string()>;

/// A random one of `names`, which must not be empty.
name_provider random_names(std::vector<std::string> names, std::uint64_t seed);

}  // namespace amc::consumer_services
