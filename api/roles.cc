// /v1/roles: what a tenant's users may be: roles that everybody has, and roles of the tenant's own.
#include "api/body.h"
#include "api/routes.h"

namespace bascule::api {
namespace {

struct RoleView {
  std::string name;
  bool own = false;
  std::vector<Permission> permissions;
};
template <class V>
void fields(V& v, RoleView& x) {
  v("name", x.name);
  v("own", x.own);
  v("permissions", x.permissions);
}

struct RoleBody {
  std::vector<Permission> permissions;
  std::string reason;
};
template <class V>
void fields(V& v, RoleBody& x) {
  v("permissions", x.permissions);
  v.optional("reason", x.reason);
}

void list_roles(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  List<RoleView> list;
  for (const auto& [role, name] : enum_names(TenantRole())) {
    const auto& permissions = permissions_of(role);
    list.items.push_back({std::string(name), false, {permissions.begin(), permissions.end()}});
  }
  const auto tenant = snapshot->state.directory.tenants.find(call.tenant);
  if (tenant != snapshot->state.directory.tenants.end())
    for (const auto& [name, permissions] : tenant->second.roles)
      list.items.push_back({name, true, permissions});
  call.answer(200, json::encode_text(list));
}

void set_role(Api& api, Call call) {
  const auto body = body_of<RoleBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  if (body->permissions.empty())
    return call.refuse_all({{"permissions", "at least one is needed; DELETE removes the role"}});
  SetRole event{call.asked(body->reason), call.tenant, call.path.at("id"), body->permissions};
  api.change(std::move(call), "set_role", std::move(event));
}

void remove_role(Api& api, Call call) {
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  SetRole event{call.asked(body->reason), call.tenant, call.path.at("id"), {}};
  api.change(std::move(call), "remove_role", std::move(event));
}

}  // namespace

std::vector<Route> role_routes() {
  using P = Permission;
  return {{"GET",
           "/v1/roles",
           for_tenants(P::manage_users),
           Reach::fleet,
           list_roles,
           {"list_roles", "What your users may be, and what each may do", nullptr, gives<List<RoleView>>}},
          {"PUT",
           "/v1/roles/{id}",
           for_tenants(P::manage_users),
           Reach::fleet,
           set_role,
           {"set_role",
            "A role of your own: made, or changed for whoever has it",
            takes<RoleBody>,
            gives<OperationView>,
            200,
            {},
            {409}}},
          {"DELETE",
           "/v1/roles/{id}",
           for_tenants(P::manage_users),
           Reach::fleet,
           remove_role,
           {"remove_role",
            "Remove a role of your own that nobody has",
            takes<ReasonBody>,
            gives<OperationView>,
            200,
            {},
            {409}}}};
}

}  // namespace bascule::api
