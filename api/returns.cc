// /v1/returns: what a tenant sees of the way home of its machines, and says about it.
#include "api/body.h"
#include "api/routes.h"
#include "api/views.h"

namespace bascule::api {
namespace {

// A tenant's machine that is away, and a plan that would carry it home, if there is one.
struct ReturnProposal {
  PlanId plan;
  PlanPhase phase = PlanPhase::proposed;
  WallTime created;
  WallTime expires;
};
template <class V>
void fields(V& v, ReturnProposal& x) {
  v("plan", x.plan);
  v("phase", x.phase);
  v("created", x.created);
  v("expires", x.expires);
}
struct ReturnView {
  VmId id;
  std::string name;
  std::optional<SiteId> site;  // where it is
  SiteId home;
  std::optional<ReturnWish> wish;
  std::optional<ReturnProposal> proposal;
};
template <class V>
void fields(V& v, ReturnView& x) {
  v("id", x.id);
  v("name", x.name);
  v.optional("site", x.site);
  v("home", x.home);
  v.optional("wish", x.wish);
  v.optional("proposal", x.proposal);
}

struct ReturnBody {
  std::optional<WallTime> not_before;  // absent: at any time
  std::string reason;
};
template <class V>
void fields(V& v, ReturnBody& x) {
  v.optional("not_before", x.not_before);
  v.optional("reason", x.reason);
}

std::optional<ReturnProposal> proposal_of(const State& state, const VmId& vm) {
  for (const auto& [id, plan] : state.plans) {
    const bool open = plan.phase == PlanPhase::proposed || plan.phase == PlanPhase::approved ||
                      plan.phase == PlanPhase::running;
    for (const PlanItem& item : plan.items)
      if (open && item.vm == vm) return ReturnProposal{id, plan.phase, plan.created, plan.expires};
  }
  return std::nullopt;
}

void list_returns(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const State& state = snapshot->state;
  std::vector<ReturnView> all;
  for (const auto& [id, vm] : state.vms) {
    const VmRecord& record = vm.record;
    if (record.spec.tenant != call.tenant || !record.away) continue;
    const auto host = state.hosts.find(record.placement.owner.value_or(HostId()));
    ReturnView view{
        id, name_in_tenant(record.spec), {}, record.spec.home, record.return_wish, proposal_of(state, id)};
    if (host != state.hosts.end()) view.site = host->second.record.site;
    all.push_back(std::move(view));
  }
  answer_page(call, std::move(all), [](const ReturnView& view) { return view.id.value; });
}

void wish_return(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<ReturnBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  WishReturn event{call.asked(body->reason), vm->record.spec.id, body->not_before.value_or(WallTime())};
  api.change(std::move(call), "wish_return", std::move(event));
}

}  // namespace

std::vector<Route> return_routes() {
  using P = Permission;
  return {{"GET",
           "/v1/returns",
           for_tenants(P::see_machines),
           Reach::fleet,
           list_returns,
           {"list_returns", "Your machines that are away from home, and when they may come back", nullptr,
            gives<List<ReturnView>>, 200, page_queries()}},
          {"POST",
           "/v1/vms/{id}/return",
           for_tenants(P::run_machines),
           Reach::machine,
           wish_return,
           {"wish_return",
            "A machine that is away may come home at any time, or not before some moment within 31 days",
            takes<ReturnBody>,
            gives<OperationView>,
            200,
            {},
            {409}}}};
}

}  // namespace bascule::api
