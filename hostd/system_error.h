// What errno says, as an Error.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

#include "base/result.h"

namespace bascule::hostd {

inline Error system_error(const std::string& what) {
  return {ErrorCode::unavailable, what + ": " + std::strerror(errno)};
}

}  // namespace bascule::hostd
