// /v1/vms: the machines that are kept running.
#include <set>

#include "api/body.h"
#include "api/represent.h"
#include "api/routes.h"

namespace bascule::api {
namespace {

// A VmSpec and whether to start it at once, in one object.
struct CreateBody {
  VmSpec spec;
  bool start = true;
  std::string reason;
};
template <class V>
void fields(V& v, CreateBody& x) {
  fields(v, x.spec);
  v.optional("start", x.start);
  v.optional("reason", x.reason);
}

std::vector<FieldProblem> problems_of_request(const VmSpec& spec, const State& state) {
  std::vector<FieldProblem> problems;
  for (const std::string& problem : problems_of(spec)) {
    const std::size_t colon = problem.find(": ");
    problems.push_back({problem.substr(0, colon), problem.substr(colon + 2)});
  }
  if (!state.sites.contains(spec.home)) {
    std::string sites;
    for (const auto& [id, site] : state.sites) sites += (sites.empty() ? "" : ", ") + id.value;
    problems.push_back({"home", "must be one of the sites: " + sites});
  }
  return problems;
}

// A MAC of the range that QEMU's guests use; kept with the specification, so that it is stable over every
// move.
std::string make_mac(const std::string& uuid, const std::set<std::string>& taken) {
  // The last 12 digits of a version 4 UUID are random.
  const std::string digits = uuid.substr(uuid.size() - 12);
  for (std::size_t i = 0; i + 6 <= digits.size(); ++i) {
    std::string mac = "52:54:00";
    for (std::size_t j = 0; j < 6; j += 2) mac += ":" + digits.substr(i + j, 2);
    if (!taken.contains(mac)) return mac;
  }
  return "";
}

std::set<std::string> macs_of(const State& state) {
  std::set<std::string> macs;
  for (const auto& [id, vm] : state.vms)
    for (const Nic& nic : vm.record.spec.nics) macs.insert(nic.mac);
  return macs;
}

void list_vms(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  std::map<std::string, const Vm*> by_name;
  for (const auto& [id, vm] : snapshot->state.vms) by_name[vm.record.spec.name] = &vm;
  List<VmView> list;
  for (const auto& [name, vm] : by_name) {
    VmView view = vm_view(snapshot->state, snapshot->policy, *vm);
    if (!may_see(snapshot->state, call.by, *vm)) view = without_names(std::move(view));
    list.items.push_back(std::move(view));
  }
  call.answer(200, json::encode_text(list));
}

void show_vm(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (vm) call.answer(200, json::encode_text(vm_view(snapshot->state, snapshot->policy, *vm)));
}

void create_vm(Api& api, Call call) {
  auto body = body_of<CreateBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  const SnapshotPointer snapshot = api.snapshot();
  VmSpec& spec = body->spec;
  if (spec.id.empty()) spec.id = VmId(api.new_uuid());
  std::set<std::string> taken = macs_of(snapshot->state);
  for (Nic& nic : spec.nics) {
    if (nic.mac.empty()) nic.mac = make_mac(api.new_uuid(), taken);
    taken.insert(nic.mac);
  }
  auto problems = problems_of_request(spec, snapshot->state);
  if (!problems.empty()) {
    std::string message;
    for (const auto& [path, problem] : problems)
      message += (message.empty() ? "" : "; ") + path + ": " + problem;
    return call.refuse(ErrorCode::invalid, message, std::move(problems));
  }
  CreateVm event{{call.id, call.by, body->reason}, spec, body->start};
  api.change(std::move(call), "create_vm", std::move(event));
}

void start_vm(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  StartVmAsked event{{call.id, call.by, body->reason}, vm->record.spec.id};
  api.change(std::move(call), "start_vm", std::move(event));
}

void stop_or_kill(Api& api, Call call, wire::StopHow how) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const bool kill = how == wire::StopHow::kill;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, kill)) return;
  StopVmAsked event{{call.id, call.by, body->reason}, vm->record.spec.id, how};
  api.change(std::move(call), kill ? "kill_vm" : "stop_vm", std::move(event));
}

void stop_vm(Api& api, Call call) { stop_or_kill(api, std::move(call), wire::StopHow::shutdown); }
void kill_vm(Api& api, Call call) { stop_or_kill(api, std::move(call), wire::StopHow::kill); }

void delete_vm(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  DeleteVm event{{call.id, call.by, body->reason}, vm->record.spec.id};
  api.change(std::move(call), "delete_vm", std::move(event));
}

}  // namespace

const Vm* vm_of(const Call& call, const Snapshot& snapshot) {
  const std::string& name = call.path.at("id");
  const Vm* vm = find_vm(snapshot.state, name);
  if (!vm) call.refuse(ErrorCode::not_found, "there is no VM " + name + "; `bascule vm list` shows all");
  return vm;
}

std::vector<Route> vm_routes() {
  using P = Permission;
  return {{"GET", "/v1/vms", P::see_fleet, Reach::fleet, list_vms},
          {"POST", "/v1/vms", P::change_machines, Reach::fleet, create_vm},
          {"GET", "/v1/vms/{id}", P::see_machines, Reach::machine, show_vm},
          {"DELETE", "/v1/vms/{id}", P::change_contents, Reach::machine, delete_vm},
          {"POST", "/v1/vms/{id}/start", P::run_machines, Reach::machine, start_vm},
          {"POST", "/v1/vms/{id}/stop", P::run_machines, Reach::machine, stop_vm},
          {"POST", "/v1/vms/{id}/kill", P::run_machines, Reach::machine, kill_vm}};
}

}  // namespace bascule::api
