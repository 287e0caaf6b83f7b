// What the agent does for tenants: keeps with each volume who alone gets inside, and lets nobody else in.
#include <algorithm>

#include "base/log.h"
#include "hostd/agent.h"
#include "hostd/domain_xml.h"

namespace bascule::hostd {
namespace {

bool is_of_tenant(const DomainIdentity& identity) { return identity.name.find('@') != std::string::npos; }

}  // namespace

// Of a volume that is there already: that it is this machine's, and boots what its tenant accepted.
Status Agent::check_volume(const StoragePool& pool, const Disk& disk, const VmSpec& spec) const {
  const Result<std::optional<Custody>> kept = pool.custody(disk.volume);
  if (!kept) return failure(kept.error());
  const Status may = *kept ? check_custody(**kept, spec) : Status();
  return may ? may : failure(may.error().within("volume " + disk.volume + " of pool " + disk.pool));
}

// One change of a VM's custody at a time; of other VMs, whose storage may hang, none waits for it.
std::shared_ptr<std::mutex> Agent::custody_lock(const VmId& vm) {
  const std::lock_guard lock(mutex_);
  std::erase_if(custody_locks_,
                [&vm](const auto& entry) { return entry.first != vm && entry.second.use_count() == 1; });
  auto& place = custody_locks_[vm];
  if (!place) place = std::make_shared<std::mutex>();
  return place;
}

// After it was opened here: whether it is delivered. A delivery that came before the volumes did is noted
// now, and a volume of before custody was kept gets it: as delivered once its guest has run, which harms
// nobody.
Result<bool> Agent::keep_custody(StoragePool& pool, const Disk& disk, const VmSpec& spec,
                                 const wire::StartVm& order) {
  if (const Status may = check_volume(pool, disk, spec); !may) return failure(may.error());
  if (spec.tenant.empty() || !pool.keeps_custody()) return false;
  const auto one = custody_lock(spec.id);
  const std::lock_guard lock(*one);
  const Result<std::optional<Custody>> kept = pool.custody(disk.volume);
  if (!kept) return failure(kept.error());
  const bool delivered = order.delivered || (!*kept && order.ran.value > 0);
  if (*kept && ((*kept)->delivered || !delivered)) return (*kept)->delivered;
  Custody next = first_custody(spec, delivered);
  if (*kept) next.pin = (*kept)->pin;
  if (const Status set = pool.set_custody(disk.volume, next); !set) return failure(set.error());
  return delivered;
}

// Of a machine that isn't delivered and runs now: this is what its tenant will accept. Before it ran, it is
// nothing.
void Agent::note_boot(const VmSpec& spec) {
  if (spec.tenant.empty()) return;
  const auto one = custody_lock(spec.id);
  const std::lock_guard lock(*one);
  for (const Disk& disk : spec.disks) {
    const auto pool = parts_.pools.find(disk.pool);
    if (pool == parts_.pools.end()) continue;
    Result<std::optional<Custody>> kept = pool->second->custody(disk.volume);
    if (!kept || !*kept || (*kept)->delivered || (*kept)->boots == digest_of_boot(spec)) continue;
    (*kept)->boots = digest_of_boot(spec);
    if (const Status set = pool->second->set_custody(disk.volume, **kept); !set)
      log(LogLevel::warning, "agent", "boot_not_noted",
          {{"volume", disk.volume}, {"why", set.error().message}});
  }
}

// From now on its tenant alone gets inside, and it boots as it does now.
Agent::Reply Agent::deliver(const wire::ChangeVolumes& order) {
  const auto volumes = volumes_to_change(order);
  if (!volumes) return failure(volumes.error());
  const auto one = custody_lock(order.spec.id);
  const std::lock_guard lock(*one);
  for (const VolumeToChange& each : *volumes) {
    if (!each.pool->keeps_custody()) continue;
    const Result<std::optional<Custody>> kept = each.pool->custody(each.disk->volume);
    if (!kept) return failure(kept.error());
    if (!*kept)
      return failure(ErrorCode::conflict,
                     "volume " + each.disk->volume + " is from before custody was kept: start it anew first");
    if (const Status ours = check_custody(**kept, order.spec); !ours) return failure(ours.error());
    if ((*kept)->boots != digest_of_boot(order.spec))
      return failure(ErrorCode::policy,
                     "it would boot otherwise than it was started last: start it anew first");
    Custody next = **kept;
    next.delivered = true;
    if (const Status set = each.pool->set_custody(each.disk->volume, next); !set) return failure(set.error());
  }
  {
    const std::lock_guard guests(mutex_);
    if (const auto here = guests_.find(order.spec.id); here != guests_.end())
      delivered_[order.spec.id] = here->second.generation;
  }
  log(LogLevel::info, "agent", "delivered", {{"vm", order.spec.id}, {"tenant", order.spec.tenant}});
  return Done{report(order.spec.id), {}, {}};
}

// Of several volumes that of the one which is delivered, with the newest key.
Result<std::optional<Custody>> Agent::strictest_custody(const VmId& vm,
                                                        const DomainIdentity& identity) const {
  std::optional<Custody> strictest;
  for (const auto& [pool_name, volume] : identity.volumes) {
    const auto pool = parts_.pools.find(pool_name);
    if (pool == parts_.pools.end()) continue;
    const Result<std::optional<Custody>> kept = pool->second->custody(volume);
    if (!kept) return failure(kept.error());
    if (!*kept) continue;
    if ((*kept)->vm != vm)
      return failure(ErrorCode::denied, "volume " + volume + " belongs to another machine");
    const auto serial = [](const Custody& custody) { return custody.pin ? custody.pin->serial : 0; };
    const auto rank = [&](const Custody& custody) { return std::pair(custody.delivered, serial(custody)); };
    if (!strictest || rank(**kept) > rank(*strictest)) strictest = **kept;
  }
  return strictest;
}

void Agent::watch_custody() {
  for (const wire::DomainReport& report : hello().domains) {
    const Result<std::string> xml = parts_.hypervisor.xml(report.vm);
    if (!xml) continue;
    const DomainIdentity identity = identity_of(*xml);
    const auto kept = is_of_tenant(identity) ? strictest_custody(report.vm, identity) : std::nullopt;
    if (!kept) continue;
    const std::lock_guard lock(mutex_);
    unwatched_.erase(report.vm);
    if (*kept && (*kept)->delivered) delivered_[report.vm] = report.generation;
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(delivered_, [this](const auto& entry) { return !guests_.contains(entry.first); });
}

// Of a guest that is open to whom the manager lets in, as far as is kept: whether this host knows better.
Status Agent::check_never_delivered(const wire::OpenStream& order) const {
  const std::lock_guard lock(mutex_);
  if (unwatched_.contains(order.vm))
    return failure(ErrorCode::conflict, "its host has just begun: try again");
  const auto seen = delivered_.find(order.vm);
  if (seen == delivered_.end() || seen->second != order.generation) return {};
  return failure(ErrorCode::denied, "it was delivered, and what was kept of that is gone: it stays shut");
}

// A tenant's machine of whose custody nothing is kept is shut: who could say that it wasn't delivered?
Result<std::optional<WallTime>> Agent::enter(const wire::OpenStream& order, const DomainIdentity& identity) {
  const auto kept = strictest_custody(order.vm, identity);
  if (!kept) return failure(kept.error());
  if (!*kept && is_of_tenant(identity))
    return failure(ErrorCode::denied, "nothing is kept of who may get inside it: it stays shut");
  if (!*kept || !(*kept)->delivered)
    if (const Status never = check_never_delivered(order); !never) return failure(never.error());
  if (!*kept) return std::nullopt;
  const auto pin =
      parts_.custodian.may_enter(**kept, {order.who, Inside::console, order.grant}, parts_.clock.wall());
  if (!pin) return failure(pin.error());
  if (*pin)
    if (const Status noted = keep_pin(order.vm, identity, **pin); !noted) return failure(noted.error());
  return (*kept)->delivered ? std::optional(order.grant->not_after) : std::nullopt;
}

// Of a key that took another's place: what the older one signs counts no more.
Status Agent::keep_pin(const VmId& vm, const DomainIdentity& identity, const Pin& pin) {
  const auto one = custody_lock(vm);
  const std::lock_guard lock(*one);
  for (const auto& [pool_name, volume] : identity.volumes) {
    const auto pool = parts_.pools.find(pool_name);
    if (pool == parts_.pools.end()) continue;
    Result<std::optional<Custody>> kept = pool->second->custody(volume);
    if (!kept) return failure(kept.error());
    if (!*kept || ((*kept)->pin && (*kept)->pin->serial >= pin.serial)) continue;
    (*kept)->pin = pin;
    if (const Status set = pool->second->set_custody(volume, **kept); !set) return set;
  }
  return {};
}

}  // namespace bascule::hostd
