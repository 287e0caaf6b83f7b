// What the agent does for the storage: looks at the pools, keeps the other site's copies fresh, ends fenced
// guests.
#include "hostd/agent.h"

namespace bascule::hostd {
namespace {

constexpr Duration kTellEvery = 10s;  // what has not changed

bool says_the_same(const wire::VolumesSeen& a, const wire::VolumesSeen& b) {
  if (a.volumes.size() != b.volumes.size()) return false;
  for (std::size_t i = 0; i < a.volumes.size(); ++i)
    if (a.volumes[i].here != b.volumes[i].here || a.volumes[i].there != b.volumes[i].there) return false;
  return true;
}

}  // namespace

void Agent::tend_storage() {
  for (const auto& [name, pool] : parts_.pools) {
    if (const Status ready = pool->ready(); !ready)
      raise("storage", name, {}, ready.error().message);
    else
      clear("storage", name, {});
  }
  std::map<VmId, Generation> running;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [vm, guest] : guests_)
      if (guest.state != wire::DomainState::starting) running.emplace(vm, guest.generation);
  }
  close_volumes(running);
  for (const auto& [vm, generation] : running) tend_volumes(vm, generation);
}

// Of guests that have ended since the last round.
void Agent::close_volumes(const std::map<VmId, Generation>& running) {
  for (auto at = tended_.begin(); at != tended_.end();) {
    const auto guest = running.find(at->first);
    if (guest != running.end() && guest->second == at->second.generation) {
      ++at;
      continue;
    }
    for (const auto& [pool_name, volume] : at->second.volumes)
      if (const auto pool = parts_.pools.find(pool_name); pool != parts_.pools.end())
        pool->second->close(volume, at->first, at->second.generation);
    at = tended_.erase(at);
  }
}

// From the definition, which outlives this daemon.
std::vector<DomainIdentity::Volume> Agent::volumes_of(const VmId& vm, Generation generation) {
  Tended& tended = tended_[vm];
  if (tended.generation == generation) return tended.volumes;
  const Result<std::string> xml = parts_.hypervisor.xml(vm);
  if (!xml) return {};
  tended = {generation, identity_of(*xml).volumes, {}, {}};
  return tended.volumes;
}

void Agent::tend_volumes(const VmId& vm, Generation generation) {
  wire::VolumesSeen seen{vm, {}};
  for (const auto& [pool_name, volume] : volumes_of(vm, generation)) {
    const auto pool = parts_.pools.find(pool_name);
    if (pool == parts_.pools.end()) continue;
    std::optional<wire::VolumeSeen> one = pool->second->tend(volume, generation);
    if (!one) continue;
    if (one->lost) return stop_fenced(vm, generation, volume);
    seen.volumes.push_back(std::move(*one));
  }
  if (seen.volumes.empty()) return;
  Tended& tended = tended_[vm];
  const Instant now = parts_.clock.now();
  if (says_the_same(tended.told, seen) && now - tended.told_at < kTellEvery) return;
  tended.told = seen;
  tended.told_at = now;
  parts_.tell(std::move(seen));
}

// It can't write any more, but it may answer on the network as if it were the VM.
void Agent::stop_fenced(const VmId& vm, Generation generation, const std::string& volume) {
  if (!claim(vm, 0s)) return;
  const Claim held(*this, vm);
  const std::optional<Guest> known = guest(vm);
  if (!known || known->generation != generation) return;
  const std::string why = "volume " + volume + " was taken from it: it is fenced";
  if (const Status gone = make_gone(vm); !gone)
    return raise("storage", "fenced", vm, why + "; " + gone.error().message);
  guest_ended(vm, wire::DomainCause::out_of_band, why);
}

}  // namespace bascule::hostd
