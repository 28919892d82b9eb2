#include "consumer_services/name_provider.hpp"

#include <random>

namespace amc::consumer_services {

name_provider random_names(std::vector<std::string> names, std::uint64_t seed) {
  return [names = std::move(names), generator = std::mt19937_64(seed)]() mutable {
    return names[std::uniform_int_distribution<std::size_t>(0, names.size() - 1)(generator)];
  };
}

}  // namespace amc::consumer_services
