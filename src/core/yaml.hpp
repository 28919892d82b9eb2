#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The part of YAML that configuration is written in: one document of maps, lists and scalars.
namespace amc::yaml {

struct node {
  enum class type { null, scalar, list, map };
  type kind = type::null;
  int line = 1;
  std::string scalar{};
  std::vector<node> items{};                   ///< of a list
  std::vector<std::pair<node, node>> pairs{};  ///< of a map: keys are scalars, each once
};

/// Why a text is refused.
struct refusal : std::runtime_error {
  refusal(int where, const std::string& what) : std::runtime_error(what), line(where) {}
  int line;
};

/// Throws `refusal` for what is no YAML, and for what would silently mean something else to somebody: a key twice in a
/// map, a second document, anchors, aliases, merge keys, tags, bytes that are no UTF-8 or no text. A text of nothing
/// but comments is null.
node parse(std::string_view text);

}  // namespace amc::yaml
