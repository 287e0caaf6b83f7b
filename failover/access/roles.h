// Roles of a tenant's own: names for sets of permissions, beside those that everybody has.
#pragma once

#include <string>
#include <vector>

#include "failover/turn.h"

namespace bascule {

// Makes, changes or (without permissions) removes one; at once for whoever has it.
void set_role(Turn& turn, const SetRole& asked);

// Empty: each is a role of the tenant's own.
std::string problem_of_own_roles(const Directory& directory, const TenantId& tenant,
                                 const std::vector<std::string>& names);

// What roles of a tenant's own may hold: what is done in its scope, but not to decide who may what.
bool may_be_in_own_role(Permission permission);
// The same for roles of the provider's own, which manager.toml has.
bool may_be_in_staff_role(Permission permission);

}  // namespace bascule
