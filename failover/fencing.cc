// The only place where receipts are made.
#include "failover/fencing.h"

#include <fmt/format.h>

#include <algorithm>

#include "failover/policy.h"
#include "failover/state.h"

namespace bascule {
namespace {

// Two reads less than this apart may both come from the BMC's cache.

bool holds(const PowerOffEvidence& e, const Host& host, const Copy& copy, Instant) {
  return e.copy == copy && host.record.bmc && host.record.bmc->guid == e.bmc_guid && !e.bmc_guid.empty() &&
         e.reads_apart >= kReadsApart;
}
bool holds(const LeaseLapsedEvidence& e, const Host& host, const Copy& copy, Instant) {
  return e.copy == copy && e.lapse > Duration{0} && host.record.revoked == copy.boot_id &&
         !host.record.withheld;
}
bool holds(const OperatorEvidence& e, const Host& host, const Copy& copy, Instant now) {
  return e.copy == copy && !e.serial.empty() && host.live.attested_until && now <= *host.live.attested_until;
}
// A host's word is about one VM and stands in the VM's record.
bool holds(const HostWordEvidence&, const Host&, const Copy&, Instant) { return false; }

}  // namespace

Result<Receipt> mint_receipt(const State& state, const VmId& vm_id, const Copy& copy, Instant now,
                             const Policy&) {
  if (state.cluster.recovering)
    return failure(ErrorCode::unavailable,
                   "the database was restored: no proof counts until all hosts reported");
  const auto vm = state.vms.find(vm_id);
  const auto host = state.hosts.find(copy.host);
  if (vm == state.vms.end() || host == state.hosts.end())
    return failure(ErrorCode::not_found, "no such VM or host");
  const Placement& placement = vm->second.record.placement;
  for (const HostWordEvidence& word : vm->second.record.words)
    if (word.host == copy.host && word.vm == vm_id && word.generation >= placement.generation)
      return Receipt(copy, vm_id, word.generation, word);

  // A boot that speaks to us now is not dead, whatever is stored.
  const bool speaks = host->second.live.session && host->second.record.boot_id == copy.boot_id;
  for (const Evidence& evidence : host->second.record.evidence) {
    if (speaks) break;
    const bool valid = std::visit([&](const auto& e) { return holds(e, host->second, copy, now); }, evidence);
    if (valid) return Receipt(copy, vm_id, placement.generation, evidence);
  }
  return failure(ErrorCode::unavailable,
                 fmt::format("{} may still run on {} (boot {}): no proof that it ended",
                             vm->second.record.spec.name, copy.host.value, copy.boot_id.value));
}

Result<StartElsewhere> StartElsewhere::prove(const State& state, const VmId& vm_id,
                                             std::vector<Receipt> receipts) {
  const auto vm = state.vms.find(vm_id);
  if (vm == state.vms.end()) return failure(ErrorCode::not_found, "no such VM");
  const Placement& placement = vm->second.record.placement;
  for (const Copy& copy : placement.may_run) {
    const bool proved = std::any_of(receipts.begin(), receipts.end(), [&](const Receipt& receipt) {
      return receipt.vm() == vm_id && receipt.copy() == copy && receipt.generation() >= placement.generation;
    });
    if (!proved)
      return failure(ErrorCode::conflict,
                     fmt::format("{} may still run on {} (boot {})", vm->second.record.spec.name,
                                 copy.host.value, copy.boot_id.value));
  }
  return StartElsewhere(vm_id, placement.generation.next(), std::move(receipts));
}

}  // namespace bascule
