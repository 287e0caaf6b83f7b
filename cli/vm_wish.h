// What a tenant's user asks for by `bascule vm create --image …`, as the API takes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace bascule::cli {

struct VmWish {
  std::string name, home, memory, size, image, iso, user_data;  // user_data: a file
  std::uint32_t vcpus = 0;
  std::vector<std::string> ssh_keys;  // files
  bool no_screen = false;
  bool unprotected = false;
  bool stopped = false;
  std::string reason;
};
// The request's body; or what is wrong with an option or a file.
Result<std::string> wish_body(const VmWish& wish);

}  // namespace bascule::cli
