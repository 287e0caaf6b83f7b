#include "failover/brake.h"

#include <fmt/format.h>

#include <algorithm>

#include "failover/turn.h"

namespace bascule {

BrakeCheck check_brake(const State& state, const SiteId& site, Instant now, const Policy& policy) {
  const auto hosts = std::count_if(state.hosts.begin(), state.hosts.end(),
                                   [&](const auto& entry) { return entry.second.record.site == site; });
  const std::int64_t share = hosts * policy.brake_site_percent / 100;
  const std::int64_t most = std::max<std::int64_t>({policy.brake_hosts, share, 1});
  const auto fenced = std::count_if(state.fences.begin(), state.fences.end(),
                                    [&](Instant at) { return now - at < policy.brake_window; });
  if (fenced < most) return {};
  return {false,
          fmt::format("{} hosts were fenced within {}, and the brake allows {}: look at the site, then "
                      "use `bascule host attest-down` for each host that is really dead",
                      fenced, in_seconds(policy.brake_window), most)};
}

}  // namespace bascule
