#include "failover/lease_lapse.h"

#include <algorithm>
#include <utility>

#include "failover/fence_host.h"
#include "failover/readiness.h"

namespace bascule {
namespace {

constexpr Duration kRevokeRetry = 5s;  // the lease plane answers at once, unless its word got lost

void ask_revocation(Turn& turn, Host& host) {
  if (!host.live.revoke_action) host.live.revoke_action = turn.new_action();
  host.live.revoke_retry_at = turn.now + kRevokeRetry;
  turn.touch(host);
  turn.actions.push_back(RevokeLease{
      *host.live.revoke_action, {host.record.id, *host.record.revoked}, !host.record.withheld, turn.now});
}

void begin_lapse(Turn& turn, Host& host, Duration at_least) {
  host.live.lapse = std::max({at_least, turn.state.cluster.longest_lapse, turn.policy.manager_lapse()});
  host.live.lapse_at = turn.now + host.live.lapse;
  turn.watch(host);
}

void give_lease_back(Turn& turn, Host& host, std::string words) {
  forget_revocation(host);
  turn.touch(host);
  turn.log("give_lease_back", host, Reason::host_back, std::move(words));
}

}  // namespace

bool is_lapsing(const Host& host) { return host.live.revoke_action || host.live.lapse_at; }

void forget_revocation(Host& host) {
  host.record.revoked.reset();
  host.record.revoked_echo.reset();
  host.record.withheld = false;
  host.live.revoke_action.reset();
  host.live.revoke_retry_at.reset();
  host.live.lapse_at.reset();
}

bool may_withhold(const Host& host, const Policy& policy) {
  return host.record.phase == HostPhase::up && !host.record.revoked && !host.live.lease_spared &&
         lease_counts(host, policy);
}

void withhold_lease(Turn& turn, Host& host) {
  forget_revocation(host);
  host.record.revoked = host.record.boot_id;
  host.record.withheld = true;
  turn.log("withhold_lease", host, Reason::heartbeats_missed,
           "should it be lost, the lapse counts from now; it gets its lease back when it is heard");
  ask_revocation(turn, host);
}

void host_lives(Turn& turn, Host& host) {
  host.live.lease_spared = false;
  if (host.record.withheld) give_lease_back(turn, host, "heard again before anything was decided");
}

void lease_asked(Turn& turn, Host& host, const LeaseAsked& asked) {
  if (!host.record.withheld || host.record.revoked != asked.copy.boot_id) return;
  host.live.lease_spared = true;
  give_lease_back(turn, host, "its guard asks for it: the host lives, though it sends no heartbeats");
}

void revoke_lease(Turn& turn, Host& host) {
  const BootId boot = *host.live.fenced_boot;
  const bool withheld = std::exchange(host.record.withheld, false) && host.record.revoked == boot;
  if (!withheld) forget_revocation(host);
  host.record.revoked = boot;
  host.live.revoke_action.reset();  // the guard is to be told otherwise than before
  ask_revocation(turn, host);
  // A predecessor withheld it: nobody granted since, but when that was isn't known.
  if (host.record.revoked_echo && !host.live.lapse_at) begin_lapse(turn, host, {});
}

void resume_lapse(Turn& turn, Host& host) {
  if (host.record.revoked && host.record.revoked_echo)
    begin_lapse(turn, host, {});
  else if (host.record.revoked)
    revoke_lease(turn, host);
}

void lease_revoked(Turn& turn, Host& host, const LeaseRevoked& revoked) {
  if (host.live.revoke_action != revoked.action) return;  // of another one, or it was asked twice
  host.live.revoke_action.reset();
  host.live.revoke_retry_at.reset();
  turn.watch(host);
  const bool fenced = host.record.phase == HostPhase::fencing;
  if (host.live.lapse_at || (!fenced && !host.record.withheld)) return;  // counts since it was withheld
  if (!revoked.armed && host.record.withheld) {
    host.live.lease_spared = true;
    return give_lease_back(turn, host, "no guard with an armed watchdog held it");
  }
  if (!revoked.armed)
    return hold_if_nothing_is_left(turn, host, "no guard with an armed watchdog held its lease");
  host.record.revoked_echo = revoked.echoed_sequence;
  turn.touch(host);
  begin_lapse(turn, host, revoked.lapse);
}

void lapse_due(Turn& turn, Host& host) {
  HostLive& live = host.live;
  HostRecord& record = host.record;
  const bool decided = record.phase == HostPhase::fencing || record.phase == HostPhase::held;
  if (live.revoke_retry_at && *live.revoke_retry_at <= turn.now) {
    live.revoke_retry_at.reset();
    const bool wanted = record.withheld || record.phase == HostPhase::fencing;
    if (live.revoke_action && wanted && record.revoked) ask_revocation(turn, host);
  }
  if (record.withheld || !live.lapse_at || *live.lapse_at > turn.now) return;
  live.lapse_at.reset();
  if (!decided || !record.revoked || !record.revoked_echo) return;
  prove_down(turn, host,
             {LeaseLapsedEvidence{{record.id, *record.revoked}, *record.revoked_echo, live.lapse, turn.wall}},
             Reason::evidence_lease_lapsed,
             "its lease lapsed " + in_seconds(live.lapse) + " after revocation");
}

}  // namespace bascule
