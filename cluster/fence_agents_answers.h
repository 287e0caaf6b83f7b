// What ipmitool prints, as values. Pure: whatever a BMC says, the answer is a value or `corrupt`. `who` names
// the BMC in the error.
#pragma once

#include <string>

#include "cluster/fence_agents.h"

namespace bascule {

// Of `raw 0x06 0x37` (Get System GUID): 32 lower-case hexadecimal digits. `not_found`: all of them the same,
// so none was ever set.
Result<std::string> guid_in(const std::string& text, const std::string& who);

// Of `chassis power status`.
Result<PowerState> power_in(const std::string& text, const std::string& who);

}  // namespace bascule
