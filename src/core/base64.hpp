#pragma once

#include <optional>
#include <string>
#include <string_view>

/// Base64 as RFC 4648 has it (section 4): with padding, and one spelling for each sequence of bytes.
namespace amc {

std::string to_base64(std::string_view bytes);

/// Nothing for any other text: white space, missing padding, another alphabet, bits behind the last byte.
std::optional<std::string> from_base64(std::string_view text);

/// As URLs, files and JSON Web Tokens take it (section 5): "-" and "_", and no padding.
std::string to_base64url(std::string_view bytes);

/// Nothing for any other text, the other alphabet and padding included.
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace amc
