// How a tenant's machines are told apart on a shared network: a tag of the tenant, which is also part of
// their MAC addresses, so that a host needs to know nothing of the others' machines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/id.h"

namespace bascule {

// 20 bits, from the name alone; 0 for no tenant. No two tenants of a cluster have the same: a name whose tag
// is taken is refused.
std::uint32_t tag_of(const TenantId& tenant);

// "56:b5:12:34:5": what MAC addresses of its machines begin with (locally administered: IEEE 802, 8.4); of
// the provider's own "52:54:00:". Nothing else on the network may have one that begins with kTenantMac: of
// addresses that are made at random, as those of containers are, one in 16,384 does.
std::string mac_prefix_of(const TenantId& tenant);
inline constexpr std::string_view kTenantMac = "56:b5:";

}  // namespace bascule
