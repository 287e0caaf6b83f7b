// SHA-256 of a text, as 64 hexadecimal digits.
#pragma once

#include <string>
#include <string_view>

namespace bascule {

std::string sha256_hex(std::string_view text);

}  // namespace bascule
