#include "failover/invariants.h"

#include <fmt/format.h>

#include <algorithm>

namespace bascule {
namespace {

struct Check {
  const State& before;
  const Outcome& outcome;
  std::vector<std::string> broken;

  void fail(const VmRecord& vm, std::string words) {
    broken.push_back(vm.spec.name + ": " + std::move(words));
  }
};

bool contains(const std::vector<Copy>& copies, const Copy& copy) {
  return std::find(copies.begin(), copies.end(), copy) != copies.end();
}

bool has_word(const VmRecord& vm, const Copy& copy, Generation generation) {
  return std::any_of(vm.words.begin(), vm.words.end(), [&](const HostWordEvidence& word) {
    return word.host == copy.host && word.vm == vm.spec.id && word.generation >= generation;
  });
}

bool shows_end(const Host& host, const Evidence& evidence, const Copy& copy) {
  if (const auto* power = std::get_if<PowerOffEvidence>(&evidence))
    return power->copy == copy && power->reads_apart >= 1s && host.record.bmc &&
           host.record.bmc->guid == power->bmc_guid;
  if (const auto* lease = std::get_if<LeaseLapsedEvidence>(&evidence))
    return lease->copy == copy && lease->lapse > Duration{0} && host.record.revoked == copy.boot_id &&
           !host.record.withheld && host.record.revoked_echo == lease->echoed_sequence;
  if (const auto* word = std::get_if<OperatorEvidence>(&evidence))
    return word->copy == copy && !word->serial.empty() && !word->operator_id.empty();
  return false;
}

// Did this copy of generation ≤ `generation` end, by what is stored after the step?
bool ended(const Check& check, const VmRecord& before, const VmRecord& after, const Copy& copy) {
  const Generation generation = before.placement.generation;
  if (has_word(after, copy, generation) || has_word(before, copy, generation)) return true;
  const auto host = check.outcome.next.hosts.find(copy.host);
  if (host == check.outcome.next.hosts.end()) return false;
  if (host->second.live.session && host->second.record.boot_id == copy.boot_id) return false;
  const auto& evidence = host->second.record.evidence;
  return std::any_of(evidence.begin(), evidence.end(),
                     [&](const Evidence& item) { return shows_end(host->second, item, copy); });
}

bool has_approved_plan(const State& state, const VmId& vm) {
  for (const auto& [id, plan] : state.plans) {
    const bool approved = plan.approved_by && !plan.approved_by->empty() && !plan.digest.empty();
    if (!approved || plan.phase != PlanPhase::running) continue;
    for (const PlanItem& item : plan.items)
      if (item.vm == vm && item.phase == PlanItemPhase::starting) return true;
  }
  return false;
}

void check_record(Check& check, const VmRecord& before, const VmRecord& after) {
  const Placement& was = before.placement;
  const Placement& is = after.placement;
  const bool adopting = check.before.cluster.recovering;
  if (is.generation < was.generation) check.fail(after, "its generation shrank");
  for (const Copy& copy : was.may_run)
    if (!contains(is.may_run, copy) && !ended(check, before, after, copy))
      check.fail(after, fmt::format("left {} (boot {}) without proof", copy.host.value, copy.boot_id.value));
  for (const Copy& copy : is.may_run)
    if (!contains(was.may_run, copy) && is.may_run.size() > 1 && !adopting)
      check.fail(after, fmt::format("joined {} while another copy may run", copy.host.value));
  const bool came_home = before.away && !after.away;
  if (came_home && !adopting && !has_approved_plan(check.outcome.next, after.spec.id))
    check.fail(after, "came home without an approved plan");
}

void check_start(Check& check, const SendCommand& command, const VmId& id) {
  const auto after = check.outcome.next.vms.find(id);
  if (after == check.outcome.next.vms.end()) {
    check.broken.push_back("a VM that doesn't exist was started: " + id.value);
    return;
  }
  const VmRecord& vm = after->second.record;
  if (!contains(vm.placement.may_run, command.to)) check.fail(vm, "started where it may not run");
  if (vm.placement.generation != command.generation) check.fail(vm, "started with another generation");
  const auto host = check.outcome.next.hosts.find(command.to.host);
  if (host == check.outcome.next.hosts.end())
    return check.fail(vm, "started on a host outside the inventory");
  if (host->second.record.quarantined) check.fail(vm, "started on a quarantined host");
  if (host->second.record.phase != HostPhase::up) check.fail(vm, "started on a host that is not up");
  if (check.outcome.next.cluster.recovering) check.fail(vm, "started in a recovering epoch");

  const auto found = check.before.vms.find(id);
  const VmRecord nothing;
  const VmRecord& before = found == check.before.vms.end() ? nothing : found->second.record;
  const bool again =
      before.placement.generation == command.generation && contains(before.placement.may_run, command.to);
  if (again) return;
  if (command.generation <= before.placement.generation) check.fail(vm, "started without a new generation");
  if (!check.outcome.touched.contains("vm/" + id.value)) check.fail(vm, "started without a commit");
  for (const Copy& copy : before.placement.may_run)
    if (!ended(check, before, vm, copy))
      check.fail(
          vm, fmt::format("started while it may run on {} (boot {})", copy.host.value, copy.boot_id.value));
}

void check_power(Check& check, const HostId& id, const char* what) {
  const auto host = check.outcome.next.hosts.find(id);
  if (host == check.outcome.next.hosts.end()) return;
  const HostPhase phase = host->second.record.phase;
  if (phase == HostPhase::fencing || phase == HostPhase::held || phase == HostPhase::down) return;
  const auto vms = check.outcome.next.vms_by_host.find(id);
  if (vms != check.outcome.next.vms_by_host.end() && !vms->second.empty())
    check.broken.push_back(
        fmt::format("{}: {} while VMs may run there and it is {}", id.value, what, name_of(phase)));
}

void check_withheld(Check& check, const RevokeLease& revoke) {
  const HostId& id = revoke.copy.host;
  const auto host = check.outcome.next.hosts.find(id);
  const bool stored = host != check.outcome.next.hosts.end() && host->second.record.withheld &&
                      host->second.record.revoked == revoke.copy.boot_id;
  if (!stored) check.broken.push_back(id.value + ": its lease was withheld without a stored decision");
}

void check_action(Check& check, const Action& action) {
  if (const auto* command = std::get_if<SendCommand>(&action)) {
    if (const auto* start = std::get_if<wire::StartVm>(&command->order))
      check_start(check, *command, start->spec.id);
  } else if (const auto* off = std::get_if<PowerOff>(&action)) {
    check_power(check, off->host, "its power was cut");
  } else if (const auto* revoke = std::get_if<RevokeLease>(&action)) {
    if (revoke->declared_lost)
      check_power(check, revoke->copy.host, "its lease was revoked");
    else
      check_withheld(check, *revoke);
  }
}

}  // namespace

std::vector<std::string> broken_invariants(const State& before, const Outcome& outcome) {
  Check check{before, outcome, {}};
  for (const std::string& key : outcome.touched) {
    if (!key.starts_with("vm/")) continue;
    const VmId id(key.substr(3));
    const auto was = before.vms.find(id);
    const auto is = outcome.next.vms.find(id);
    if (was == before.vms.end()) continue;
    if (is != outcome.next.vms.end())
      check_record(check, was->second.record, is->second.record);
    else if (!was->second.record.placement.may_run.empty())
      check.fail(was->second.record, "was deleted while it may run");
  }
  for (const Action& action : outcome.actions) check_action(check, action);
  if (outcome.touched.size() > 100)
    check.broken.push_back(fmt::format("{} records in one commit", outcome.touched.size()));
  return std::move(check.broken);
}

}  // namespace bascule
