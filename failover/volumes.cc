#include "failover/volumes.h"

#include <fmt/format.h>

#include <algorithm>

namespace bascule {

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
  if (!host || vm.record.last_alive || vm.record.phase != VmPhase::recovering) return;
  // It died somewhere between its last heartbeat and the one that didn't come.
  const Duration silent =
      std::max<Duration>(0s, turn.now - host->live.last_heard - turn.policy.heartbeat / 2);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(silent);
  vm.record.last_alive = WallTime{turn.wall.unix_ms - ms.count()};
}

void note_taken(Turn& turn, Vm& vm, const std::vector<wire::VolumeTaken>& taken) {
  const std::optional<WallTime> alive = std::exchange(vm.record.last_alive, std::nullopt);
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

void on_volumes_seen(Turn& turn, const Copy& from, const wire::VolumesSeen& seen) {
  Vm* vm = turn.find_vm(seen.vm);
  if (!vm || vm->record.placement.owner != from.host) return;
  vm->live.volumes = seen.volumes;
  std::string behind;
  for (const wire::VolumeSeen& volume : seen.volumes) {
    const bool late = volume.behind && *volume.behind > turn.policy.longest_behind;
    if (volume.here != "primary" || (volume.well && !late)) continue;
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

bool has_copies(const Vm& vm) {
  return std::any_of(vm.live.volumes.begin(), vm.live.volumes.end(),
                     [](const wire::VolumeSeen& volume) { return volume.here == "primary"; });
}

std::string words_about_copies(const Vm& vm) {
  std::string words;
  for (const wire::VolumeSeen& volume : vm.live.volumes)
    if (volume.here == "primary")
      words += fmt::format("{}{}/{}: this side is newest; at home: {}", words.empty() ? "" : ", ",
                           volume.pool, volume.volume, volume.there);
  return words;
}

}  // namespace bascule
