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
  if (delivered) next.delivered_at = parts_.clock.wall();
  if (*kept) {
    next.pin = (*kept)->pin;
    next.glass = (*kept)->glass;
  }
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
    if (!kept || !*kept || (*kept)->delivered) continue;
    Custody next = **kept;
    hostd::note_boot(next, spec);
    if (next.boots == (*kept)->boots && next.cdrom == (*kept)->cdrom) continue;
    if (const Status set = pool->second->set_custody(disk.volume, next); !set)
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
    Custody as_asked = **kept;
    hostd::note_boot(as_asked, order.spec);
    if ((*kept)->boots != as_asked.boots || (*kept)->cdrom != as_asked.cdrom)
      return failure(ErrorCode::policy,
                     "it would boot otherwise than it was started last: start it anew first");
    Custody next = **kept;
    if (!next.delivered) next.delivered_at = parts_.clock.wall();
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

// Of several volumes that of the one which is delivered, with the newest key, and all marks.
Result<std::optional<Custody>> Agent::strictest_custody(
    const VmId& vm, const std::vector<DomainIdentity::Volume>& volumes) const {
  std::optional<Custody> strictest;
  for (const auto& [pool_name, volume] : volumes) {
    const auto pool = parts_.pools.find(pool_name);
    if (pool == parts_.pools.end()) continue;
    const Result<std::optional<Custody>> kept = pool->second->custody(volume);
    if (!kept) return failure(kept.error());
    if (!*kept) continue;
    if ((*kept)->vm != vm)
      return failure(ErrorCode::denied, "volume " + volume + " belongs to another machine");
    const auto serial = [](const Custody& custody) { return custody.pin ? custody.pin->serial : 0; };
    const auto rank = [&](const Custody& custody) { return std::pair(custody.delivered, serial(custody)); };
    std::vector<GlassMark> marks = strictest ? std::move(strictest->glass) : std::vector<GlassMark>();
    if (marks.size() < (*kept)->glass.size()) marks = (*kept)->glass;
    if (!strictest || rank(**kept) > rank(*strictest)) strictest = **kept;
    strictest->glass = std::move(marks);
  }
  return strictest;
}

void Agent::watch_custody() {
  for (const wire::DomainReport& report : hello().domains) {
    const Result<std::string> xml = parts_.hypervisor.xml(report.vm);
    if (!xml) continue;
    const DomainIdentity identity = identity_of(*xml);
    const auto kept = is_of_tenant(identity) ? strictest_custody(report.vm, identity.volumes) : std::nullopt;
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
  const auto kept = strictest_custody(order.vm, identity.volumes);
  if (!kept) return failure(kept.error());
  if (!*kept && is_of_tenant(identity))
    return failure(ErrorCode::denied, "nothing is kept of who may get inside it: it stays shut");
  if (!*kept || !(*kept)->delivered)
    if (const Status never = check_never_delivered(order); !never) return failure(never.error());
  if (!*kept) return std::nullopt;
  const Custodian::Visit visit{order.who, Inside::console, order.grant, order.glass};
  const auto entry = parts_.custodian.may_enter(**kept, visit, parts_.clock.wall());
  if (!entry) return failure(entry.error());
  if (const Status noted = keep_entry(order.vm, identity.volumes, *entry); !noted)
    return failure(noted.error());
  if (!entry->mark) return entry->until;
  log(LogLevel::warning, "agent", "glass_broken",
      {{"vm", order.vm}, {"who", order.who}, {"reason", entry->mark->reason}});
  return failure(ErrorCode::conflict, (*kept)->tenant.value + " is told now: it opens at " +
                                          to_iso8601(parts_.custodian.opens_at(*entry->mark)));
}

// Back to what its tenant doesn't know is a way inside: from its first grant on its key must say so, and
// always where the snapshot is from before it was delivered.
Status Agent::may_roll_back(const VmSpec& spec, const wire::RollBack& change) {
  std::vector<DomainIdentity::Volume> volumes;
  bool should_be_kept = false;
  for (const Disk& disk : spec.disks) {
    volumes.push_back({disk.pool, disk.volume});
    const auto pool = parts_.pools.find(disk.pool);
    should_be_kept |= !spec.tenant.empty() && pool != parts_.pools.end() && pool->second->keeps_custody();
  }
  const auto kept = strictest_custody(spec.id, volumes);
  if (!kept) return failure(kept.error());
  if (!*kept && should_be_kept)
    return failure(ErrorCode::denied, "nothing is kept of who may get inside it: it stays as it is");
  if (!*kept) return {};
  const Custody& custody = **kept;
  if (change.grant) {
    const Custodian::Visit visit{change.who, Inside::roll_back, change.grant, std::nullopt, change.name};
    const auto entry = parts_.custodian.may_enter(custody, visit, parts_.clock.wall());
    return entry ? keep_entry(spec.id, volumes, *entry) : failure(entry.error());
  }
  if (!custody.delivered) return {};
  if (custody.pin)
    return failure(ErrorCode::denied,
                   custody.tenant.value + " has a key, which must say so: a grant for roll_back is needed");
  for (const Disk& disk : spec.disks)
    if (const Status later = check_taken_since(disk, change.name, custody.delivered_at); !later) return later;
  return {};
}

// What can't be told is no leave.
Status Agent::check_taken_since(const Disk& disk, const std::string& snapshot,
                                const std::optional<WallTime>& delivered) const {
  const auto pool = parts_.pools.find(disk.pool);
  const auto seen = pool == parts_.pools.end()
                        ? std::nullopt
                        : pool->second->tend(disk.volume, {Generation(), std::nullopt, true});
  const std::vector<wire::SnapshotSeen> none;
  for (const wire::SnapshotSeen& one : seen ? seen->snapshots : none)
    if (one.name == snapshot && delivered && one.taken.unix_ms >= delivered->unix_ms) return {};
  return failure(ErrorCode::denied,
                 "snapshot " + snapshot +
                     " is from before the machine was delivered, or when it is from can't be told: its "
                     "tenant's grant is needed");
}

// Of a key that took another's place: what the older one signs counts no more. Of broken glass: for ever.
Status Agent::keep_entry(const VmId& vm, const std::vector<DomainIdentity::Volume>& volumes,
                         const Custodian::Entry& entry) {
  if (!entry.pin && !entry.mark && entry.used.empty()) return {};
  const auto one = custody_lock(vm);
  const std::lock_guard lock(*one);
  for (const auto& [pool_name, volume] : volumes) {
    const auto pool = parts_.pools.find(pool_name);
    if (pool == parts_.pools.end()) continue;
    Result<std::optional<Custody>> kept = pool->second->custody(volume);
    if (!kept) return failure(kept.error());
    if (!*kept) continue;
    if (entry.pin && (!(*kept)->pin || (*kept)->pin->serial < entry.pin->serial)) (*kept)->pin = entry.pin;
    if (entry.mark) (*kept)->glass.push_back(*entry.mark);
    for (GlassMark& mark : (*kept)->glass)
      if (mark.nonce == entry.used) mark.used = parts_.clock.wall();
    if (const Status set = pool->second->set_custody(volume, **kept); !set) return set;
  }
  return {};
}

}  // namespace bascule::hostd
