#include "base/result.h"

#include <cstdio>
#include <cstdlib>

#include "base/ensure.h"

namespace bascule {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid:
      return "invalid";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::conflict:
      return "conflict";
    case ErrorCode::changed:
      return "changed";
    case ErrorCode::denied:
      return "denied";
    case ErrorCode::reason_required:
      return "reason_required";
    case ErrorCode::unauthenticated:
      return "unauthenticated";
    case ErrorCode::policy:
      return "policy";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::unknown_outcome:
      return "unknown_outcome";
    case ErrorCode::exhausted:
      return "exhausted";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

void ensure_failed(std::string_view words, const std::source_location& where) {
  std::fprintf(stderr, "ensure failed: %.*s (%s:%u in %s)\n", static_cast<int>(words.size()), words.data(),
               where.file_name(), static_cast<unsigned>(where.line()), where.function_name());
  std::abort();
}

}  // namespace bascule
