// Permission: what a person may be allowed to do; a closed list. Role: a named set of permissions.
//
// Roles are predefined and additive: who has two may do what either may. Nobody has a permission that no role
// of theirs names.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/fields.h"

namespace bascule {

enum class Permission {
  // Of the whole fleet, without any tenant's name
  see_fleet,        // status, hosts, counts, incidents, plans
  operate_hosts,    // clear, power, drill, attest-down
  decide_failback,  // plan and approve
  test_notices,
  manage_tenants,
  see_access,   // who works, or worked, in which tenant's scope, and why
  open_access,  // begin an access session with a reason
  read_audit,   // read, verify and export all of it
  // Of one tenant's machines, or of the provider's own
  see_machines,     // their pages, volumes, trail
  run_machines,     // start, stop
  change_machines,  // create, resize
  change_contents,  // snapshots, roll back, delete: interior, closed to the provider from delivery on
  use_console,      // its serial line and screen: interior too
  // Of one tenant, by its own users
  manage_users,     // invite, change and remove them, end their sessions and tokens
  accept_delivery,  // of a machine: from then on its contents are closed to the provider
  watch_access,     // see who of the provider works in its scope
  end_access,       // end that
  read_own_audit,   // what was done to its machines, and by whom
};
constexpr auto enum_names(Permission) {
  using P = Permission;
  return std::array{EnumName<P>{P::see_fleet, "see_fleet"},
                    EnumName<P>{P::operate_hosts, "operate_hosts"},
                    EnumName<P>{P::decide_failback, "decide_failback"},
                    EnumName<P>{P::test_notices, "test_notices"},
                    EnumName<P>{P::manage_tenants, "manage_tenants"},
                    EnumName<P>{P::see_access, "see_access"},
                    EnumName<P>{P::open_access, "open_access"},
                    EnumName<P>{P::read_audit, "read_audit"},
                    EnumName<P>{P::see_machines, "see_machines"},
                    EnumName<P>{P::run_machines, "run_machines"},
                    EnumName<P>{P::change_machines, "change_machines"},
                    EnumName<P>{P::change_contents, "change_contents"},
                    EnumName<P>{P::use_console, "use_console"},
                    EnumName<P>{P::manage_users, "manage_users"},
                    EnumName<P>{P::accept_delivery, "accept_delivery"},
                    EnumName<P>{P::watch_access, "watch_access"},
                    EnumName<P>{P::end_access, "end_access"},
                    EnumName<P>{P::read_own_audit, "read_own_audit"}};
}

enum class StaffRole { noc, administrator, security_officer, auditor };
constexpr auto enum_names(StaffRole) {
  using R = StaffRole;
  return std::array{EnumName<R>{R::noc, "noc"}, EnumName<R>{R::administrator, "administrator"},
                    EnumName<R>{R::security_officer, "security_officer"}, EnumName<R>{R::auditor, "auditor"}};
}

enum class TenantRole { owner, operates, viewer, auditor };
constexpr auto enum_names(TenantRole) {
  using R = TenantRole;
  return std::array{EnumName<R>{R::owner, "owner"}, EnumName<R>{R::operates, "operator"},
                    EnumName<R>{R::viewer, "viewer"}, EnumName<R>{R::auditor, "auditor"}};
}

const std::set<Permission>& permissions_of(StaffRole role);
const std::set<Permission>& permissions_of(TenantRole role);

// In a tenant's scope, or of the whole fleet.
constexpr bool is_scoped(Permission permission) { return permission >= Permission::see_machines; }
// Reaches inside a machine.
constexpr bool is_interior(Permission permission) {
  return permission == Permission::change_contents || permission == Permission::use_console;
}

}  // namespace bascule
