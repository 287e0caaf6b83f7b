// A small cluster for the API's tests: two sites, a host each, one VM at paris.
#pragma once

#include "cluster/snapshot.h"
#include "failover/state.h"

namespace bascule {

inline Host example_host(const std::string& name, const std::string& site) {
  Host host;
  host.record.id = HostId(name);
  host.record.site = SiteId(site);
  host.record.phase = HostPhase::up;
  host.record.boot_id = BootId("11111111-2222-4333-8444-555555555555");
  host.record.has_bmc = true;
  host.record.bmc = BmcBinding{"guid-of-" + name, WallTime{1764000000000}};
  host.record.capacity = {1024, 8};
  host.live.session = true;
  host.live.bmc_ok = true;
  return host;
}

inline Vm example_vm(const std::string& name, const std::string& host) {
  Vm vm;
  vm.record.spec.id = VmId("aaaaaaaa-0000-4000-8000-00000000000" + name.substr(name.size() - 1));
  vm.record.spec.name = name;
  vm.record.spec.home = SiteId("paris");
  vm.record.spec.memory_mib = 256;
  vm.record.phase = VmPhase::running;
  vm.record.placement.owner = HostId(host);
  vm.record.placement.generation = Generation(1);
  vm.record.placement.may_run = {{HostId(host), BootId("11111111-2222-4333-8444-555555555555")}};
  return vm;
}

inline Snapshot example_snapshot() {
  Snapshot snapshot;
  State& state = snapshot.state;
  state.cluster.cluster = ClusterId("demo");
  state.cluster.epoch = {"e1", EpochNumber(1)};
  state.cluster.term = Term(3);
  for (const char* name : {"alice", "bob", "carol"})
    state.directory.staff[OperatorId(name)] = {StaffRole::administrator, StaffRole::security_officer};
  for (const char* site : {"paris", "lyon"}) state.sites[SiteId(site)] = {SiteId(site), false};
  state.hosts[HostId("paris-1")] = example_host("paris-1", "paris");
  state.hosts[HostId("lyon-1")] = example_host("lyon-1", "lyon");
  const Vm vm = example_vm("web-1", "paris-1");
  state.vms[vm.record.spec.id] = vm;
  rebuild_indexes(state);
  return snapshot;
}

}  // namespace bascule
