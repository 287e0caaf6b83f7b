// What a tenant says about the way home of its machine: that it may come at any time, or not before some
// moment. Plans for all that is away leave out what was postponed; a plan that names it carries it all the
// same, and whoever approves that reads so.
#pragma once

#include "failover/turn.h"

namespace bascule {

void wish_return(Turn& turn, const WishReturn& asked);

// Empty: nothing is against it now.
std::string why_postponed(const VmRecord& record, WallTime now);

}  // namespace bascule
