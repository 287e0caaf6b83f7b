#include "failover/epoch.h"

#include <algorithm>

namespace bascule {

void adopt_tombstones(Turn& turn, const Host& host, const std::vector<wire::Tombstone>& tombstones) {
  for (const wire::Tombstone& tombstone : tombstones) {
    Vm* vm = turn.find_vm(tombstone.vm);
    if (!vm || vm->record.placement.generation >= tombstone.generation) continue;
    vm->record.placement.generation = tombstone.generation;
    turn.touch(*vm);
    turn.log("adopt_generation", *vm, Reason::recovering_epoch, "its host had a higher one",
             {{"host", host.record.id.value}, {"generation", std::to_string(tombstone.generation.value)}});
  }
}

void end_recovering_epoch(Turn& turn) {
  State& state = turn.state;
  if (!state.cluster.recovering) return;
  const bool all = std::all_of(state.hosts.begin(), state.hosts.end(), [](const auto& entry) {
    const Host& host = entry.second;
    return host.live.session || host.record.phase == HostPhase::down;
  });
  if (!all) return;
  state.cluster.recovering = false;
  turn.touched.insert("cluster");
  turn.log("end_recovering", std::string("cluster"), Reason::recovering_epoch,
           "every host has reported or was attested");
  for (const auto& [id, vm] : state.vms)
    if (vm.record.phase == VmPhase::recovering || vm.record.phase == VmPhase::stopping)
      state.to_recover.insert({vm.record.spec.priority, vm.record.spec.name, id});
}

}  // namespace bascule
