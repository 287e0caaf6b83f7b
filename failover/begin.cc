// A State from stored records: what a new manager may still believe, and what must begin anew.
#include "failover/step.h"

namespace bascule {
namespace {

HostPhase phase_at_start(const HostRecord& record) {
  switch (record.phase) {
    case HostPhase::fencing:
      return HostPhase::fencing;
    case HostPhase::down:
      return HostPhase::down;
    case HostPhase::held:
      // What was being fenced is fenced again; what was only weighed is weighed anew.
      if (record.phase_reason == Reason::fencing_unavailable) return HostPhase::fencing;
      if (record.phase_reason == Reason::evidence_contradicted) return HostPhase::held;
      return HostPhase::absent;
    case HostPhase::absent:
    case HostPhase::up:
    case HostPhase::suspect:
      break;
  }
  return HostPhase::absent;
}

void add_hosts(State& state, const Records& records, const Inventory& inventory) {
  for (const Inventory::Entry& entry : inventory.hosts) {
    Host& host = state.hosts[entry.id];
    host.record.id = entry.id;
    host.record.site = entry.site;
    host.record.has_bmc = entry.has_bmc;
  }
  for (const HostRecord& record : records.hosts) {
    const auto found = state.hosts.find(record.id);
    // A host that left the inventory stays as long as the store names it: VMs may run there.
    Host& host = found == state.hosts.end() ? state.hosts[record.id] : found->second;
    const HostRecord configured = host.record;
    host.record = record;
    if (!configured.id.empty()) {
      host.record.site = configured.site;
      host.record.has_bmc = configured.has_bmc;
    } else {
      host.record.has_bmc = false;
    }
    host.record.phase = phase_at_start(record);
    host.live.last_heard = state.started;
    host.live.fenced_boot = record.boot_id;
    const bool recent = host.record.phase == HostPhase::fencing ||
                        (host.record.phase == HostPhase::down && host.record.incident);
    if (recent) state.fences.push_back(state.started);
  }
}

void add_vms(State& state, const Records& records) {
  for (const VmRecord& record : records.vms) {
    Vm& vm = state.vms[record.spec.id];
    vm.record = record;
    const bool waits = record.phase == VmPhase::recovering || record.phase == VmPhase::stopping ||
                       record.phase == VmPhase::deleting;
    if (waits) state.to_recover.insert({record.spec.priority, record.spec.name, record.spec.id});
  }
}

}  // namespace

void rebuild_indexes(State& state) {
  state.host_deadlines.clear();
  state.vm_deadlines.clear();
  state.vms_by_host.clear();
  state.vm_names.clear();
  for (auto& [id, host] : state.hosts) {
    host.live.committed_mib = 0;
    if (host.live.deadline) state.host_deadlines.insert({*host.live.deadline, id});
  }
  for (const auto& [id, vm] : state.vms) {
    const VmSpec& spec = vm.record.spec;
    state.vm_names[spec.name] = id;
    if (vm.live.deadline) state.vm_deadlines.insert({*vm.live.deadline, id});
    for (const Copy& copy : vm.record.placement.may_run) {
      if (!state.vms_by_host[copy.host].insert(id).second) continue;  // another boot of the same host
      const auto host = state.hosts.find(copy.host);
      if (host != state.hosts.end()) host->second.live.committed_mib += spec.memory_mib;
    }
  }
}

State begin(const Records& records, const Inventory& inventory, ManagerId manager, Instant now) {
  State state;
  state.cluster = records.cluster;
  state.manager = std::move(manager);
  state.started = now;
  state.last_step = now;
  state.next_tick = now;
  for (const Site& site : inventory.sites) state.sites[site.id] = site;
  state.directory.staff = inventory.staff;
  state.directory.staff_own = inventory.staff_own;
  for (const Tenant& tenant : records.tenants) state.directory.tenants.emplace(tenant.id, tenant);
  for (const TenantUser& user : records.users) state.directory.users.emplace(user.id, user);
  for (const TenantImage& image : records.images) state.directory.images.emplace(image.id, image);
  for (const Token& token : records.tokens) state.directory.tokens.emplace(token.id, token);
  // expire_access() ends them, said and audited: nobody knows for how long they would have run.
  for (const AccessSession& access : records.access) {
    state.directory.access.emplace(access.id, access);
    state.access_ends[access.id] = now;
  }
  add_hosts(state, records, inventory);
  add_vms(state, records);
  rebuild_indexes(state);
  // resume_plans() ends them at the first Tick, said and audited.
  for (const FailbackPlan& plan : records.plans) state.plans.emplace(plan.id, plan);
  for (const Incident& incident : records.incidents) {
    state.incidents.emplace(incident.id, incident);
    if (incident.closed) continue;
    IncidentLive& live = state.incident_live[incident.id];
    live.opened = now;
    live.digest_at = now + 60s;
    live.announced = incident.switched.size();
    live.pending.insert(incident.vms.begin(), incident.vms.end());
    for (const VmId& vm : incident.switched) live.pending.erase(vm);
  }
  return state;
}

}  // namespace bascule
