// /v1/tenants and /v1/access: whose the machines are, and who of the provider is at work for whom, and why.
#include "api/body.h"
#include "api/routes.h"

namespace bascule::api {
namespace {

struct TenantBody {
  TenantId name;
  std::string reason;
};
template <class V>
void fields(V& v, TenantBody& x) {
  v("name", x.name);
  v.optional("reason", x.reason);
}

struct AccessBody {
  TenantId tenant;
  AccessCategory category = AccessCategory::incident;
  std::string reason;
  std::uint32_t minutes = 60;
  std::string ticket;
};
template <class V>
void fields(V& v, AccessBody& x) {
  v("tenant", x.tenant);
  v("category", x.category);
  v("reason", x.reason);
  v.optional("minutes", x.minutes);
  v.optional("ticket", x.ticket);
}

void list_tenants(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  std::vector<Tenant> all;
  for (const auto& [id, tenant] : snapshot->state.directory.tenants) all.push_back(tenant);
  answer_page(call, std::move(all), [](const Tenant& tenant) { return tenant.id.value; });
}

void create_tenant(Api& api, Call call) {
  const auto body = body_of<TenantBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  CreateTenant event{call.asked(body->reason), body->name};
  api.change(std::move(call), "create_tenant", std::move(event));
}

void list_access(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  std::vector<AccessSession> all;
  for (const auto& [id, access] : snapshot->state.directory.access)
    if (call.tenant.empty() || access.tenant == call.tenant) all.push_back(access);
  answer_page(call, std::move(all), [](const AccessSession& access) { return access.id.value; });
}

void open_access(Api& api, Call call) {
  const auto body = body_of<AccessBody>(call);
  if (!body || !accept_reason(call, body->reason, true)) return;
  OpenAccess event{call.asked(body->reason), body->tenant, body->category,
                   std::chrono::minutes(body->minutes), body->ticket};
  api.change(std::move(call), "open_access", std::move(event));
}

void end_access(Api& api, Call call) {
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  EndAccess event{call.asked(body->reason), AccessId(call.path.at("id"))};
  api.change(std::move(call), "end_access", std::move(event));
}

struct StaffView {
  OperatorId user;
  std::vector<Permission> permissions;
};
template <class V>
void fields(V& v, StaffView& x) {
  v("user", x.user);
  v("permissions", x.permissions);
}

void show_staff(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  StaffView view{call.by, {}};
  for (const auto& [permission, name] : enum_names(Permission()))
    if (has_permission(snapshot->state.directory, call.by, permission))
      view.permissions.push_back(permission);
  call.answer(200, json::encode_text(view));
}

}  // namespace

std::vector<Route> people_routes() {
  using P = Permission;
  return {{"GET", "/v1/staff/me", for_staff(P::see_fleet), Reach::fleet, show_staff},
          {"GET", "/v1/tenants", for_staff(P::manage_tenants), Reach::fleet, list_tenants},
          {"POST", "/v1/tenants", for_staff(P::manage_tenants), Reach::fleet, create_tenant},
          {"GET",
           "/v1/access",
           for_both(P::see_access, P::watch_access),
           Reach::fleet,
           list_access,
           {"list_access", "Who of the provider is at work in your scope, and why", nullptr,
            gives<List<AccessSession>>, 200, page_queries()}},
          {"POST", "/v1/access", for_staff(P::open_access), Reach::fleet, open_access},
          {"DELETE",
           "/v1/access/{id}",
           for_both(P::open_access, P::end_access),
           Reach::fleet,
           end_access,
           {"end_access", "Show one of the provider's people out", takes<ReasonBody>, gives<OperationView>}}};
}

}  // namespace bascule::api
