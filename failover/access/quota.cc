#include "failover/access/quota.h"

#include <fmt/format.h>

namespace bascule {
namespace {

void add(Quota& sum, const Quota& more) {
  sum.vms += more.vms;
  sum.memory_mib += more.memory_mib;
  sum.vcpus += more.vcpus;
  sum.storage_mib += more.storage_mib;
}

std::string too_much(const char* what, std::uint64_t used, std::uint64_t more, std::uint64_t most) {
  if (more == 0 || used + more <= most) return "";
  return fmt::format("{}: {} of {} are used, {} more don't fit", what, used, most, more);
}

// What its volume is about to be counts already: several may grow at once.
Quota quota_with_growth(const Vm& vm) {
  Quota quota = quota_of(vm.record.spec);
  const auto* grow = vm.live.change ? std::get_if<wire::Grow>(&vm.live.change->change) : nullptr;
  if (!grow) return quota;
  for (const Disk& disk : vm.record.spec.disks)
    if (disk.pool == grow->pool && disk.volume == grow->volume && grow->size_mib > disk.size_mib)
      quota.storage_mib += grow->size_mib - disk.size_mib;
  return quota;
}

}  // namespace

Quota quota_of(const VmSpec& spec) {
  Quota quota{1, spec.memory_mib, spec.vcpus, 0};
  for (const Disk& disk : spec.disks) quota.storage_mib += disk.size_mib;
  return quota;
}

std::uint64_t storage_of(const TenantImage& image) { return (image.bytes + (1 << 20) - 1) >> 20; }

Quota used_by(const State& state, const TenantId& tenant) {
  Quota used;
  const std::string prefix = tenant.value + "/";
  for (auto named = state.vm_names.lower_bound(prefix);
       named != state.vm_names.end() && named->first.starts_with(prefix); ++named)
    add(used, quota_with_growth(state.vms.at(named->second)));
  for (const auto& [id, image] : state.directory.images)
    if (image.tenant == tenant) used.storage_mib += storage_of(image);
  return used;
}

std::string why_over_quota(const State& state, const Asked& asked, const TenantId& tenant,
                           const Quota& more) {
  if (asked.token.empty()) return "";
  const auto found = state.directory.tenants.find(tenant);
  if (found == state.directory.tenants.end() || !found->second.quota)
    return tenant.value + " has no quota yet: ask your provider for one";
  const Quota& most = *found->second.quota;
  const Quota used = used_by(state, tenant);
  std::string words;
  for (const std::string& problem :
       {too_much("machines", used.vms, more.vms, most.vms),
        too_much("memory in MiB", used.memory_mib, more.memory_mib, most.memory_mib),
        too_much("processors", used.vcpus, more.vcpus, most.vcpus),
        too_much("storage in MiB", used.storage_mib, more.storage_mib, most.storage_mib)})
    if (!problem.empty()) words += (words.empty() ? "quota of " : "; of ") + problem;
  return words;
}

void set_quota(Turn& turn, const SetQuota& asked) {
  const std::string subject = "tenant/" + asked.tenant.value;
  const auto found = turn.state.directory.tenants.find(asked.tenant);
  if (found == turn.state.directory.tenants.end())
    return turn.refuse(asked.asked, "set_quota", subject,
                       {ErrorCode::not_found, "no tenant " + asked.tenant.value});
  found->second.quota = asked.quota;
  turn.touch(found->second);
  turn.log(asked.asked, "set_quota", subject, Reason::requested, "",
           {{"vms", std::to_string(asked.quota.vms)},
            {"memory_mib", std::to_string(asked.quota.memory_mib)},
            {"vcpus", std::to_string(asked.quota.vcpus)},
            {"storage_mib", std::to_string(asked.quota.storage_mib)}});
  turn.answer(asked.asked.request, asked.tenant.value);
}

}  // namespace bascule
