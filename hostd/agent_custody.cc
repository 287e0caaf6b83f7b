// What the agent does for tenants: keeps with each volume who alone gets inside, and lets nobody else in.
#include <algorithm>

#include "base/log.h"
#include "hostd/agent.h"
#include "hostd/domain_xml.h"

namespace bascule::hostd {

// Of a volume that is there already: that it is this machine's, and boots what its tenant accepted.
Status Agent::check_volume(const StoragePool& pool, const Disk& disk, const VmSpec& spec) const {
  const Result<std::optional<Custody>> kept = pool.custody(disk.volume);
  if (!kept) return failure(kept.error());
  const Status may = *kept ? check_custody(**kept, spec) : Status();
  return may ? may : failure(may.error().within("volume " + disk.volume + " of pool " + disk.pool));
}

// After it was opened here. A machine that isn't delivered yet may be changed by whoever prepares it: what it
// boots now is what its tenant will accept. A volume from before custody was kept gets it with its next
// start.
Status Agent::keep_custody(StoragePool& pool, const Disk& disk, const VmSpec& spec, bool delivered) {
  const std::lock_guard lock(custody_mutex_);
  if (const Status may = check_volume(pool, disk, spec); !may) return may;
  if (spec.tenant.empty() || !pool.keeps_custody()) return {};
  const Result<std::optional<Custody>> kept = pool.custody(disk.volume);
  if (!kept) return failure(kept.error());
  if (*kept && (*kept)->delivered) return {};
  Custody next = first_custody(spec, delivered);
  if (*kept) next.pin = (*kept)->pin;
  const bool same = *kept && (*kept)->boots == next.boots && !delivered;
  return same ? Status() : pool.set_custody(disk.volume, next);
}

// From now on its tenant alone gets inside, and it boots as it does now.
Agent::Reply Agent::deliver(const wire::ChangeVolumes& order) {
  const auto volumes = volumes_to_change(order);
  if (!volumes) return failure(volumes.error());
  const std::lock_guard lock(custody_mutex_);
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
    const auto kept = strictest_custody(report.vm, identity_of(*xml));
    const std::lock_guard lock(mutex_);
    if (kept && *kept && (*kept)->delivered) delivered_[report.vm] = report.generation;
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(delivered_, [this](const auto& entry) { return !guests_.contains(entry.first); });
}

// A tenant's machine of whose custody nothing is kept is shut: who could say that it wasn't delivered?
Result<std::optional<WallTime>> Agent::enter(const wire::OpenStream& order, const DomainIdentity& identity) {
  const std::lock_guard lock(custody_mutex_);
  const auto kept = strictest_custody(order.vm, identity);
  if (!kept) return failure(kept.error());
  const bool of_tenant = identity.name.find('@') != std::string::npos;
  if (!*kept && of_tenant)
    return failure(ErrorCode::denied, "nothing is kept of who may get inside it: it stays shut");
  {
    const std::lock_guard guests(mutex_);
    const auto seen = delivered_.find(order.vm);
    const bool was = seen != delivered_.end() && seen->second == order.generation;
    if (was && !(*kept && (*kept)->delivered))
      return failure(ErrorCode::denied, "it was delivered, and what is kept of that is gone: it stays shut");
  }
  if (!*kept) return std::nullopt;
  const auto pin =
      parts_.custodian.may_enter(**kept, {order.who, Inside::console, order.grant}, parts_.clock.wall());
  if (!pin) return failure(pin.error());
  if (*pin)
    if (const Status noted = keep_pin(identity, **pin); !noted) return failure(noted.error());
  return (*kept)->delivered ? std::optional(order.grant->not_after) : std::nullopt;
}

// Of a key that took another's place: what the older one signs counts no more.
Status Agent::keep_pin(const DomainIdentity& identity, const Pin& pin) {
  for (const auto& [pool_name, volume] : identity.volumes) {
    const auto pool = parts_.pools.find(pool_name);
    if (pool == parts_.pools.end()) continue;
    Result<std::optional<Custody>> kept = pool->second->custody(volume);
    if (!kept) return failure(kept.error());
    if (!*kept) continue;
    (*kept)->pin = pin;
    if (const Status set = pool->second->set_custody(volume, **kept); !set) return set;
  }
  return {};
}

}  // namespace bascule::hostd
