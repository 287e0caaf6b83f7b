#include "failover/placement.h"

#include <fmt/format.h>

namespace bascule {
namespace {

std::uint64_t left_for(const Host& host, const PlacementWish& wish) {
  const auto promised = wish.promised_mib.find(host.record.id);
  const std::uint64_t taken = promised == wish.promised_mib.end() ? 0 : promised->second;
  const std::uint64_t left = free_mib(host);
  return left > taken ? left - taken : 0;
}

}  // namespace

std::uint64_t free_mib(const Host& host) {
  const std::uint64_t all = host.record.capacity.memory_mib;
  return all > host.live.committed_mib ? all - host.live.committed_mib : 0;
}

std::string why_not(const Host& host, const VmSpec& spec, const PlacementWish& wish) {
  if (host.record.quarantined)
    return fmt::format("is quarantined ({})", name_of(host.record.quarantine_reason));
  if (host.record.phase != HostPhase::up) return fmt::format("is {}", name_of(host.record.phase));
  if (!host.live.session) return "has no session with the manager";
  if (host.live.drill != DrillPhase::none) return "is in a fencing drill";
  if (const auto failed = wish.avoid.find(host.record.id); failed != wish.avoid.end())
    return "could not start it: " + failed->second;
  if (host.record.capacity.vcpus < spec.vcpus)
    return fmt::format("has {} CPUs, {} are needed", host.record.capacity.vcpus, spec.vcpus);
  const std::uint64_t left = left_for(host, wish);
  if (left < spec.memory_mib) return fmt::format("has {} MiB left, {} are needed", left, spec.memory_mib);
  return "";
}

PlacementChoice place(const State& state, const VmSpec& spec, const PlacementWish& wish) {
  PlacementChoice choice;
  for (const SiteId& site : wish.sites) {
    std::uint64_t best = 0;
    for (const auto& [id, host] : state.hosts) {
      if (host.record.site != site) continue;
      const std::string problem = why_not(host, spec, wish);
      if (!problem.empty()) {
        choice.refused[id] = problem;
        continue;
      }
      const std::uint64_t left = left_for(host, wish);
      if (choice.host && left <= best) continue;
      choice.host = id;
      best = left;
    }
    if (choice.host) {
      choice.explanation =
          fmt::format("{} at {} has the most memory left: {} MiB", choice.host->value, site.value, best);
      return choice;
    }
  }
  choice.explanation = fmt::format("no host can carry {} ({} MiB)", spec.name, spec.memory_mib);
  for (const auto& [id, problem] : choice.refused)
    choice.explanation += fmt::format("; {} {}", id.value, problem);
  if (choice.refused.empty()) choice.explanation += "; no host is in question";
  return choice;
}

}  // namespace bascule
