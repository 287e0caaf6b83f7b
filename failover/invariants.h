// Invariants: a second opinion on each step, derived from raw evidence by other code than that which decided.
// The simulator and the scenarios check it after every step.
#pragma once

#include <string>
#include <vector>

#include "failover/step.h"

namespace bascule {

// What this step broke, in sentences; empty when all holds:
//  - a generation never shrinks, and grows with every start;
//  - a copy leaves may_run, and a next generation starts, only when evidence shows that the copy ended;
//  - no copy joins may_run beside another one;
//  - a start goes only to the copy that is committed in may_run, on a host that is up and not quarantined;
//  - what is away comes home only by an approved plan;
//  - nobody cuts the power of a host, or revokes its lease, that isn't being fenced and may run VMs.
std::vector<std::string> broken_invariants(const State& before, const Outcome& outcome);

}  // namespace bascule
