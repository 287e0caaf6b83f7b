#include "failover/volumes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "failover/access/quota.h"
#include "failover/incidents.h"
#include "failover/operator.h"

namespace bascule {
namespace {

wire::VolumeSeen* seen_before(Vm& vm, const wire::VolumeSeen& one) {
  const auto known = std::find_if(vm.live.volumes.begin(), vm.live.volumes.end(), [&one](const auto& each) {
    return each.pool == one.pool && each.volume == one.volume;
  });
  return known == vm.live.volumes.end() ? nullptr : &*known;
}

// A host whose storage doesn't answer for a moment can't tell, nor can anybody soon after a manager's start:
// what was known holds.
void note_copies(Turn& turn, Vm& vm) {
  bool any = false;
  for (const wire::VolumeSeen& volume : vm.live.volumes) {
    if (!volume.primary) return;
    any |= *volume.primary;
  }
  if (vm.record.has_copies == any) return;
  vm.record.has_copies = any;
  turn.touch(vm);
}

}  // namespace

wire::Takeover takeover_for(const Turn& turn, const Vm& vm, const Host& to, Reason reason) {
  const auto& before = vm.record.placement.owner;
  const auto owner = before ? turn.state.hosts.find(*before) : turn.state.hosts.end();
  if (owner == turn.state.hosts.end()) return wire::Takeover::none;
  // A start that failed may have left the volumes at the site before.
  if (owner->second.record.site == to.record.site) return vm.record.takeover;
  return reason == Reason::failback_approved ? wire::Takeover::planned : wire::Takeover::forced;
}

void note_last_alive(Turn& turn, Vm& vm) {
  const auto& owner = vm.record.placement.owner;
  const Host* host = owner ? turn.find_host(*owner) : nullptr;
  const bool ended = vm.record.phase == VmPhase::recovering || vm.record.phase == VmPhase::stopping;
  if (!host || vm.record.last_alive || !ended) return;
  // A host dies somewhere between its last heartbeat and the one that didn't come.
  const Duration silent =
      std::max<Duration>(0s, turn.now - host->live.last_heard - turn.policy.heartbeat / 2);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(silent);
  vm.record.last_alive = WallTime{turn.wall.unix_ms - ms.count()};
}

void note_taken(Turn& turn, Vm& vm, const std::vector<wire::VolumeTaken>& taken) {
  const std::optional<WallTime> alive = std::exchange(vm.record.last_alive, std::nullopt);
  vm.record.accounted = vm.record.placement.generation;
  turn.touch(vm);
  if (taken.empty()) return;
  vm.record.complete_until.reset();
  vm.record.lost.reset();
  for (const wire::VolumeTaken& volume : taken)
    if (volume.complete_until &&
        (!vm.record.complete_until || *volume.complete_until < *vm.record.complete_until))
      vm.record.complete_until = volume.complete_until;
  if (!vm.record.complete_until)
    return turn.log("volumes_taken", vm, vm.record.reason, "the other site gave them up: nothing is lost");
  const std::int64_t until = vm.record.complete_until->unix_ms;
  vm.record.lost =
      std::chrono::milliseconds(std::max<std::int64_t>(0, alive.value_or(turn.wall).unix_ms - until));
  turn.log("volumes_taken", vm, vm.record.reason,
           fmt::format("what was written after {} had not reached this site: {} are lost",
                       to_iso8601(*vm.record.complete_until), in_seconds(*vm.record.lost)),
           {{"complete_until", to_iso8601(*vm.record.complete_until)}});
}

namespace {

// The answer to its start got lost, as the manager that waited for it, or said nothing of its volumes.
void account_for_start(Turn& turn, Vm& vm) {
  if (vm.record.phase != VmPhase::running || vm.record.accounted == vm.record.placement.generation) return;
  std::vector<wire::VolumeTaken> taken;
  for (const wire::VolumeSeen& volume : vm.live.volumes) {
    if (!volume.primary) return;  // not looked at yet
    if (volume.taken) taken.push_back(*volume.taken);
  }
  if (vm.live.volumes.empty()) return;
  note_taken(turn, vm, taken);
  if (!taken.empty() && vm.record.lost) incident_vm_lost(turn, vm);
}

}  // namespace

void on_volumes_seen(Turn& turn, const Copy& from, const wire::VolumesSeen& seen) {
  Vm* vm = turn.find_vm(seen.vm);
  if (!vm || vm->record.placement.owner != from.host) return;
  vm->live.volumes = seen.volumes;
  note_copies(turn, *vm);
  account_for_start(turn, *vm);
  std::string behind;
  for (const wire::VolumeSeen& volume : seen.volumes) {
    const bool late = volume.behind && *volume.behind > turn.policy.longest_behind;
    if (!volume.primary.value_or(false) || (volume.well && !late)) continue;
    behind = fmt::format("the other site's copy of {}/{} {}", volume.pool, volume.volume,
                         late ? in_seconds(*volume.behind) + " behind: " + volume.there : volume.there);
  }
  if (behind.empty()) {
    if (!vm->live.behind_since) return;
    if (vm->live.behind_told) turn.log("copies_follow", *vm, Reason::requested, "all copies follow again");
    vm->live.behind_since.reset();
    vm->live.behind_told = false;
    return;
  }
  if (!vm->live.behind_since) vm->live.behind_since = turn.now;
  if (vm->live.behind_told || turn.now - *vm->live.behind_since < turn.policy.longest_behind) return;
  vm->live.behind_told = true;
  turn.log("copies_behind", *vm, Reason::copies_behind, behind);
  turn.notify(NoticeKind::copies_behind, std::nullopt,
              {{"vms", vm->record.spec.name}, {"n", "1"}, {"host", from.host.value}, {"detail", behind}});
}

namespace {

// Who can change the VM's volumes: the host that runs it, or any of the site where it was placed last.
const Host* keeper_of(const Turn& turn, const Vm& vm) {
  const auto owner = turn.state.hosts.find(*vm.record.placement.owner);
  if (owner == turn.state.hosts.end()) return nullptr;
  if (vm.record.phase == VmPhase::running) return is_usable(owner->second) ? &owner->second : nullptr;
  for (const auto& [id, host] : turn.state.hosts)
    if (host.record.site == owner->second.record.site && is_usable(host)) return &host;
  return nullptr;
}

Disk* disk_of(Vm& vm, const wire::Grow& grow) {
  for (Disk& disk : vm.record.spec.disks)
    if (disk.pool == grow.pool && disk.volume == grow.volume) return &disk;
  return nullptr;
}

Error refusal(ErrorCode code, const Vm& vm, const std::string& words) {
  return {code, vm.record.spec.name + " " + words};
}

std::optional<Error> why_no_change(Vm& vm, const wire::VolumeChange& change) {
  const VmPhase phase = vm.record.phase;
  if (phase != VmPhase::running && phase != VmPhase::stopped)
    return refusal(ErrorCode::conflict, vm,
                   fmt::format("is {}: it must run or be stopped (`bascule vm stop`)", name_of(phase)));
  if (phase == VmPhase::running && std::holds_alternative<wire::RollBack>(change))
    return refusal(ErrorCode::conflict, vm, "runs: stop it first (`bascule vm stop`)");
  if (vm.record.failback)
    return refusal(ErrorCode::conflict, vm, "is being carried home: wait until the plan is done");
  if (vm.live.action) return refusal(ErrorCode::conflict, vm, "is being worked on: try again in a moment");
  if (!vm.record.placement.owner || vm.record.ran.value == 0)
    return refusal(ErrorCode::conflict, vm, "never ran: it has no volumes yet");
  const auto* grow = std::get_if<wire::Grow>(&change);
  const Disk* disk = grow ? disk_of(vm, *grow) : nullptr;
  if (grow && !disk)
    return refusal(ErrorCode::not_found, vm, fmt::format("has no volume {}:{}", grow->pool, grow->volume));
  if (grow && grow->size_mib <= disk->size_mib)
    return refusal(ErrorCode::invalid, vm,
                   fmt::format("has {} MiB there already, and volumes only grow", disk->size_mib));
  if (!grow) return std::nullopt;
  VmSpec larger = vm.record.spec;
  larger.disks[static_cast<std::size_t>(disk - vm.record.spec.disks.data())].size_mib = grow->size_mib;
  const std::vector<std::string> problems = problems_of(larger);
  return problems.empty() ? std::nullopt
                          : std::optional(refusal(ErrorCode::invalid, vm, "would have " + problems.front()));
}

// Of the volumes that were changed; the others are as they were told before.
void note_seen(Vm& vm, const std::vector<wire::VolumeSeen>& seen) {
  for (const wire::VolumeSeen& one : seen) {
    if (wire::VolumeSeen* known = seen_before(vm, one))
      *known = one;
    else
      vm.live.volumes.push_back(one);
  }
}

std::string words_of(const wire::VolumeChange& change) {
  struct {
    std::string operator()(const wire::TakeSnapshot& x) const {
      return "snapshot " + x.name + " of all volumes";
    }
    std::string operator()(const wire::RemoveSnapshot& x) const {
      return "snapshot " + x.name + " is removed";
    }
    std::string operator()(const wire::RollBack& x) const {
      return "all volumes go back to snapshot " + x.name;
    }
    std::string operator()(const wire::Deliver&) const { return "its tenant alone gets inside from now on"; }
    std::string operator()(const wire::Grow& x) const {
      return fmt::format("{}:{} grows to {} MiB", x.pool, x.volume, x.size_mib);
    }
  } words;
  return std::visit(words, change);
}

void begin_change(Turn& turn, Vm& vm, const Asked& asked, const std::string& what,
                  const wire::VolumeChange& change) {
  const std::string subject = subject_of(vm);
  if (const auto problem = why_no_change(vm, change)) return turn.refuse(asked, what, subject, *problem);
  if (const auto* grow = std::get_if<wire::Grow>(&change)) {
    const Quota more{0, 0, 0, grow->size_mib - disk_of(vm, *grow)->size_mib};
    if (const std::string over = why_over_quota(turn.state, asked, vm.record.spec.tenant, more);
        !over.empty())
      return turn.refuse(asked, what, subject, {ErrorCode::policy, over});
  }
  const Host* keeper = keeper_of(turn, vm);
  if (!keeper)
    return turn.refuse(asked, what, subject,
                       refusal(ErrorCode::unavailable, vm, "is where no host answers now: try again later"));
  vm.live.change = VolumeChangeAsked{asked.request, change};
  turn.log(asked, what, subject, Reason::requested, words_of(change), {{"host", keeper->record.id.value}});
  turn.command(vm, CommandKind::change, {keeper->record.id, *keeper->record.boot_id},
               vm.record.placement.generation);
}

}  // namespace

void deliver_volumes(Turn& turn, Vm& vm, const Asked& asked) {
  begin_change(turn, vm, asked, "accept_delivery", wire::Deliver());
}

void change_volumes(Turn& turn, const ChangeVolumesAsked& asked) {
  Vm* vm = named(turn, asked.asked, "change_volumes", asked.vm);
  if (!vm) return;
  begin_change(turn, *vm, asked.asked, "change_volumes", asked.change);
}

void volumes_changed(Turn& turn, Vm& vm, const wire::CommandReply& reply) {
  const std::optional<VolumeChangeAsked> done = std::exchange(vm.live.change, std::nullopt);
  turn.forget_command(vm);
  note_seen(vm, reply.volumes);
  if (!done) return;
  const auto* grow = std::get_if<wire::Grow>(&done->change);
  if (Disk* disk = grow && !reply.error ? disk_of(vm, *grow) : nullptr) {
    disk->size_mib = grow->size_mib;
    turn.settings_changed(vm);
  }
  if (std::holds_alternative<wire::Deliver>(done->change) && !reply.error) {
    vm.record.delivered = true;
    turn.settings_changed(vm);
  }
  turn.log(reply.error ? "change_failed" : "volumes_changed", vm, Reason::requested,
           reply.error ? reply.error->message : words_of(done->change));
  turn.actions.push_back(Answer{done->request, reply.error, vm.record.spec.id.value});
}

std::string words_about_copies(const Vm& vm) {
  std::string words;
  for (const wire::VolumeSeen& volume : vm.live.volumes)
    if (volume.primary.value_or(false))
      words += fmt::format("{}{}/{}: this side is newest; at home: {}", words.empty() ? "" : ", ",
                           volume.pool, volume.volume, volume.there);
  return words;
}

}  // namespace bascule
