// /v1/vms: the machines that are kept running.
#include <set>

#include "api/addresses.h"
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

VmView view_for(const Call& call, const Snapshot& snapshot, const Vm& vm) {
  VmView view = vm_view(snapshot.state, snapshot.policy, vm);
  if (!call.tenant.empty()) return as_tenant_sees(std::move(view), vm.record.spec);
  return may_see(snapshot.state, call.who(), vm) ? view : without_names(std::move(view));
}

// Where a page begins in the order of names, which the provider's staff may not know: theirs go on from an
// id. Nothing, and the call is refused, when there is no machine of that id any more.
std::optional<std::map<std::string, VmId>::const_iterator> begin_of_page(const Call& call,
                                                                         const State& state) {
  const std::string prefix = call.tenant.empty() ? "" : call.tenant.value + "/";
  const auto after = call.query.find("after");
  if (after == call.query.end()) return state.vm_names.lower_bound(prefix);
  if (!call.tenant.empty()) return state.vm_names.upper_bound(prefix + after->second);
  const auto vm = state.vms.find(VmId(after->second));
  if (vm != state.vms.end()) return state.vm_names.upper_bound(vm->second.record.spec.name);
  call.refuse(ErrorCode::invalid, "after: that machine is gone, or it is no `next` of a page: begin anew",
              {{"after", "is no machine"}});
  return std::nullopt;
}

void list_vms(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const auto limit = page_limit(call);
  if (!limit) return;
  const std::string prefix = call.tenant.empty() ? "" : call.tenant.value + "/";
  const auto& names = snapshot->state.vm_names;
  const auto begin = begin_of_page(call, snapshot->state);
  if (!begin) return;
  auto named = *begin;
  List<VmView> list;
  for (; named != names.end() && named->first.starts_with(prefix); ++named) {
    if (list.items.size() >= *limit) {
      if (!list.items.empty())
        list.next = call.tenant.empty() ? list.items.back().id.value : list.items.back().name;
      break;
    }
    const Vm& vm = snapshot->state.vms.at(named->second);
    VmView view = view_for(call, *snapshot, vm);
    // What somebody of the provider looks at of a tenant's machine is its page: that is noted.
    if (call.tenant.empty() && !vm.record.spec.tenant.empty()) view = without_contents(std::move(view));
    list.items.push_back(std::move(view));
  }
  call.answer(200, json::encode_text(list));
}

void show_vm(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  call.headers["etag"] = "\"" + settings_tag(vm->record) + "\"";
  call.answer(200, json::encode_text(view_for(call, *snapshot, *vm)));
}

void create_vm(Api& api, Call call) {
  if (!call.tenant.empty()) return create_own_vm(api, std::move(call));
  auto body = body_of<CreateBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  const SnapshotPointer snapshot = api.snapshot();
  VmSpec& spec = body->spec;
  if (spec.id.empty()) spec.id = VmId(api.new_uuid());
  if (!spec.tenant.empty()) spec.name = spec.tenant.value + "/" + spec.name;
  std::set<std::string> taken = macs_of(snapshot->state);
  for (Nic& nic : spec.nics) {
    if (nic.mac.empty()) nic.mac = make_mac(api.new_uuid(), spec.tenant, taken);
    taken.insert(nic.mac);
  }
  auto problems = problems_of_request(spec, snapshot->state);
  if (!problems.empty()) return call.refuse_all(std::move(problems));
  CreateVm event{call.asked(body->reason), spec, body->start};
  api.change(std::move(call), "create_vm", std::move(event));
}

struct ChangeVmBody {
  std::optional<std::string> name;
  std::optional<std::uint32_t> memory_mib;
  std::optional<std::uint32_t> vcpus;
  std::optional<bool> keep;
  std::optional<std::string> iso;  // of your own images; empty: none is in its drive
  std::string reason;
};
template <class V>
void fields(V& v, ChangeVmBody& x) {
  v.optional("name", x.name);
  v.optional("memory_mib", x.memory_mib);
  v.optional("vcpus", x.vcpus);
  v.optional("keep", x.keep);
  v.optional("iso", x.iso);
  v.optional("reason", x.reason);
}

void change_vm(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<ChangeVmBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  ChangeVm event{call.asked(body->reason),
                 vm->record.spec.id,
                 body->name,
                 body->memory_mib,
                 body->vcpus,
                 body->keep,
                 body->iso};
  api.change(std::move(call), "change_vm", std::move(event));
}

void accept_delivery(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  AcceptDelivery event{call.asked(body->reason), vm->record.spec.id};
  api.change(std::move(call), "accept_delivery", std::move(event));
}

void start_vm(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  StartVmAsked event{call.asked(body->reason), vm->record.spec.id};
  api.change(std::move(call), "start_vm", std::move(event));
}

void stop_or_kill(Api& api, Call call, wire::StopHow how) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const bool kill = how == wire::StopHow::kill;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, kill)) return;
  StopVmAsked event{call.asked(body->reason), vm->record.spec.id, how};
  api.change(std::move(call), kill ? "kill_vm" : "stop_vm", std::move(event));
}

struct RebootBody {
  bool hard = false;  // its power is cut, whatever its guest does
  std::string reason;
};
template <class V>
void fields(V& v, RebootBody& x) {
  v.optional("hard", x.hard);
  v.optional("reason", x.reason);
}

void reboot_vm(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<RebootBody>(call);
  if (!body || !accept_reason(call, body->reason, body->hard)) return;
  const auto how = body->hard ? wire::StopHow::kill : wire::StopHow::shutdown;
  StopVmAsked event{call.asked(body->reason), vm->record.spec.id, how, true};
  api.change(std::move(call), "reboot_vm", std::move(event));
}

void stop_vm(Api& api, Call call) { stop_or_kill(api, std::move(call), wire::StopHow::shutdown); }
void kill_vm(Api& api, Call call) { stop_or_kill(api, std::move(call), wire::StopHow::kill); }

void delete_vm(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (!vm) return;
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  DeleteVm event{call.asked(body->reason), vm->record.spec.id};
  api.change(std::move(call), "delete_vm", std::move(event));
}

std::vector<Route> running_routes() {
  using P = Permission;
  return {
      {"POST",
       "/v1/vms/{id}/accept",
       for_tenants(P::accept_delivery),
       Reach::machine,
       accept_delivery,
       {"accept_vm", "Accept its delivery: from then on the provider stays outside", takes<ReasonBody>,
        gives<OperationView>}},
      {"POST",
       "/v1/vms/{id}/start",
       for_both(P::run_machines),
       Reach::machine,
       start_vm,
       {"start_vm", "Start it", takes<ReasonBody>, gives<OperationView>, 200, {}, {409}}},
      {"POST",
       "/v1/vms/{id}/stop",
       for_both(P::run_machines),
       Reach::machine,
       stop_vm,
       {"stop_vm", "Ask its guest to shut down", takes<ReasonBody>, gives<OperationView>, 200, {}, {409}}},
      {"POST",
       "/v1/vms/{id}/reboot",
       for_both(P::run_machines),
       Reach::machine,
       reboot_vm,
       {"reboot_vm",
        "Shut it down and start it again; `hard` cuts its power and needs a reason",
        takes<RebootBody>,
        gives<OperationView>,
        200,
        {},
        {409}}},
      {"POST",
       "/v1/vms/{id}/kill",
       for_both(P::run_machines),
       Reach::machine,
       kill_vm,
       {"kill_vm",
        "Cut its power; needs a reason",
        takes<ReasonBody>,
        gives<OperationView>,
        200,
        {},
        {409}}}};
}

}  // namespace

const Vm* vm_of(const Call& call, const Snapshot& snapshot) {
  const std::string& name = call.path.at("id");
  const Vm* vm = find_vm(snapshot.state, name, call.tenant);
  if (!vm) call.refuse(ErrorCode::not_found, "there is no VM " + name + "; `bascule vm list` shows all");
  return vm;
}

std::vector<Route> vm_routes() {
  using P = Permission;
  std::vector<Route> routes{
      {"GET",
       "/v1/vms",
       for_both(P::see_fleet, P::see_machines),
       Reach::fleet,
       list_vms,
       {"list_vms", "Machines, by name", nullptr, gives<List<VmView>>, 200, page_queries()}},
      {"POST",
       "/v1/vms",
       for_both(P::change_machines),
       Reach::fleet,
       create_vm,
       {"create_vm", "Make a machine", takes<Wish>, gives<OperationView>, 200, {}, {409, 422}}},
      {"GET",
       "/v1/vms/{id}",
       for_both(P::see_machines),
       Reach::machine,
       show_vm,
       {"show_vm", "One machine, by its id or its name", nullptr, gives<VmView>}},
      {"PUT",
       "/v1/vms/{id}",
       for_both(P::change_machines),
       Reach::machine,
       change_vm,
       {"change_vm",
        "Another name or size, of a machine that is stopped; or whether it may be deleted",
        takes<ChangeVmBody>,
        gives<OperationView>,
        200,
        {},
        {409, 422}}},
      {"DELETE",
       "/v1/vms/{id}",
       for_both(P::change_contents),
       Reach::machine,
       delete_vm,
       {"delete_vm",
        "Delete a machine that is stopped, and its volumes",
        takes<ReasonBody>,
        gives<OperationView>,
        200,
        {},
        {409}}}};
  const std::vector<Route> running = running_routes();
  routes.insert(routes.end(), running.begin(), running.end());
  return routes;
}

}  // namespace bascule::api
