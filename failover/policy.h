// Policy: every number and switch that a decision depends on. Read from the configuration, constant while
// running.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/model.h"
#include "base/time.h"

namespace bascule {

struct Policy {
  // Detection
  Duration heartbeat = 1000ms;
  int missed_heartbeats = 3;     // ≥ 3: fewer turns one lost packet into a fence
  Duration longest_stall = 2s;   // of a link, that must not cost a host its life
  Duration connect_grace = 15s;  // after a manager's start, until silent hosts become suspect

  // Fencing
  LeaseMode on_lease_loss = LeaseMode::keep;
  Duration lease_ttl = 10s;
  Duration kill_budget = 2s;
  Duration watchdog_timeout = 5s;
  Duration planned_stop_ttl = 600s;  // granted when the manager is stopped, so that guests outlast an upgrade
  Duration power_off_time = 20s;     // the fence agent's bound for one verified off
  int power_off_attempts = 3;
  Duration power_retry = 5s;

  // Brake: beyond this many hosts fenced or relocated per window we hold and page
  int brake_hosts = 2;
  int brake_site_percent = 50;  // of a site's hosts; whichever allows more, never below one host
  Duration brake_window = 600s;

  // Commands
  Duration command_validity = 30s;  // not_after = host clock + this
  Duration start_time = 120s;       // without a reply: the outcome is unknown, the host is asked again
  Duration shutdown_grace = 60s;    // of a guest before a planned stop becomes a kill
  int restart_attempts = 3;         // of one VM within restart_window, then `failed` and paged
  Duration restart_window = 600s;

  // Storage
  Duration longest_behind = 60s;  // of the other site's copy of a volume, then people are told

  // People
  Duration plan_validity = 600s;  // of a failback plan
  Duration attest_validity = 600s;
  Duration readiness_period = 60s;  // BMC, guard, watchdog, capacity checks

  // At the manager a lease counts as lapsed this long after its revocation was committed: the longest that a
  // host may still run on it. Rate bound 1 %. Whole milliseconds, as it is stored.
  Duration manager_lapse() const {
    return std::chrono::ceil<std::chrono::milliseconds>(lease_ttl + lease_ttl / 100 + kill_budget +
                                                        watchdog_timeout + 500ms);
  }
  Duration suspicion_after() const { return heartbeat * missed_heartbeats; }
  // The silence from which a lease is withheld, should it turn out to be a loss. One lost packet (TCP sends
  // it again after 0.2 s) is no reason yet.
  Duration doubt_after() const { return std::min(heartbeat + 300ms, suspicion_after()); }
  // After this long without an answer a peer confirms a host's silence. Heartbeats can't tell a stalled link
  // from a dead host: TCP, which waits twice as long after each loss, brings them up to twice the stall late.
  // Probes, many in each heartbeat while a peer is doubted, are answered as soon as it ends; the fifth
  // of a second is for those that are lost. They don't wait for a processor: hostd's threads for them run at
  // real-time priority.
  Duration peer_silence() const {
    return std::max(suspicion_after() - heartbeat, longest_stall + std::max<Duration>(heartbeat, 200ms));
  }
  // The least silence on which a decision about a host can fall.
  Duration decision_after() const { return std::max(suspicion_after(), peer_silence()); }
  // The silence from which people are told that nothing can be decided. A stalled link is no news; what it
  // delayed may come a few times the stall late: TCP doubles its pauses, then gives up, and hosts dial anew.
  Duration hold_after() const { return decision_after() + longest_stall * 5; }
};
template <class V>
void fields(V& v, Policy& x) {
  v.optional("heartbeat_ms", x.heartbeat);
  v.optional("missed_heartbeats", x.missed_heartbeats);
  v.optional("longest_stall_ms", x.longest_stall);
  v.optional("connect_grace_ms", x.connect_grace);
  v.optional("on_lease_loss", x.on_lease_loss);
  v.optional("lease_ttl_ms", x.lease_ttl);
  v.optional("kill_budget_ms", x.kill_budget);
  v.optional("watchdog_timeout_ms", x.watchdog_timeout);
  v.optional("planned_stop_ttl_ms", x.planned_stop_ttl);
  v.optional("power_off_time_ms", x.power_off_time);
  v.optional("power_off_attempts", x.power_off_attempts);
  v.optional("power_retry_ms", x.power_retry);
  v.optional("brake_hosts", x.brake_hosts);
  v.optional("brake_site_percent", x.brake_site_percent);
  v.optional("brake_window_ms", x.brake_window);
  v.optional("command_validity_ms", x.command_validity);
  v.optional("start_time_ms", x.start_time);
  v.optional("shutdown_grace_ms", x.shutdown_grace);
  v.optional("restart_attempts", x.restart_attempts);
  v.optional("restart_window_ms", x.restart_window);
  v.optional("longest_behind_ms", x.longest_behind);
  v.optional("plan_validity_ms", x.plan_validity);
  v.optional("attest_validity_ms", x.attest_validity);
  v.optional("readiness_period_ms", x.readiness_period);
}

// Impossible or dangerous values, as "policy.key: what is wrong and the nearest sound value"; empty when
// sound.
std::vector<std::string> problems_of(const Policy& policy);

// The documented profile "fast": heartbeats of 200 ms, a silent host is suspect after 600 ms.
Policy fast_profile();

}  // namespace bascule
