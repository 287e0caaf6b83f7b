// Whose leave a request brings to get inside a delivered machine, as far as that can be told without knowing
// whose the keys are, which the machine's host does: so that nobody's audit says "granted" of what nobody
// signed.
#pragma once

#include <optional>
#include <string>

#include "api/api.h"
#include "base/custody.h"

namespace bascule::api {

// What is wrong with it; empty: nothing that could be seen here.
std::string problem_of(const std::optional<Grant>& grant, const Call& call, const VmId& vm);
std::string problem_of(const std::optional<BrokenGlass>& glass, const Call& call, const VmId& vm,
                       const std::vector<std::string>& keys);

}  // namespace bascule::api
