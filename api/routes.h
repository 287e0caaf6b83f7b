// The table of everything that the API answers; one file per family adds its part.
#pragma once

#include <vector>

#include "api/router.h"

namespace bascule {
struct Snapshot;
struct Vm;
}  // namespace bascule

namespace bascule::api {

const std::vector<Route>& routes();

// POST /v1/vms of a tenant's user, who says what is wanted; the staff say how it is made.
void create_own_vm(Api& api, Call call);

// The VM that {id} names, by id or name; nothing, and the call is refused, when there is none.
const Vm* vm_of(const Call& call, const Snapshot& snapshot);

std::vector<Route> host_routes();
std::vector<Route> vm_routes();
std::vector<Route> own_vm_routes();  // what tenants make machines of
std::vector<Route> image_routes();
std::vector<Route> console_routes();
std::vector<Route> volume_routes();  // snapshots and sizes of a VM's volumes
std::vector<Route> failback_routes();
std::vector<Route> people_routes();   // tenants, access sessions
std::vector<Route> sign_in_routes();  // sessions and passwords: for whoever isn't signed in yet
std::vector<Route> self_routes();     // of a tenant's user about themselves: tokens, second factor
std::vector<Route> user_routes();     // the users of a tenant
std::vector<Route> role_routes();     // what those users may be
std::vector<Route> event_routes();
std::vector<Route> metric_routes();
std::vector<Route> return_routes();  // the way home, as tenants see it
std::vector<Route> report_routes();
std::vector<Route> trail_routes();  // status, explain, audit, incidents, operations, notices

}  // namespace bascule::api
