// One run: begin, faults, repair, calm, and the question whether all converged.
#include "tests/sim/faults.h"
#include "tests/sim/operators.h"
#include "tests/sim/world.h"

namespace bascule::sim {
namespace {
constexpr Duration kCalm = 30min;  // after the repair, until which everything must have settled
constexpr Duration kRest = 10min;  // at its end: operators ask for nothing that would take until later
}  // namespace

std::vector<std::string> World::run() {
  Faults faults(*this);
  Operators operators(*this);
  start_manager();
  for (auto& [id, host] : hosts_) host->boot();
  operators.begin();
  faults.plan();
  while (breaches_.empty() && timeline_.advance(Instant{options_.length})) {
  }
  if (!breaches_.empty()) return breaches_;

  trace("repair");
  settled_ = true;
  faults.repair();
  const Instant end = now() + kCalm;
  operators.rest_from(end - kRest);
  for (int round = 1; round <= 20; ++round)
    after(round * 60s, [this, &faults, &operators] {
      faults.repair();
      operators.tidy_up();
    });
  while (breaches_.empty() && timeline_.advance(end)) {
  }
  faults_ = faults.struck();
  if (breaches_.empty()) check_converged();
  return breaches_;
}

// After the calm every protected VM that should run does, exactly once, and the manager knows where.
void World::check_converged() {
  if (!options_.noise && faults_ < static_cast<std::uint64_t>(options_.faults))
    breach("only " + std::to_string(faults_) + " faults hit");
  if (!manager_ || !manager_->leading()) return breach("no manager leads after the calm");
  std::map<VmId, HostId> running;
  for (const auto& [id, host] : hosts_)
    for (const auto& [vm, guest] : host->guests())
      if (guest.running) running[vm] = id;
  for (const auto& [id, vm] : manager_->state().vms) {
    const VmRecord& record = vm.record;
    if (!record.wanted_running) continue;
    if (options_.noise && record.placement.generation > Generation(1))
      breach(record.spec.name + " was started more than once");
    const std::string name = record.spec.name;
    if (record.phase != VmPhase::running)
      breach(name + " is " + std::string(name_of(record.phase)) +
             " after the calm: " + std::string(name_of(record.reason)) + ", " + record.explanation);
    else if (!running.contains(id))
      breach(name + " counts as running but doesn't");
    else if (record.placement.owner != running[id])
      breach(name + " runs elsewhere than the manager knows");
  }
  if (options_.noise && (fences_ > host_ids_.size() || moves_ > 0))  // the drills are fences too
    breach("noise led to " + std::to_string(fences_ - host_ids_.size()) + " fences and " +
           std::to_string(moves_) + " moves");
}

}  // namespace bascule::sim
