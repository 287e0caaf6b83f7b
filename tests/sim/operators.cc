#include "tests/sim/operators.h"

namespace bascule::sim {

Asked Operators::asked() {
  return {RequestId("r" + std::to_string(++requests_)), OperatorId("alice"), "as the simulated day demands"};
}

void Operators::ask(EventBody body) {
  if (world_.manager() != nullptr) world_.manager()->post(std::move(body));
}

void Operators::begin() {
  Duration at = 8s;
  for (const HostId& host : world_.host_ids()) {
    world_.after(at, [this, host] { drill(host); });
    at += 1s;
  }
  for (int n = 1; n <= world_.options().vms; ++n) world_.after(70s + n * 500ms, [this, n] { create(n); });
  world_.after(150s, [this] { look_in(); });
}

void Operators::drill(const HostId& host) { ask(DrillHost{asked(), host}); }

void Operators::create(int number) {
  VmSpec spec;
  char id[40];
  std::snprintf(id, sizeof id, "00000000-0000-4000-8000-%012d", number);
  spec.id = VmId(id);
  spec.name = "vm-" + std::to_string(number);
  spec.home = SiteId(number % 3 == 0 ? "lyon" : "paris");
  spec.memory_mib = 512;
  spec.priority = 100 + number % 2;
  ask(CreateVm{asked(), spec, true});
}

void Operators::look_in() {
  if (rest_ && world_.now() >= *rest_) return;
  if (world_.manager() != nullptr) {
    const std::uint64_t dice = world_.random().below(10);
    if (dice < 3) fail_back();
    if (dice == 3) tidy_up();
    if (dice == 4) attest_if_dead(world_.random().pick(world_.host_ids()));
  }
  world_.after(world_.random().between(30s, 300s), [this] { look_in(); });
}

void Operators::tidy_up() {
  if (world_.manager() == nullptr) return;
  std::vector<HostId> quarantined;
  for (const auto& [id, host] : world_.manager()->state().hosts)
    if (host.record.quarantined && host.live.session) quarantined.push_back(id);
  for (const HostId& id : quarantined) ask(ClearHost{asked(), id});
  for (const HostId& id : world_.host_ids()) attest_if_dead(id);
  if (world_.manager() == nullptr) return;
  std::vector<VmId> failed;
  for (const auto& [id, vm] : world_.manager()->state().vms)
    if (vm.record.phase == VmPhase::failed) failed.push_back(id);
  for (const VmId& vm : failed) ask(StartVmAsked{asked(), vm});
}

void Operators::attest_if_dead(const HostId& id) {
  const auto& hosts = world_.manager()->state().hosts;
  const auto found = hosts.find(id);
  if (found == hosts.end() || found->second.record.phase != HostPhase::held || !found->second.record.boot_id)
    return;
  const BootId boot = *found->second.record.boot_id;
  const Host& truth = world_.host(id);
  if (truth.alive() && truth.boot_id() == boot) return;  // it lives: an honest operator says nothing
  ask(AttestDown{asked(), id, "SN-" + id.value, boot, OperatorId("bob")});
}

void Operators::fail_back() {
  ask(PlanFailback{asked(), {}});
  // The plan stands in the state once it was stored.
  world_.after(2s, [this] {
    if (world_.manager() == nullptr) return;
    const auto& plans = world_.manager()->state().plans;
    if (plans.empty()) return;
    const FailbackPlan plan = plans.rbegin()->second;
    if (plan.phase != PlanPhase::proposed) return;
    const std::uint64_t dice = world_.random().below(4);
    const WallTime later{world_.timeline().wall().unix_ms + 90'000};
    ask(ApproveFailback{asked(), plan.id, plan.digest, dice == 0 ? later : WallTime()});
    // Now and then they think better of it, in the midst of it or before.
    if (dice == 1) ask(AbortFailback{asked(), plan.id});
    if (dice == 0 && world_.random().below(2) == 0)
      world_.after(100s, [this, id = plan.id] { ask(AbortFailback{asked(), id}); });
  });
}

}  // namespace bascule::sim
