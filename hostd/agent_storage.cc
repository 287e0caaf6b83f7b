// What the agent does for the storage: looks at the pools, keeps the other site's copies fresh, ends fenced
// guests.
#include <algorithm>

#include "base/log.h"
#include "hostd/agent.h"

namespace bascule::hostd {
namespace {

constexpr Duration kTellEvery = 10s;  // what has not changed
constexpr Duration kClosingEnds = 3s;

bool says_the_same(const wire::VolumesSeen& a, const wire::VolumesSeen& b) {
  if (a.volumes.size() != b.volumes.size()) return false;
  for (std::size_t i = 0; i < a.volumes.size(); ++i)
    if (a.volumes[i].here != b.volumes[i].here || a.volumes[i].there != b.volumes[i].there) return false;
  return true;
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

using Uses = std::map<VmId, GuestUse>;

Uses uses_of_guests(Hypervisor& hypervisor) {
  if (!hypervisor.connected()) return {};
  return hypervisor.usage(Hypervisor::Uses::disks).value_or(Uses());
}

}  // namespace

void Agent::tend_storage() {
  for (const auto& [name, pool] : parts_.pools) {
    if (const Status ready = pool->ready(); !ready)
      raise("storage", name, {}, ready.error().message);
    else
      clear("storage", name, {});
    const std::string warnings = listed(pool->warnings());
    if (warnings.empty())
      clear("storage", name + "/health", {});
    else
      raise("storage", name + "/health", {}, "pool " + name + ": its storage reports " + warnings);
  }
  std::map<VmId, Generation> running;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [vm, guest] : guests_)
      if (guest.state != wire::DomainState::starting) running.emplace(vm, guest.generation);
  }
  close_volumes(running);
  Uses uses = uses_of_guests(parts_.hypervisor);
  for (const auto& [vm, generation] : running)
    if (guest(vm)) tend_volumes(vm, generation, uses[vm].disks);
}

// Whoever takes a volume over fences everybody who has it open: all of this host's use of the cluster would
// be blocked for a moment. So the word that a guest is gone waits until its volumes are closed.
void Agent::wait_for_closing(const VmId& vm) {
  std::unique_lock lock(mutex_);
  closed_one_.wait_for(lock, kClosingEnds, [this, &vm] { return !in_use_.contains(vm); });
}

void Agent::tell_hosts(const wire::Welcome& welcome) {
  std::set<HostId> hosts{identity_.host};
  for (const wire::PeerAddress& peer : welcome.peers) hosts.insert(peer.host);
  for (const auto& [name, pool] : parts_.pools)
    pool->tell_hosts(hosts, {welcome.kept.begin(), welcome.kept.end()});
}

std::optional<std::vector<wire::StorageServer>> Agent::take_servers() {
  std::optional<std::vector<wire::StorageServer>> all;
  for (const auto& [name, pool] : parts_.pools) {
    auto servers = pool->take_servers();
    if (!servers) continue;
    if (!all) all.emplace();
    for (wire::StorageServer& server : *servers) {
      const auto known = std::find_if(all->begin(), all->end(),
                                      [&server](const auto& other) { return other.host == server.host; });
      if (known == all->end())
        all->push_back(std::move(server));
      else if (known->why_not.empty())  // two pools of one cluster, or of two
        *known = std::move(server);
    }
  }
  return all;
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
    {
      const std::lock_guard lock(mutex_);
      in_use_.erase(at->first);
      closed_one_.notify_all();
    }
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

void Agent::tend_volumes(const VmId& vm, Generation generation, const std::vector<DiskUse>& uses) {
  wire::VolumesSeen seen{vm, {}};
  const std::optional<Guest> known = guest(vm);
  const bool anew = known && known->state != wire::DomainState::running;  // fenced, perhaps
  std::size_t disk = 0;
  for (const auto& [pool_name, volume] : volumes_of(vm, generation)) {
    const auto bytes = disk < uses.size() ? std::optional(uses[disk].written) : std::nullopt;
    ++disk;
    const auto pool = parts_.pools.find(pool_name);
    if (pool == parts_.pools.end()) continue;
    std::optional<wire::VolumeSeen> one = pool->second->tend(volume, {generation, bytes, anew});
    if (!one) continue;
    if (one->lost) return stop_fenced(vm, generation, volume);
    seen.volumes.push_back(std::move(*one));
  }
  if (seen.volumes.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    in_use_.insert(vm);
  }
  Tended& tended = tended_[vm];
  const Instant now = parts_.clock.now();
  if (says_the_same(tended.told, seen) && now - tended.told_at < kTellEvery) return;
  tended.told = seen;
  tended.told_at = now;
  parts_.tell(std::move(seen));
}

Agent::Reply Agent::carry_out(const wire::Command&, const wire::FollowVolumes& order) {
  for (const Disk& disk : order.spec.disks) {
    const auto pool = parts_.pools.find(disk.pool);
    if (pool == parts_.pools.end())
      return failure(ErrorCode::not_found, "this host has no pool \"" + disk.pool + "\"; see its hostd.toml");
    if (const Status follows = pool->second->follow(disk.volume, order.spec.id); !follows)
      return failure(follows.error());
  }
  return Done{report(order.spec.id), {}, {}};
}

Result<std::vector<Agent::VolumeToChange>> Agent::volumes_to_change(const wire::ChangeVolumes& order) {
  const auto* grow = std::get_if<wire::Grow>(&order.change);
  std::vector<VolumeToChange> volumes;
  for (std::size_t i = 0; i < order.spec.disks.size(); ++i) {
    const Disk& disk = order.spec.disks[i];
    if (grow && (disk.pool != grow->pool || disk.volume != grow->volume)) continue;
    const auto pool = parts_.pools.find(disk.pool);
    if (pool == parts_.pools.end())
      return failure(ErrorCode::not_found, "this host has no pool \"" + disk.pool + "\"; see its hostd.toml");
    volumes.push_back({pool->second.get(), &disk, i});
  }
  return volumes;
}

Status Agent::check_all(const std::vector<VolumeToChange>& volumes, const Changing& changing) const {
  const bool removes = std::holds_alternative<wire::RemoveSnapshot>(changing.change);
  std::optional<Error> missing;
  std::size_t without = 0;
  for (const VolumeToChange& each : volumes) {
    const Status can = each.pool->check_change(each.disk->volume, changing);
    if (can) continue;
    if (!removes || can.error().code != ErrorCode::not_found) return can;
    missing = can.error();  // what is left of a snapshot can be removed
    ++without;
  }
  return missing && without == volumes.size() ? Status(failure(*missing)) : Status();
}

// All or none of a snapshot.
Status Agent::change_all(const std::vector<VolumeToChange>& volumes, const Changing& changing, bool runs) {
  if (std::holds_alternative<wire::RollBack>(changing.change)) return roll_back_all(volumes, changing);
  const auto* grow = std::get_if<wire::Grow>(&changing.change);
  for (const VolumeToChange& each : volumes) {
    const Status changed = grow && runs
                               ? parts_.hypervisor.grow(changing.vm, each.index, grow->size_mib << 20)
                               : each.pool->change(each.disk->volume, changing);
    if (changed) continue;
    if (const auto* taken = std::get_if<wire::TakeSnapshot>(&changing.change))
      remove_snapshot(volumes, changing.vm, taken->name);
    return changed;
  }
  return {};
}

// Where it ends in between, it can only be repeated: the guest never sees volumes of different moments.
Status Agent::roll_back_all(const std::vector<VolumeToChange>& volumes, const Changing& changing) {
  for (const VolumeToChange& each : volumes)
    if (const Status begun = each.pool->begin_change(each.disk->volume, changing); !begun) return begun;
  for (const VolumeToChange& each : volumes)
    if (const Status changed = each.pool->change(each.disk->volume, changing); !changed) return changed;
  for (const VolumeToChange& each : volumes)
    if (const Status ended = each.pool->end_change(each.disk->volume); !ended) return ended;
  return {};
}

// Of the volume that failed too: the snapshot may have been taken late.
void Agent::remove_snapshot(const std::vector<VolumeToChange>& volumes, const VmId& vm,
                            const std::string& name) {
  for (const VolumeToChange& each : volumes)
    if (const Status undone = each.pool->change(each.disk->volume, {vm, wire::RemoveSnapshot{name}}); !undone)
      log(LogLevel::warning, "agent", "snapshot_left",
          {{"volume", each.disk->volume}, {"snapshot", name}, {"why", undone.error().message}});
}

Agent::Reply Agent::carry_out(const wire::Command& command, const wire::ChangeVolumes& order) {
  if (std::holds_alternative<wire::Deliver>(order.change)) return deliver(order);
  const auto volumes = volumes_to_change(order);
  if (!volumes) return failure(volumes.error());
  const bool runs = guest(order.spec.id).has_value();
  if (runs && std::holds_alternative<wire::RollBack>(order.change))
    return failure(ErrorCode::conflict, "it runs: what it has in memory would be of another time");
  const Changing changing{order.spec.id, order.change};
  if (const Status can = check_all(*volumes, changing); !can) return failure(can.error());
  if (const auto* back = std::get_if<wire::RollBack>(&order.change))
    if (const Status may = may_roll_back(order.spec, *back); !may) return failure(may.error());
  if (const Status changed = change_all(*volumes, changing, runs); !changed) return failure(changed.error());
  Done done{report(order.spec.id), {}, {}};
  for (const VolumeToChange& each : *volumes)
    if (auto seen = each.pool->tend(each.disk->volume, {command.generation, std::nullopt, true}))
      done.volumes.push_back(std::move(*seen));
  return done;
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
