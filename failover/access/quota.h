// Quota: how much of everything a tenant's machines have, and may have.
//
// It binds the tenant's own users. What the provider's staff make for a tenant counts, and is their decision.
#pragma once

#include <string>

#include "failover/access/directory.h"
#include "failover/turn.h"

namespace bascule {

Quota quota_of(const VmSpec& spec);                  // what one machine takes
std::uint64_t storage_of(const TenantImage& image);  // in MiB, rounded up
Quota used_by(const State& state, const TenantId& tenant);

// What of it `more` would be too much for, in words; empty when it fits, or when the provider's staff ask.
std::string why_over_quota(const State& state, const Asked& asked, const TenantId& tenant, const Quota& more);

void set_quota(Turn& turn, const SetQuota& asked);

}  // namespace bascule
