// ensure(): a condition that only a programming error can break. Always on; aborts with place and words.
#pragma once

#include <source_location>
#include <string_view>

namespace bascule {

[[noreturn]] void ensure_failed(std::string_view words, const std::source_location& where);

inline void ensure(bool condition, std::string_view words,
                   const std::source_location& where = std::source_location::current()) {
  if (!condition) ensure_failed(words, where);
}

}  // namespace bascule
