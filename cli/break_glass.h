// Broken glass: what two of the provider's people sign to get inside a delivered machine (base/custody.h).
#pragma once

#include <string>

#include "base/custody.h"
#include "cli/grant.h"

namespace bascule::cli {

Outcome<BrokenGlass> glass_in(const std::string& path);

}  // namespace bascule::cli
