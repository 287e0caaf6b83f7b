// The one place where it is decided whether somebody may do something. Asked by the API before it shows
// anything, and by the engine again in the step that makes a change, so that nothing can end in between.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "failover/access/directory.h"

namespace bascule {

// What is to be seen or changed. Without a tenant: the whole fleet, or the provider's own machines.
struct Scope {
  TenantId tenant;
  bool delivered = false;  // its tenant has accepted it: from then on only they get inside
};

// Who asks. A tenant's user comes with the token that let them in, and has no more rights than it has.
struct Principal {
  OperatorId id;
  TokenId token;  // empty: one of the provider's staff, by certificate
};

// Nothing when `who` may. Else `denied`, which names the permission and who could give it, or
// `reason_required`: an access session for this tenant would do.
// A tenant's user is told `not_found` of whatever isn't theirs.
std::optional<Error> why_denied(const Directory& directory, const Principal& who, Permission permission,
                                const Scope& scope);

// Its tenant asks for a second factor, and they have none: then nothing goes but to set one up.
bool lacks_second_factor(const Directory& directory, const TenantUser& user);

// The tenant's user whose token this is, if both are still good.
const TenantUser* signed_in(const Directory& directory, const Principal& who);

// Of the provider's staff.
bool has_permission(const Directory& directory, const OperatorId& who, Permission permission);
const AccessSession* open_access_of(const Directory& directory, const OperatorId& who,
                                    const TenantId& tenant);

// What is wrong with a reason for access; empty when it will do: at least three different words, those of the
// category not counted.
std::string problem_of_reason(AccessCategory category, const std::string& reason);
std::string problem_of_reason(const std::string& reason);  // where there is no category

}  // namespace bascule
