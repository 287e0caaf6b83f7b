// What must be so on this host before hostd takes guests: nothing else may start them at boot.
#pragma once

#include <string>

#include "base/result.h"

namespace bascule::hostd {

// `root` is "" in production. `conflict` names the setting and the command that changes it.
Status check_nothing_else_starts_guests(const std::string& root);

}  // namespace bascule::hostd
