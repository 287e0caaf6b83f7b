#include "failover/site.h"

#include <fmt/format.h>

#include <algorithm>

#include "failover/fault_detector.h"
#include "failover/fence_host.h"
#include "failover/incidents.h"

namespace bascule {
namespace {

template <class Check>
bool each_of_site(const State& state, const SiteId& site, Check check) {
  std::size_t known = 0;
  for (const auto& [id, host] : state.hosts) {
    if (host.record.site != site || !host.record.boot_id) continue;
    ++known;
    if (!check(host)) return false;
  }
  return known >= 2;
}

bool is_given_up(const Host& host) {
  const HostPhase phase = host.record.phase;
  return phase == HostPhase::down || phase == HostPhase::fencing || phase == HostPhase::held;
}

}  // namespace

bool may_site_be_lost(const State& state, const SiteId& site, Instant now, const Policy& policy) {
  return each_of_site(state, site, [&](const Host& host) {
    return is_given_up(host) || (now - host.live.last_heard) * 2 > policy.heartbeat * 3;
  });
}

bool is_site_lost(const State& state, const SiteId& site, Instant now, const Policy& policy) {
  std::vector<const Host*> witnesses;
  for (const auto& [id, host] : state.hosts)
    if (host.record.site != site && host.record.phase == HostPhase::up &&
        host.live.drill == DrillPhase::none && !host.live.off_by_operator)
      witnesses.push_back(&host);
  if (witnesses.empty()) return false;
  return each_of_site(state, site, [&](const Host& host) {
    if (is_given_up(host) && !is_weighed(host)) return true;
    return is_weighed(host) && std::all_of(witnesses.begin(), witnesses.end(), [&](const Host* witness) {
             return sighting_of(host, *witness, now, policy) == Sighting::confirms;
           });
  });
}

void declare_site_lost(Turn& turn, const SiteId& site, const Turn::Facts& facts) {
  std::vector<Host*> lost;
  for (auto& [id, host] : turn.state.hosts)
    if (host.record.site == site && is_weighed(host)) lost.push_back(&host);
  const IncidentId incident = open_incident(turn, "site_lost", site, lost);
  turn.log(
      "site_lost", "site/" + site.value, Reason::site_lost,
      fmt::format("no host of {} is heard by us or seen from elsewhere: the brake is lifted", site.value),
      facts);
  for (Host* host : lost) start_fencing(turn, *host, incident, Reason::site_lost, facts);
}

}  // namespace bascule
