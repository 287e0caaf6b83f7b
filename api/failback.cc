// /v1/failback/plans: the only way home.
#include "api/body.h"
#include "api/represent.h"
#include "api/routes.h"

namespace bascule::api {
namespace {

struct PlanBody {
  std::vector<std::string> vms;  // ids or names; empty: all that are away
  std::string reason;
};
template <class V>
void fields(V& v, PlanBody& x) {
  v.optional("vms", x.vms);
  v.optional("reason", x.reason);
}

struct ApproveBody {
  std::string digest;
  std::string reason;
  WallTime not_before{};  // absent: at once
};
template <class V>
void fields(V& v, ApproveBody& x) {
  v("digest", x.digest);
  v.optional("reason", x.reason);
  v.optional("not_before", x.not_before);
}

const FailbackPlan* plan_of(const Call& call, const Snapshot& snapshot) {
  const auto found = snapshot.state.plans.find(PlanId(call.path.at("id")));
  if (found != snapshot.state.plans.end()) return &found->second;
  call.refuse(ErrorCode::not_found,
              "there is no failback plan " + call.path.at("id") + "; `bascule failback list` shows all");
  return nullptr;
}

// Of machines that the caller may not see, no names, nor words that may hold names; whoever decides about the
// way home reads why it is safe all the same.
FailbackPlan plan_for(const Call& call, const State& state, FailbackPlan plan) {
  const bool decides = has_permission(state.directory, call.who().id, Permission::decide_failback);
  for (PlanItem& item : plan.items) {
    const auto vm = state.vms.find(item.vm);
    if (vm != state.vms.end() && may_see(state, call.who(), vm->second)) continue;
    item.name = item.vm.value;
    item.despite.clear();
    if (!decides) item.why_safe.clear();
  }
  return plan;
}

void list_plans(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  List<FailbackPlan> list;
  for (const auto& [id, plan] : snapshot->state.plans)
    list.items.push_back(plan_for(call, snapshot->state, plan));
  call.answer(200, json::encode_text(list));
}

void show_plan(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const FailbackPlan* plan = plan_of(call, *snapshot);
  if (plan) call.answer(200, json::encode_text(plan_for(call, snapshot->state, *plan)));
}

void create_plan(Api& api, Call call) {
  const auto body = body_of<PlanBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  const SnapshotPointer snapshot = api.snapshot();
  PlanFailback event{call.asked(body->reason), {}};
  for (std::size_t i = 0; i < body->vms.size(); ++i) {
    const Vm* vm = find_vm(snapshot->state, body->vms[i]);
    if (!vm)
      return call.refuse(ErrorCode::not_found, "there is no VM " + body->vms[i],
                         {{"vms[" + std::to_string(i) + "]", "is not a VM"}});
    event.vms.push_back(vm->record.spec.id);
  }
  api.change(std::move(call), "plan_failback", std::move(event));
}

void approve_plan(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const FailbackPlan* plan = plan_of(call, *snapshot);
  if (!plan) return;
  const auto body = body_of<ApproveBody>(call);
  if (!body || !accept_reason(call, body->reason, true)) return;
  ApproveFailback event{call.asked(body->reason), plan->id, body->digest, body->not_before};
  api.change(std::move(call), "approve_failback", std::move(event));
}

void abort_plan(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const FailbackPlan* plan = plan_of(call, *snapshot);
  if (!plan) return;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, true)) return;
  AbortFailback event{call.asked(body->reason), plan->id};
  api.change(std::move(call), "abort_failback", std::move(event));
}

}  // namespace

std::vector<Route> failback_routes() {
  using P = Permission;
  return {
      {"GET", "/v1/failback/plans", for_staff(P::see_fleet), Reach::fleet, list_plans},
      {"POST", "/v1/failback/plans", for_staff(P::decide_failback), Reach::fleet, create_plan},
      {"GET", "/v1/failback/plans/{id}", for_staff(P::see_fleet), Reach::fleet, show_plan},
      {"POST", "/v1/failback/plans/{id}/approve", for_staff(P::decide_failback), Reach::fleet, approve_plan},
      {"POST", "/v1/failback/plans/{id}/abort", for_staff(P::decide_failback), Reach::fleet, abort_plan}};
}

}  // namespace bascule::api
