// Hunts: each parser under libFuzzer (https://llvm.org/docs/LibFuzzer.html), for as long as one likes:
// tests/fuzz/hunt/run. What it may not do, aborts: then libFuzzer keeps the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace hunt {

inline std::string text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void must(bool condition) {
  if (!condition) std::abort();
}

// What was understood is said again in words that are understood the same way; what wasn't, in words.
template <class T>
bascule::Result<T> understood_or_refused(const std::string& text) {
  bascule::Result<T> decoded = bascule::json::decode_text<T>(text, bascule::json::Unknown::tolerate);
  if (!decoded) {
    must(!decoded.error().message.empty());
    return decoded;
  }
  const std::string said = bascule::json::encode_text(*decoded);
  const auto again = bascule::json::decode_text<T>(said, bascule::json::Unknown::refuse);
  must(again && bascule::json::encode_text(*again) == said);
  return decoded;
}

}  // namespace hunt
