#include "api/routes.h"

#include "api/openapi.h"

namespace bascule::api {
namespace {

std::vector<Route> all_routes() {
  std::vector<Route> all = trail_routes();
  for (const auto& family :
       {host_routes(), vm_routes(), own_vm_routes(), image_routes(), console_routes(), volume_routes(),
        failback_routes(), people_routes(), event_routes(), metric_routes(), report_routes(), return_routes(),
        sign_in_routes(), self_routes(), user_routes(), role_routes(), description_routes()})
    all.insert(all.end(), family.begin(), family.end());
  return all;
}

}  // namespace

const std::vector<Route>& routes() {
  static const std::vector<Route> table = all_routes();
  return table;
}

}  // namespace bascule::api
