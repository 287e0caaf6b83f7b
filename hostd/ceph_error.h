// What a code of librados or librbd (a negative errno) means. `what` says what was tried, and on what.
#pragma once

#include <string>

#include "base/result.h"

namespace bascule::hostd {

Error error_of(int code, const std::string& what);
Status status_of(int code, const std::string& what);  // no error from 0 on

}  // namespace bascule::hostd
