#include "api/represent.h"

#include "failover/access/needs.h"

namespace bascule::api {
namespace {

bool placed_on(const Vm& vm, const HostId& host) {
  return vm.record.placement.owner == host && vm.record.phase != VmPhase::stopped;
}

Used used_of(const State& state, const HostId& host) {
  Used used;
  for (const auto& [id, vm] : state.vms) {
    if (!placed_on(vm, host)) continue;
    used.memory_mib += vm.record.spec.memory_mib;
    used.vcpus += vm.record.spec.vcpus;
    ++used.vms;
  }
  return used;
}

std::optional<SiteId> site_of(const State& state, const std::optional<HostId>& host) {
  if (!host) return std::nullopt;
  const auto found = state.hosts.find(*host);
  if (found == state.hosts.end()) return std::nullopt;
  return found->second.record.site;
}

std::string state_words(const VmRecord& vm) {
  std::string words(name_of(vm.phase));
  if (vm.placement.owner) words += " on " + vm.placement.owner->value;
  if (vm.away) words += ", away from " + vm.spec.home.value + " until an approved failback";
  return words;
}

std::string state_words(const HostRecord& host) {
  std::string words(name_of(host.phase));
  if (host.quarantined) words += ", quarantined (" + std::string(name_of(host.quarantine_reason)) + ")";
  return words;
}

}  // namespace

FencingView fencing_view(const Policy& policy, const Host& host) {
  const FencingReadiness readiness = fencing_readiness(host, policy);
  FencingView view;
  view.state = readiness.state;
  view.because = readiness.words;
  view.lease = lease_counts(host, policy);
  view.power_on = host.live.bmc_power_on;
  if (host.record.bmc) {
    view.bmc_guid = host.record.bmc->guid;
    view.drilled = host.record.bmc->drilled;
  }
  return view;
}

Answered switchable_view(const State& state, const Policy& policy, const Vm& vm) {
  const Switchable switchable = switchable_now(state, vm, policy);
  const std::string_view opening = switchable.yes ? "yes: " : "no, because ";
  const std::string& words = switchable.words;
  return {switchable.yes, words.starts_with(opening) ? words.substr(opening.size()) : words};
}

HostView host_view(const State& state, const Policy& policy, const Host& host, const Principal& who) {
  const HostRecord& record = host.record;
  HostView view;
  view.id = record.id;
  view.name = record.id.value;
  view.site = record.site;
  view.phase = record.phase;
  view.reason = record.phase_reason;
  view.session = host.live.session;
  view.quarantined = record.quarantined;
  if (record.quarantined) view.quarantined_why = record.quarantine_reason;
  view.boot_id = record.boot_id;
  view.fencing = fencing_view(policy, host);
  view.guard = host.live.guard;
  view.capacity = record.capacity;
  view.used = used_of(state, record.id);
  view.drill = host.live.drill;
  view.faults = host.live.faults;
  if (host.live.storage) view.storage = host.live.storage->server;
  view.incident = record.incident;
  for (const auto& [id, vm] : state.vms) {
    const std::string& name = name_for(state, who, vm);
    if (placed_on(vm, record.id)) view.vms.push_back(name);
    bool may_run = false;
    for (const Copy& copy : vm.record.placement.may_run) may_run = may_run || copy.host == record.id;
    if (may_run && vm.record.wanted_running && vm.record.spec.protected_) view.would_start.push_back(name);
  }
  return view;
}

VmView vm_view(const State& state, const Policy& policy, const Vm& vm) {
  const VmRecord& record = vm.record;
  VmView view;
  view.id = record.spec.id;
  view.name = record.spec.name;
  view.state = record.phase;
  view.host = record.placement.owner;
  view.site = site_of(state, record.placement.owner);
  view.home = record.spec.home;
  view.reason = record.reason;
  view.explanation = record.explanation;
  view.generation = record.placement.generation;
  view.away = record.away;
  view.protected_ = record.spec.protected_;
  view.wanted_running = record.wanted_running;
  view.switchable_now = switchable_view(state, policy, vm);
  view.volumes = vm.live.volumes;
  view.complete_until = record.complete_until;
  view.lost = record.lost;
  view.may_run = record.placement.may_run;
  view.memory_mib = record.spec.memory_mib;
  view.vcpus = record.spec.vcpus;
  view.disks = record.spec.disks;
  view.nics = record.spec.nics;
  view.kernel = record.spec.kernel;
  view.priority = record.spec.priority;
  view.tenant = record.spec.tenant;
  view.delivered = record.delivered;
  view.broken_glass = record.broken_glass;
  view.keep = record.keep;
  view.incident = record.incident;
  view.failback = record.failback;
  view.return_wish = record.return_wish;
  return view;
}

const std::string& name_for(const State& state, const Principal& who, const Vm& vm) {
  return may_see(state, who, vm) ? vm.record.spec.name : vm.record.spec.id.value;
}

bool may_see(const State& state, const Principal& who, const Vm& vm) {
  return !why_denied(state.directory, who, Permission::see_machines, scope_of(vm));
}

VmView as_tenant_sees(VmView view, const VmSpec& spec) {
  view.name = name_in_tenant(spec);
  view.host.reset();
  view.may_run.clear();
  return view;
}

VmView without_contents(VmView view) {
  view.volumes.clear();
  view.disks.clear();
  view.nics.clear();
  view.kernel.reset();
  return view;
}

VmView without_names(VmView view) {
  view.name = view.id.value;
  view.explanation.clear();
  view.switchable_now.because.clear();
  view.return_wish.reset();
  view.broken_glass.clear();
  return without_contents(std::move(view));
}

ExplainView explain_host(const Policy& policy, const Host& host) {
  ExplainView view;
  view.subject = "host/" + host.record.id.value;
  view.name = host.record.id.value;
  view.state = state_words(host.record);
  view.reason = host.record.phase_reason;
  view.explanation = "fencing: " + fencing_view(policy, host).because;
  for (const Evidence& evidence : host.record.evidence) view.evidence.push_back({view.name, evidence});
  return view;
}

ExplainView explain_vm(const State& state, const Vm& vm) {
  const VmRecord& record = vm.record;
  ExplainView view;
  view.subject = "vm/" + record.spec.id.value;
  view.name = record.spec.name;
  view.state = state_words(record);
  view.reason = record.reason;
  view.explanation = record.explanation;
  for (const HostWordEvidence& word : record.words) view.evidence.push_back({word.host.value, word});
  for (const Copy& copy : record.placement.may_run) {
    const auto host = state.hosts.find(copy.host);
    if (host == state.hosts.end()) continue;
    for (const Evidence& evidence : host->second.record.evidence)
      view.evidence.push_back({copy.host.value, evidence});
  }
  return view;
}

const Vm* find_vm(const State& state, const std::string& id_or_name, const TenantId& tenant) {
  auto found = state.vms.find(VmId(id_or_name));
  const auto named = state.vm_names.find((tenant.empty() ? "" : tenant.value + "/") + id_or_name);
  if (found == state.vms.end() && named != state.vm_names.end()) found = state.vms.find(named->second);
  return found == state.vms.end() ? nullptr : &found->second;
}

}  // namespace bascule::api
