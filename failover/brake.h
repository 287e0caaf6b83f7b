// The brake: no mass outage by our own hand. At most so many hosts are fenced within a window.
#pragma once

#include <string>

#include "failover/policy.h"
#include "failover/state.h"

namespace bascule {

struct BrakeCheck {
  bool allowed = true;
  std::string words;
};

// May one more host of this site be fenced now? Allowed are policy.brake_hosts, or the policy's share of the
// site when that is more; never below one.
BrakeCheck check_brake(const State& state, const SiteId& site, Instant now, const Policy& policy);

}  // namespace bascule
