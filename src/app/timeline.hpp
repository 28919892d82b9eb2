#pragma once

#include <string>
#include <string_view>
#include <vector>

/// What became of a message, for people.
namespace amc::app {

/// Of an answer of GET /messages/{id}/history: a line for each step, with the time since the message was posted, how
/// long it had waited and was worked on. `with_diffs`: below each answer, what it has changed in the text, line by
/// line.
std::string timeline(std::string_view history, bool with_diffs);

/// "- line", "+ line" and "  line": what makes the one text of the other. A value of JSON has a line for each member.
/// Texts that are unlike in very many lines are told as the one and then the other.
std::vector<std::string> line_diff(const std::vector<std::string>& before, const std::vector<std::string>& after);

/// JSON as it was written, with a line for each member and item.
std::string indented(std::string_view json);

}  // namespace amc::app
