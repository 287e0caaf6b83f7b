#include "failover/fence_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/ensure.h"
#include "failover/fault_detector.h"
#include "failover/incidents.h"
#include "failover/lease_lapse.h"
#include "failover/readiness.h"
#include "failover/recovery.h"
#include "failover/storage_servers.h"

namespace bascule {
namespace {

constexpr Duration kHeldRetry = 30s;  // of power off, while a person is awaited
constexpr Duration kStorageRetry = 1s;
constexpr Duration kDaemonsGoDown = 45s;  // of a dead host; Ceph needs 20 to 25 s to notice

bool can_power(const Host& host) { return host.record.has_bmc && host.record.bmc.has_value(); }

void send_power_off(Turn& turn, Host& host) {
  host.live.power_action = turn.new_action();
  // An answer may get lost, and several hosts may wait for the same agents.
  host.live.power_retry_at = turn.now + turn.policy.power_off_time * 2 + 10s;
  host.live.power_withheld.reset();
  ++host.live.power_off_attempts;
  turn.actions.push_back(PowerOff{*host.live.power_action, host.record.id});
  turn.watch(host);
}

// Storage that it carries may be needed by guests elsewhere, if it lives. Should it be dead, the storage will
// say so.
void cut_power(Turn& turn, Host& host) {
  HostLive& live = host.live;
  const std::string needed = why_storage_needs(turn, host);
  if (needed.empty()) return send_power_off(turn, host);
  if (!live.power_withheld) {
    live.power_withheld = turn.now;
    turn.log("power_withheld", host, Reason::storage_needs_it, needed);
  }
  live.power_retry_at = turn.now + kStorageRetry;
  turn.watch(host);
  const bool waits = is_lapsing(host) || turn.now - *live.power_withheld < kDaemonsGoDown;
  if (waits || host.record.phase != HostPhase::fencing) return;
  hold(turn, host, Reason::storage_needs_it,
       fmt::format("{}: {}. Make sure that it is off, then `bascule host attest-down {}`",
                   host.record.id.value, needed, host.record.id.value));
}

// Evidence about boots that no may_run names any more.
void drop_spent_evidence(const State& state, Host& host) {
  const std::vector<Copy> needed = fenced_copies(state, host);
  std::erase_if(host.record.evidence, [&](const Evidence& evidence) {
    return std::visit(
        [&](const auto& e) {
          if constexpr (requires { e.copy; })
            return !names_copy(needed, e.copy);
          else
            return true;
        },
        evidence);
  });
}

// Of what was switched away no trace may start there again.
void forbid_switched(Turn& turn, const Host& host) {
  if (!host.record.incident) return;
  const auto incident = turn.state.incidents.find(*host.record.incident);
  if (incident == turn.state.incidents.end()) return;
  const Copy here{host.record.id, *host.record.boot_id};
  for (const VmId& id : incident->second.vms) {
    const Vm* vm = turn.find_vm(id);
    if (vm && !turn.state.vms_by_host[host.record.id].contains(id))
      turn.forbid_aside(id, here, vm->record.placement.generation);
  }
}

std::string problem_of(const Host& host, const PowerOffDone& done) {
  if (!done.outcome) return "power off failed: " + done.outcome.error().message;
  if (done.bmc_guid != host.record.bmc->guid)
    return fmt::format("the BMC that answered is {}, not {} which the drill bound to this host",
                       done.bmc_guid, host.record.bmc->guid);
  if (done.reads_apart < kReadsApart) return "the two reads of the power state were less than a second apart";
  return "";
}

}  // namespace

void hold_if_nothing_is_left(Turn& turn, Host& host, const std::string& words) {
  const HostLive& live = host.live;
  const bool power = live.power_action || live.power_retry_at;
  if (power || is_lapsing(host) || host.record.phase != HostPhase::fencing) return;
  hold(turn, host, Reason::fencing_unavailable,
       fmt::format("{}: {}. Make sure that it is off, then `bascule host attest-down {}`",
                   host.record.id.value, words, host.record.id.value));
  if (can_power(host)) host.live.power_retry_at = turn.now + kHeldRetry;
}

bool has_evidence(const Host& host, const BootId& boot) {
  const Copy copy{host.record.id, boot};
  return std::any_of(host.record.evidence.begin(), host.record.evidence.end(), [&](const Evidence& evidence) {
    return std::visit(
        [&](const auto& e) {
          if constexpr (requires { e.copy; })
            return e.copy == copy;
          else
            return false;
        },
        evidence);
  });
}

std::vector<Copy> fenced_copies(const State& state, const Host& host) {
  std::set<Copy> copies;
  // A boot that came after the decision isn't ended by what was decided about its predecessor.
  const auto& latest = host.record.boot_id;
  const auto& fenced = host.live.fenced_boot ? host.live.fenced_boot : latest;
  if (fenced) copies.insert({host.record.id, *fenced});
  const auto found = state.vms_by_host.find(host.record.id);
  if (found != state.vms_by_host.end())
    for (const VmId& vm : found->second)
      for (const Copy& copy : state.vms.at(vm).record.placement.may_run)
        if (copy.host == host.record.id && (copy.boot_id != latest || latest == fenced)) copies.insert(copy);
  return {copies.begin(), copies.end()};
}

void declare_host_lost(Turn& turn, Host& host, std::string words, const Turn::Facts& facts) {
  const IncidentId incident = open_incident(turn, "host_lost", std::nullopt, {&host});
  turn.log("host_lost", host, Reason::heartbeats_missed, std::move(words), facts);
  start_fencing(turn, host, incident, Reason::heartbeats_missed, facts);
}

void start_fencing(Turn& turn, Host& host, const IncidentId& incident, Reason reason,
                   const Turn::Facts& facts) {
  turn.set_phase(host, HostPhase::fencing, Reason::fencing_started);
  host.record.incident = incident;
  host.record.quarantined = true;
  host.record.quarantine_reason = reason;
  host.live.fenced_boot = host.record.boot_id;
  drop_spent_evidence(turn.state, host);
  turn.state.fences.push_back(turn.now);
  host.live.power_off_attempts = 0;
  const bool lease = lease_counts(host, turn.policy) || host.record.withheld;
  Turn::Facts means = facts;
  means["by"] = std::string(can_power(host) ? "power" : "") + (can_power(host) && lease ? " and " : "") +
                (lease ? "lease" : "");
  turn.log("fence_host", host, reason, "", means);
  host.live.power_withheld.reset();
  if (can_power(host)) cut_power(turn, host);
  if (lease) revoke_lease(turn, host);
  queue_recovery(turn, host);
  hold_if_nothing_is_left(turn, host, "its BMC was never tested by a drill, and its lease is no evidence");
}

void power_off_done(Turn& turn, Host& host, const PowerOffDone& done) {
  if (host.live.power_action != done.action) return;
  host.live.power_action.reset();
  host.live.power_retry_at.reset();
  turn.watch(host);
  const HostPhase phase = host.record.phase;
  if (phase != HostPhase::fencing && phase != HostPhase::held && phase != HostPhase::down) return;
  if (!can_power(host)) return;
  const std::string problem = problem_of(host, done);
  if (problem.empty()) {
    std::vector<Evidence> evidence;
    for (const Copy& copy : fenced_copies(turn.state, host))
      evidence.push_back(PowerOffEvidence{copy, done.bmc_guid, done.reads_apart, turn.wall});
    return prove_down(turn, host, std::move(evidence), Reason::evidence_power_off,
                      "off by its BMC, read twice, " + in_seconds(done.reads_apart) + " apart");
  }
  if (phase == HostPhase::down) return;
  // While held it is tried for hours: said once is enough.
  if (phase != HostPhase::held) turn.log("power_off_failed", host, Reason::fencing_started, problem);
  const bool again = host.live.power_off_attempts < turn.policy.power_off_attempts;
  if (phase == HostPhase::fencing && again) host.live.power_retry_at = turn.now + turn.policy.power_retry;
  if (phase == HostPhase::held) host.live.power_retry_at = turn.now + kHeldRetry;
  hold_if_nothing_is_left(turn, host, problem);
}

void fencing_due(Turn& turn, Host& host) {
  HostLive& live = host.live;
  const HostPhase phase = host.record.phase;
  const bool fencing = phase == HostPhase::fencing || phase == HostPhase::held;
  if (live.power_retry_at && *live.power_retry_at <= turn.now) {
    live.power_retry_at.reset();
    const bool unanswered = std::exchange(live.power_action, std::nullopt).has_value();
    const bool spent =
        phase == HostPhase::fencing && live.power_off_attempts >= turn.policy.power_off_attempts;
    if (fencing && can_power(host) && !spent) cut_power(turn, host);
    if (unanswered && spent) hold_if_nothing_is_left(turn, host, "power off was never answered");
  }
  lapse_due(turn, host);
  if (live.attested_until && *live.attested_until <= turn.now) {
    live.attested_until.reset();
    if (host.record.phase != HostPhase::down || turn.state.vms_by_host[host.record.id].empty()) return;
    host.record.evidence.clear();
    hold(turn, host, Reason::fencing_unavailable,
         "the operator's word that it is down has expired before all its VMs were started");
  }
}

void resume_fencing(Turn& turn, Host& host) {
  host.live.fenced_boot = host.record.boot_id;
  turn.watch(host);
  turn.log("resume_fencing", host, Reason::fencing_started, "the manager was restarted meanwhile");
  resume_lapse(turn, host);
  host.live.power_off_attempts = 0;
  if (can_power(host)) cut_power(turn, host);
  hold_if_nothing_is_left(turn, host, "no proof of its death can be had");
}

void recheck_down(Turn& turn, Host& host) {
  if (turn.state.vms_by_host[host.record.id].empty()) return;
  const auto& evidence = host.record.evidence;
  const bool only_words = std::all_of(evidence.begin(), evidence.end(), [](const Evidence& item) {
    return std::holds_alternative<OperatorEvidence>(item);
  });
  if (!only_words) return;
  host.record.evidence.clear();
  hold(turn, host, Reason::fencing_unavailable,
       fmt::format("{} was attested to the manager's predecessor, and not all its VMs were started: "
                   "`bascule host attest-down {}` again",
                   host.record.id.value, host.record.id.value));
}

void prove_down(Turn& turn, Host& host, std::vector<Evidence> evidence, Reason reason, std::string words) {
  for (Evidence& item : evidence) host.record.evidence.push_back(std::move(item));
  host.live.power_retry_at.reset();
  if (host.record.withheld) revoke_lease(turn, host);  // decided now
  host.live.lapse_at.reset();
  host.live.session = false;
  turn.set_phase(host, HostPhase::down, reason);
  turn.log("host_down", host, reason, std::move(words));
  queue_recovery(turn, host);
}

void spare_host(Turn& turn, Host& host) {
  if (host.live.power_action) return;  // an order to cut its power may still be under way
  host.live.power_retry_at.reset();
  host.record.quarantined = false;
  forget_revocation(host);
  turn.set_phase(host, HostPhase::up, Reason::host_back);
  turn.log("host_back", host, Reason::host_back, "heard again before its death was proved: its VMs stay");
  leave_incident(turn, host);
  resume_vms(turn, host);
}

void host_returned(Turn& turn, Host& host) {
  turn.set_phase(host, HostPhase::up, Reason::returned_quarantined);
  host.live.power_retry_at.reset();
  forget_revocation(host);
  if (host.record.quarantine_reason == Reason::requested && host.record.quarantined) {
    host.record.quarantined = false;
    return turn.log("host_up", host, Reason::host_back, "switched on again");
  }
  turn.log("host_returned", host, Reason::returned_quarantined,
           "back after it was declared faulty: quarantined until cleared");
  turn.notify(
      NoticeKind::host_returned, host.record.incident,
      {{"host", host.record.id.value},
       {"site", host.record.site.value},
       {"detail", fmt::format("it gets nothing until `bascule host clear {}`", host.record.id.value)}});
  forbid_switched(turn, host);
  queue_recovery(turn, host);  // its word counts from now on
}

void contradict(Turn& turn, Host& host, const BootId& boot) {
  const Copy copy{host.record.id, boot};
  bool by_power = false;
  bool by_lease_alone = true;
  std::erase_if(host.record.evidence, [&](const Evidence& evidence) {
    const bool power = std::holds_alternative<PowerOffEvidence>(evidence);
    const bool spoke = std::visit(
        [&](const auto& e) {
          if constexpr (requires { e.copy; })
            return e.copy == copy;
          else
            return false;
        },
        evidence);
    by_power = by_power || (spoke && power);
    by_lease_alone = by_lease_alone && (!spoke || std::holds_alternative<LeaseLapsedEvidence>(evidence));
    return spoke;
  });
  host.live.attested_until.reset();
  host.live.power_retry_at.reset();
  if (host.record.boot_id == boot) host.live.session = true;
  // A lapse ends the guests, not the host: that it is heard again contradicts nothing. From now on its word
  // counts.
  if (by_lease_alone && host.record.phase == HostPhase::down && host.record.boot_id == boot)
    return host_returned(turn, host);
  // A BMC that said "off" of a living host proves nothing any more.
  if (by_power) host.record.bmc.reset();
  host.record.quarantined = true;
  host.record.quarantine_reason = Reason::evidence_contradicted;
  hold(turn, host, Reason::evidence_contradicted,
       fmt::format(
           "{} (boot {}) was proved down and speaks: the proof is void. Look at its BMC and at its VMs "
           "by hand",
           host.record.id.value, boot.value));
}

}  // namespace bascule
