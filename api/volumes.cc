// /v1/vms/{id}/snapshots and /v1/vms/{id}/grow: what is done to a VM's volumes. How they are: /v1/vms/{id}.
#include <utility>

#include "api/body.h"
#include "api/leave.h"
#include "api/routes.h"

namespace bascule::api {
namespace {

struct SnapshotBody {
  std::string name;
  std::string reason;
};
template <class V>
void fields(V& v, SnapshotBody& x) {
  v("name", x.name);
  v.optional("reason", x.reason);
}

struct GrowBody {
  wire::Grow grow;
  std::string reason;
};
template <class V>
void fields(V& v, GrowBody& x) {
  fields(v, x.grow);
  v.optional("reason", x.reason);
}

struct RollBackBody {
  std::string reason;
  std::optional<Grant> grant;  // signed by the tenant's key: its host may want one (hostd/custodian.h)
};
template <class V>
void fields(V& v, RollBackBody& x) {
  v.optional("reason", x.reason);
  v.optional("grant", x.grant);
}

void change(Api& api, Call call, const std::string& what, wire::VolumeChange change, std::string reason) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  ChangeVolumesAsked event{call.asked(std::move(reason)), vm->record.spec.id, std::move(change)};
  api.change(std::move(call), what, std::move(event));
}

void take_snapshot(Api& api, Call call) {
  auto body = body_of<SnapshotBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  if (!is_valid_name(body->name)) {
    const std::string problem = "must be letters, digits, '.', '_' and '-', and begin with a letter or digit";
    return call.refuse(ErrorCode::invalid, "name: " + problem, {{"name", problem}});
  }
  change(api, std::move(call), "take_snapshot", wire::TakeSnapshot{body->name}, body->reason);
}

// What can't be undone needs a reason.
void remove_snapshot(Api& api, Call call) {
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, true)) return;
  wire::RemoveSnapshot removal{call.path.at("snapshot")};
  change(api, std::move(call), "remove_snapshot", std::move(removal), body->reason);
}

void roll_back(Api& api, Call call) {
  const auto body = body_of<RollBackBody>(call);
  if (!body || !accept_reason(call, body->reason, true)) return;
  wire::RollBack back{call.path.at("snapshot"), call.by, body->grant};
  change(api, std::move(call), "roll_back", std::move(back), body->reason);
}

void roll_back_granted(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  const auto body = vm ? body_of<RollBackBody>(call) : std::nullopt;
  if (!body || !accept_reason(call, body->reason, true)) return;
  if (const std::string problem = problem_of(body->grant, call, vm->record.spec.id); !problem.empty())
    return call.refuse_all({{"grant", problem}});
  wire::RollBack back{call.path.at("snapshot"), call.by, body->grant};
  change(api, std::move(call), "roll_back", std::move(back), body->reason);
}

void grow(Api& api, Call call) {
  auto body = body_of<GrowBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  change(api, std::move(call), "grow", body->grow, body->reason);
}

}  // namespace

std::vector<Route> volume_routes() {
  using P = Permission;
  return {
      {"POST",
       "/v1/vms/{id}/snapshots",
       for_both(P::change_contents),
       Reach::machine,
       take_snapshot,
       {"take_snapshot",
        "A snapshot of all its volumes",
        takes<SnapshotBody>,
        gives<OperationView>,
        200,
        {},
        {409}}},
      {"DELETE",
       "/v1/vms/{id}/snapshots/{snapshot}",
       for_both(P::change_contents),
       Reach::machine,
       remove_snapshot,
       {"remove_snapshot",
        "Remove a snapshot; needs a reason",
        takes<ReasonBody>,
        gives<OperationView>,
        200,
        {},
        {409}}},
      {"POST",
       "/v1/vms/{id}/snapshots/{snapshot}/rollback",
       for_both(P::change_contents),
       Reach::machine,
       roll_back,
       {"roll_back",
        "Back to a snapshot, of a machine that is stopped; needs a reason",
        takes<RollBackBody>,
        gives<OperationView>,
        200,
        {},
        {409}}},
      {"POST", "/v1/vms/{id}/snapshots/{snapshot}/rollback/granted", for_staff(P::see_machines),
       Reach::machine, roll_back_granted},
      {"POST",
       "/v1/vms/{id}/grow",
       for_both(P::change_machines),
       Reach::machine,
       grow,
       {"grow_volume", "Make a volume larger", takes<GrowBody>, gives<OperationView>, 200, {}, {409, 422}}}};
}

}  // namespace bascule::api
