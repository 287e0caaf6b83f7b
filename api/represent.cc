#include "api/represent.h"

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

bool can_land(const State& state, const Host& host, const VmSpec& spec) {
  if (host.record.phase != HostPhase::up || !host.live.session || host.record.quarantined) return false;
  return used_of(state, host.record.id).memory_mib + spec.memory_mib <= host.record.capacity.memory_mib;
}

std::string landing_host(const State& state, const SiteId& not_here, const VmSpec& spec) {
  for (const auto& [id, host] : state.hosts)
    if (host.record.site != not_here && can_land(state, host, spec)) return id.value;
  return "";
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
  FencingView view;
  view.lease = policy.on_lease_loss == LeaseMode::stop && host.live.lease_armed;
  if (host.record.bmc) {
    view.bmc_guid = host.record.bmc->guid;
    view.drilled = host.record.bmc->drilled;
  }
  const std::string name = host.record.id.value;
  if (host.record.bmc && host.live.bmc_ok) {
    view.state = FencingState::ready;
    view.because =
        "its BMC answers, and ended a boot of this host on " + to_iso8601(host.record.bmc->drilled);
  } else if (view.lease) {
    view.state = FencingState::ready;
    view.because = "its guard, with an armed watchdog, stops the guests when the lease lapses";
  } else if (!host.record.has_bmc) {
    view.state = FencingState::failing;
    view.because = "it has no BMC, and no armed guard holds a stop grant";
  } else if (!host.record.bmc) {
    view.state = FencingState::never_tested;
    view.because = "no commissioning drill passed; while it runs no VM: bascule host drill " + name;
  } else {
    view.state = FencingState::failing;
    view.because = host.live.bmc_problem.empty() ? "its BMC was not checked yet"
                                                 : "its BMC fails: " + host.live.bmc_problem;
  }
  return view;
}

Answered switchable_now(const State& state, const Policy& policy, const Vm& vm) {
  const VmRecord& record = vm.record;
  if (!record.spec.protected_) return {false, "it is not protected"};
  if (!record.wanted_running) return {false, "it is not meant to run"};
  if (state.cluster.recovering) return {false, "the database was restored: hosts must report first"};
  if (record.phase == VmPhase::recovering) return {false, "it is being switched now"};
  if (record.phase == VmPhase::failed) return {false, "it has failed: see its explanation"};
  if (!record.placement.owner) return {false, "it is placed nowhere"};
  const auto owner = state.hosts.find(*record.placement.owner);
  if (owner == state.hosts.end())
    return {false, "its host " + record.placement.owner->value + " is not in the inventory"};
  const FencingView fencing = fencing_view(policy, owner->second);
  const std::string host = owner->first.value;
  if (fencing.state != FencingState::ready)
    return {false, host + " could not be proved dead: " + fencing.because};
  const std::string landing = landing_host(state, owner->second.record.site, record.spec);
  if (landing.empty()) return {false, "no host of another site can take its memory now"};
  return {true, host + " can be proved dead, and " + landing + " has room"};
}

HostView host_view(const State& state, const Policy& policy, const Host& host) {
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
  view.incident = record.incident;
  for (const auto& [id, vm] : state.vms) {
    if (placed_on(vm, record.id)) view.vms.push_back(vm.record.spec.name);
    bool may_run = false;
    for (const Copy& copy : vm.record.placement.may_run) may_run = may_run || copy.host == record.id;
    if (may_run && vm.record.wanted_running && vm.record.spec.protected_)
      view.would_start.push_back(vm.record.spec.name);
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
  view.switchable_now = switchable_now(state, policy, vm);
  view.may_run = record.placement.may_run;
  view.memory_mib = record.spec.memory_mib;
  view.vcpus = record.spec.vcpus;
  view.disks = record.spec.disks;
  view.nics = record.spec.nics;
  view.kernel = record.spec.kernel;
  view.priority = record.spec.priority;
  view.incident = record.incident;
  view.failback = record.failback;
  return view;
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

const Vm* find_vm(const State& state, const std::string& id_or_name) {
  const auto found = state.vms.find(VmId(id_or_name));
  if (found != state.vms.end()) return &found->second;
  for (const auto& [id, vm] : state.vms)
    if (vm.record.spec.name == id_or_name) return &vm;
  return nullptr;
}

}  // namespace bascule::api
