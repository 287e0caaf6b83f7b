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

// Of what is to be booted: a guest could read a whole volume that it got as its initial RAM disk.
Status Agent::check_file(const StoragePool& pool, const std::string& file) const {
  if (file.empty()) return {};
  const Result<std::optional<Custody>> kept = pool.custody(file);
  if (!kept) return failure(kept.error());
  return *kept ? failure(ErrorCode::denied, file + " of pool " + pool.name() + " is a tenant's volume")
               : Status();
}

// From now on its tenant alone gets inside. Where nothing was kept yet, closing it is nobody's loss.
Agent::Reply Agent::deliver(const wire::ChangeVolumes& order) {
  const auto volumes = volumes_to_change(order);
  if (!volumes) return failure(volumes.error());
  for (const VolumeToChange& each : *volumes) {
    if (!each.pool->keeps_custody()) continue;
    const Result<std::optional<Custody>> kept = each.pool->custody(each.disk->volume);
    if (!kept) return failure(kept.error());
    Custody next = first_custody(order.spec, true);
    if (*kept && ((*kept)->vm != next.vm || (*kept)->tenant != next.tenant))
      return failure(ErrorCode::denied, "volume " + each.disk->volume + " belongs to another");
    if (*kept) next.pin = (*kept)->pin;
    if (*kept && (*kept)->delivered) continue;
    if (const Status set = each.pool->set_custody(each.disk->volume, next); !set) return failure(set.error());
  }
  log(LogLevel::info, "agent", "delivered", {{"vm", order.spec.id}, {"tenant", order.spec.tenant}});
  return Done{report(order.spec.id), {}, {}};
}

// The strictest of what its volumes say. A tenant's machine of whose custody nothing is kept is shut: who
// could say that it wasn't delivered?
Result<std::optional<WallTime>> Agent::enter(const wire::OpenStream& order, const DomainIdentity& identity) {
  const Custodian::Visit visit{order.who, Inside::console, order.grant};
  std::optional<Custody> strictest;
  for (const auto& [pool_name, volume] : identity.volumes) {
    const auto pool = parts_.pools.find(pool_name);
    if (pool == parts_.pools.end()) continue;
    const Result<std::optional<Custody>> kept = pool->second->custody(volume);
    if (!kept) return failure(kept.error());
    if (*kept && (*kept)->vm != order.vm)
      return failure(ErrorCode::denied, "volume " + volume + " belongs to another machine");
    if (*kept && (!strictest || (*kept)->delivered)) strictest = **kept;
  }
  const bool of_tenant = identity.name.find('@') != std::string::npos;
  if (!strictest && of_tenant)
    return failure(ErrorCode::denied, "nothing is kept of who may get inside it: it stays shut");
  if (!strictest) return std::nullopt;
  const auto pin = parts_.custodian.may_enter(*strictest, visit, parts_.clock.wall());
  if (!pin) return failure(pin.error());
  if (*pin) keep_pin(identity, **pin);
  return strictest->delivered ? std::optional(order.grant->not_after) : std::nullopt;
}

// Of a key that took another's place: what the older one signs counts no more.
void Agent::keep_pin(const DomainIdentity& identity, const Pin& pin) {
  for (const auto& [pool_name, volume] : identity.volumes) {
    const auto pool = parts_.pools.find(pool_name);
    if (pool == parts_.pools.end()) continue;
    Result<std::optional<Custody>> kept = pool->second->custody(volume);
    Status set = kept ? Status() : Status(failure(kept.error()));
    if (kept && *kept) {
      (*kept)->pin = pin;
      set = pool->second->set_custody(volume, **kept);
    }
    if (!set)
      log(LogLevel::warning, "agent", "pin_not_kept", {{"volume", volume}, {"why", set.error().message}});
  }
}

}  // namespace bascule::hostd
