// The table of everything that the API answers; one file per family adds its part.
#pragma once

#include <vector>

#include "api/router.h"

namespace bascule::api {

const std::vector<Route>& routes();

std::vector<Route> host_routes();
std::vector<Route> vm_routes();
std::vector<Route> failback_routes();
std::vector<Route> trail_routes();  // status, events, explain, audit, incidents, operations, notices

}  // namespace bascule::api
