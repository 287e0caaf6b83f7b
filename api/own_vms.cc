// What tenants make machines of, and how much: /v1/quota, and POST /v1/vms as they ask for it.
#include <fmt/format.h>

#include "api/body.h"
#include "api/offer.h"
#include "api/routes.h"
#include "failover/access/quota.h"

namespace bascule::api {
namespace {

constexpr std::uint64_t kWarnPercent = 80;

struct QuotaView {
  std::optional<Quota> limits;  // absent: none was given, and nothing can be made
  Quota used;
  std::vector<std::string> warnings;
};
template <class V>
void fields(V& v, QuotaView& x) {
  v.optional("limits", x.limits);
  v("used", x.used);
  v("warnings", x.warnings);
}

struct QuotaBody {
  Quota quota;
  std::string reason;
};
template <class V>
void fields(V& v, QuotaBody& x) {
  fields(v, x.quota);
  v.optional("reason", x.reason);
}

std::vector<std::string> warnings_of(const Quota& used, const Quota& limits) {
  std::vector<std::string> warnings;
  const auto look = [&](const char* what, std::uint64_t has, std::uint64_t most) {
    if (most > 0 && has * 100 >= most * kWarnPercent)
      warnings.push_back(fmt::format("{} % of the {} are used", has * 100 / most, what));
  };
  look("machines", used.vms, limits.vms);
  look("memory", used.memory_mib, limits.memory_mib);
  look("processors", used.vcpus, limits.vcpus);
  look("storage", used.storage_mib, limits.storage_mib);
  return warnings;
}

void show_quota(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const auto tenant = snapshot->state.directory.tenants.find(call.tenant);
  QuotaView view;
  if (tenant != snapshot->state.directory.tenants.end()) view.limits = tenant->second.quota;
  view.used = used_by(snapshot->state, call.tenant);
  if (view.limits) view.warnings = warnings_of(view.used, *view.limits);
  call.answer(200, json::encode_text(view));
}

void set_quota_of(Api& api, Call call) {
  const auto body = body_of<QuotaBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  SetQuota event{call.asked(body->reason), TenantId(call.path.at("id")), body->quota};
  api.change(std::move(call), "set_quota", std::move(event));
}

}  // namespace

void create_own_vm(Api& api, Call call) {
  const auto wish = body_of<Wish>(call);
  if (!wish || !accept_reason(call, wish->reason, false)) return;
  if (api.offer().pool.empty())
    return call.refuse(ErrorCode::policy,
                       "your provider offers no storage for machines that you make yourselves");
  const SnapshotPointer snapshot = api.snapshot();
  const VmId id(api.new_uuid());
  std::vector<FieldProblem> problems;
  const auto spec = api.with_random([&](Random& random) {
    return spec_of(*wish, id, call.tenant, api.offer(), snapshot->state, random, problems);
  });
  if (!spec) return call.refuse_all(std::move(problems));
  CreateVm event{call.asked(wish->reason), *spec, wish->start};
  api.change(std::move(call), "create_vm", std::move(event));
}

std::vector<Route> own_vm_routes() {
  using P = Permission;
  return {{"GET",
           "/v1/quota",
           for_tenants(P::see_machines),
           Reach::fleet,
           show_quota,
           {"show_quota", "What your machines have together, and may have", nullptr, gives<QuotaView>}},
          {"PUT", "/v1/tenants/{id}/quota", for_staff(P::manage_tenants), Reach::fleet, set_quota_of}};
}

}  // namespace bascule::api
