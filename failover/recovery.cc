#include "failover/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "failover/failback.h"
#include "failover/incidents.h"
#include "failover/placement.h"
#include "failover/vm_life.h"
#include "failover/volumes.h"

namespace bascule {
namespace {

constexpr Duration kTryAgain = 15s;

// Where it ran last, for a notice.
std::string last_host(const Vm& vm) {
  return vm.record.placement.owner ? vm.record.placement.owner->value : "no host";
}

// Asks each host that can answer for the copies that have no receipt yet.
void ask_for_words(Turn& turn, Vm& vm) {
  for (const Copy& copy : vm.record.placement.may_run) {
    if (mint_receipt(turn.state, vm.record.spec.id, copy, turn.now, turn.policy)) continue;
    const Host* host = turn.find_host(copy.host);
    if (!host || !host->live.session || !host->record.boot_id) continue;
    if (host->record.phase == HostPhase::fencing && host->record.boot_id == copy.boot_id) continue;
    const Copy to{copy.host, *host->record.boot_id};
    const auto pending = vm.live.action ? turn.state.pending.find(*vm.live.action) : turn.state.pending.end();
    if (pending != turn.state.pending.end() && pending->second.to == to) {
      // A guest that was asked to shut down gets its grace; a word that was asked for is awaited.
      if (pending->second.kind == CommandKind::stop) return;
      const bool same = pending->second.generation == vm.record.placement.generation;
      if (pending->second.kind == CommandKind::forbid && same) return;
    }
    turn.command(vm, CommandKind::forbid, to, vm.record.placement.generation);
    return;  // one outstanding command; the next copy is asked when this one answered
  }
}

Result<StartElsewhere> prove(const Turn& turn, const Vm& vm) {
  std::vector<Receipt> receipts;
  for (const Copy& copy : vm.record.placement.may_run) {
    Result<Receipt> receipt = mint_receipt(turn.state, vm.record.spec.id, copy, turn.now, turn.policy);
    if (!receipt) return failure(receipt.error());
    receipts.push_back(std::move(*receipt));
  }
  return StartElsewhere::prove(turn.state, vm.record.spec.id, std::move(receipts));
}

// The landing sites in order. What is away never lands at home: only an approved plan brings it there. What
// could not be brought there goes back first to where its data are.
std::vector<SiteId> landing_sites(const State& state, const VmRecord& vm, const Host* owner) {
  const SiteId here = owner ? owner->record.site : vm.spec.home;
  const bool stuck_on_the_way = vm.takeover == wire::Takeover::planned && vm.ran < vm.placement.generation;
  const bool stays = !owner || vm.away || (is_usable(*owner) && !stuck_on_the_way);
  std::vector<SiteId> sites;
  if (stays) sites.push_back(here);
  for (const auto& [id, site] : state.sites)
    if (id != here) sites.push_back(id);
  if (!stays) sites.push_back(here);
  if (vm.away) std::erase(sites, vm.spec.home);
  return sites;
}

void tell_not_running(Turn& turn, const Vm& vm, const std::string& words) {
  turn.notify(NoticeKind::vm_failed, vm.record.incident,
              {{"vms", vm.record.spec.name}, {"n", "1"}, {"host", last_host(vm)}, {"detail", words}});
  incident_vm_waits(turn, vm);
}

// Told once. Tried again when a host says that its storage is well, and every kTryAgain.
void wait_until_startable(Turn& turn, Vm& vm, const PlacementChoice& choice) {
  const std::string words =
      fmt::format("it can't be started anywhere for now, which is tried again every {}: {}",
                  in_seconds(kTryAgain), choice.explanation);
  vm.live.avoid.clear();
  vm.live.refused_for_now = false;
  vm.live.action_deadline = turn.now + kTryAgain;
  turn.watch(vm);
  turn.state.unplaced.insert(vm.record.spec.id);
  turn.set_phase(vm, VmPhase::recovering, Reason::start_failed, words);
  turn.log("wait_until_startable", vm, Reason::start_failed, words);
  if (std::exchange(vm.live.wait_told, true)) return;
  tell_not_running(turn, vm, words);
}

void no_place(Turn& turn, Vm& vm, const PlacementChoice& choice) {
  if (vm.live.again)
    turn.answer_waiting(vm,
                        Error{ErrorCode::exhausted, choice.explanation + "; it starts when there is room"});
  if (vm.live.request) {
    vm.record.wanted_running = false;
    turn.set_phase(vm, VmPhase::stopped, Reason::no_capacity, choice.explanation);
    turn.log("refuse_start", vm, Reason::no_capacity, choice.explanation);
    return turn.answer_waiting(vm, Error{ErrorCode::exhausted, choice.explanation});
  }
  if (vm.live.refused_for_now) return wait_until_startable(turn, vm, choice);
  if (!vm.live.avoid.empty())
    return fail_vm(turn, vm, Reason::start_failed,
                   "it failed to start on every host that can carry it: " + choice.explanation);
  const Reason reason = vm.record.away ? Reason::stays_away : Reason::no_capacity;
  turn.state.unplaced.insert(vm.record.spec.id);
  if (vm.record.phase == VmPhase::recovering && vm.record.reason == reason) return;  // said already
  const Instant settled = turn.state.started + turn.policy.connect_grace;
  if (turn.now < settled) {  // after a manager's start the hosts are still coming
    if (vm.record.phase != VmPhase::recovering)
      turn.set_phase(vm, VmPhase::recovering, vm.record.reason, vm.record.explanation);
    vm.live.action_deadline = settled;
    return turn.watch(vm);
  }
  std::string words = choice.explanation;
  if (vm.record.away)
    words += fmt::format(". It is away from home and nothing moves home alone: `bascule failback plan {}`",
                         vm.record.spec.name);
  turn.set_phase(vm, VmPhase::recovering, reason, words);
  turn.log("wait_for_place", vm, reason, words);
  tell_not_running(turn, vm, words);
}

void land(Turn& turn, Vm& vm, StartElsewhere permit) {
  const VmRecord& record = vm.record;
  const Host* owner = record.placement.owner ? turn.find_host(*record.placement.owner) : nullptr;
  const bool owner_lives = owner && is_usable(*owner);
  const bool ran_there = owner_lives && !vm.live.avoid.contains(owner->record.id) && !vm.live.wait_told;
  if (ran_there && !record.placement.may_run.empty())
    return launch(turn, std::move(permit), owner->record.id,
                  vm.live.request ? Reason::requested : Reason::restarted_in_place,
                  record.explanation + "; started again on " + owner->record.id.value);
  if (owner && !owner_lives && !record.spec.protected_ && !record.placement.may_run.empty()) {
    turn.set_phase(vm, VmPhase::stopped, Reason::not_protected,
                   "not protected: it stays stopped until its host is cleared, or an operator starts it");
    turn.log("leave_stopped", vm, Reason::not_protected, record.explanation);
    return turn.answer_waiting(vm, Error{ErrorCode::conflict, record.explanation});
  }
  PlacementWish wish{landing_sites(turn.state, record, owner), vm.live.avoid, {}};
  const PlacementChoice choice = place(turn.state, record.spec, wish);
  if (!choice.host) return no_place(turn, vm, choice);
  const bool first = record.placement.may_run.empty();
  launch(turn, std::move(permit), *choice.host, first ? Reason::placed : Reason::started_elsewhere,
         choice.explanation);
}

void settle_stopped(Turn& turn, Vm& vm) {
  turn.forget_command(vm);
  turn.state.unplaced.erase(vm.record.spec.id);
  turn.set_may_run(vm, {});
  note_last_alive(turn, vm);
  turn.set_phase(vm, VmPhase::stopped, vm.record.reason, vm.record.explanation);
  turn.log("vm_stopped", vm, vm.record.reason, vm.record.explanation);
  vm.record.incident.reset();
  turn.answer_waiting(vm, std::nullopt);
  retry_unplaced(turn);
}

}  // namespace

void queue_recovery(Turn& turn, const Host& host) {
  for (const VmId& id : turn.state.vms_by_host[host.record.id]) {
    const VmSpec& spec = turn.state.vms.at(id).record.spec;
    turn.state.to_recover.insert({spec.priority, spec.name, id});
  }
}

void retry_unplaced(Turn& turn) {
  for (const VmId& id : turn.state.unplaced) {
    const VmSpec& spec = turn.state.vms.at(id).record.spec;
    turn.state.to_recover.insert({spec.priority, spec.name, id});
  }
}

void drain_recovery(Turn& turn) {
  auto& queue = turn.state.to_recover;
  while (!queue.empty() && !turn.full()) {
    const VmId id = std::get<VmId>(*queue.begin());
    queue.erase(queue.begin());
    Vm* vm = turn.find_vm(id);
    if (!vm) continue;
    const Host* owner = vm->record.placement.owner ? turn.find_host(*vm->record.placement.owner) : nullptr;
    const bool runs = vm->record.phase == VmPhase::running || vm->record.phase == VmPhase::starting;
    const bool owner_lost =
        owner && (owner->record.phase == HostPhase::fencing || owner->record.phase == HostPhase::down ||
                  owner->record.phase == HostPhase::held);
    if (runs && !owner_lost) continue;
    if (runs) {
      if (vm->record.spec.protected_ && vm->record.wanted_running)
        vm->record.incident = owner->record.incident;
      recover(turn, *vm, Reason::fencing_started, fmt::format("its host {} is lost", owner->record.id.value));
    } else {
      const bool reboots = vm->record.phase == VmPhase::stopping && vm->record.wanted_running;
      if (reboots && owner_lost && vm->record.spec.protected_ && !vm->record.failback) {
        vm->record.incident = owner->record.incident;
        turn.touch(*vm);
      }
      advance(turn, *vm);
    }
  }
  if (!queue.empty()) turn.state.next_tick = turn.now;
}

bool may_restart(Turn& turn, Vm& vm) {
  auto& restarts = vm.live.restarts;
  std::erase_if(restarts, [&](Instant at) { return turn.now - at >= turn.policy.restart_window; });
  if (static_cast<int>(restarts.size()) >= turn.policy.restart_attempts) return false;
  restarts.push_back(turn.now);
  return true;
}

void fail_vm(Turn& turn, Vm& vm, Reason reason, std::string words, ErrorCode code) {
  turn.forget_command(vm);
  turn.state.unplaced.erase(vm.record.spec.id);
  turn.set_phase(vm, VmPhase::failed, reason, words);
  turn.log("give_up_vm", vm, reason, words);
  tell_not_running(turn, vm, words);
  turn.answer_waiting(vm, Error{code, words});
}

void forget_refusals(Vm& vm) {
  vm.live.avoid.clear();
  vm.live.refused_for_now = false;
  vm.live.wait_told = false;
}

void recover(Turn& turn, Vm& vm, Reason reason, std::string words) {
  turn.forget_command(vm);
  forget_refusals(vm);
  turn.set_phase(vm, VmPhase::recovering, reason, std::move(words));
  turn.log("recover_vm", vm, reason, vm.record.explanation);
  advance(turn, vm);
}

void advance(Turn& turn, Vm& vm) {
  const VmPhase phase = vm.record.phase;
  if (phase != VmPhase::recovering && phase != VmPhase::stopping && phase != VmPhase::deleting) return;
  if (turn.state.cluster.recovering) return;
  Result<StartElsewhere> permit = prove(turn, vm);
  if (!permit) return ask_for_words(turn, vm);
  if (phase == VmPhase::deleting) return forget_vm(turn, vm);
  if (vm.record.failback) return carry_home(turn, vm, std::move(*permit));
  if (!vm.record.wanted_running) return settle_stopped(turn, vm);
  land(turn, vm, std::move(*permit));
}

void resume_vms(Turn& turn, Host& host) {
  const Copy here{host.record.id, host.record.boot_id.value_or(BootId())};
  const std::set<VmId> vms = turn.state.vms_by_host[host.record.id];
  for (const VmId& id : vms) {
    Vm& vm = *turn.find_vm(id);
    turn.state.to_recover.erase({vm.record.spec.priority, vm.record.spec.name, id});
    // An answer that came while the host was doubted was the last that anybody would have asked for.
    if (vm.record.phase == VmPhase::stopping || vm.record.phase == VmPhase::deleting)
      turn.state.to_recover.insert({vm.record.spec.priority, vm.record.spec.name, id});
    if (vm.record.phase != VmPhase::recovering || vm.record.placement.owner != here.host) continue;
    if (!names_copy(vm.record.placement.may_run, here)) continue;
    vm.record.incident.reset();
    const bool was_seen = vm.live.seen.state == wire::DomainState::running &&
                          vm.live.seen.generation == vm.record.placement.generation;
    if (was_seen)
      turn.set_phase(vm, VmPhase::running, Reason::host_back, "its host was heard again: it never moved");
    else
      turn.state.to_recover.insert({vm.record.spec.priority, vm.record.spec.name, id});
  }
}

}  // namespace bascule
