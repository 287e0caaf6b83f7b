// When each host wants to be looked at again: the earliest of its timers.
#pragma once

#include <optional>

#include "failover/policy.h"
#include "failover/state.h"

namespace bascule {

std::optional<Instant> deadline_of(const State& state, const Host& host, Instant now, const Policy& policy);

}  // namespace bascule
