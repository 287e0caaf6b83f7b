#include "failover/fault_detector.h"

#include <fmt/format.h>

#include <algorithm>

#include "failover/brake.h"
#include "failover/fence_host.h"
#include "failover/lease_lapse.h"
#include "failover/site.h"

namespace bascule {

Sighting sighting_of(const Host& host, const Host& peer, Instant now, const Policy& policy) {
  const HostId& id = peer.record.id;
  const auto told = host.live.sighting_at.find(id);
  if (told == host.live.sighting_at.end()) return Sighting::undecided;
  const auto seen = host.live.seen_by.find(id);
  const bool ever = seen != host.live.seen_by.end();
  if (ever && (now - seen->second) * 2 < policy.heartbeat * 3) return Sighting::sees;

  const bool current =
      now - told->second <= policy.heartbeat * 2 && told->second >= host.live.last_heard + policy.heartbeat;
  // A peer that never had an answer counts from the begin of its own session.
  const Instant silent_since = ever ? seen->second : peer.live.session_since;
  const bool long_enough = told->second - silent_since >= policy.peer_silence();
  return current && long_enough ? Sighting::confirms : Sighting::undecided;
}

Weighing weigh(const State& state, const Host& host, Instant now, const Policy& policy) {
  Weighing w;
  const Duration silence = now - host.live.last_heard;
  const auto hold_if_it_lasts =
      silence > policy.hold_after() ? Weighing::Verdict::hold : Weighing::Verdict::wait;
  w.facts["silent_for"] = in_seconds(silence);
  std::map<SiteId, bool> confirmed;  // of each site with another host up
  bool any_heard = false;
  for (const auto& [id, peer] : state.hosts) {
    const bool away = peer.live.drill != DrillPhase::none || peer.live.off_by_operator;
    if (id == host.record.id || peer.record.phase != HostPhase::up || away) continue;
    any_heard = any_heard || now - peer.live.last_heard < policy.suspicion_after();
    const Sighting sighting = sighting_of(host, peer, now, policy);
    if (sighting == Sighting::sees) {
      w.facts["peer/" + id.value] = "sees it";
      w.verdict = hold_if_it_lasts;
      w.reason = Reason::peer_sees_it;
      w.words = fmt::format("{} is silent for {}, but {} still sees it alive", host.record.id.value,
                            in_seconds(silence), id.value);
      return w;
    }
    const bool confirms = sighting == Sighting::confirms;
    w.facts["peer/" + id.value] = confirms ? "sees nothing" : "not known yet";
    confirmed[peer.record.site] = confirmed[peer.record.site] || confirms;
  }
  if (!any_heard) {
    w.verdict = hold_if_it_lasts;
    w.reason = Reason::manager_isolated;
    w.words = "no host at all is heard: the fault is probably at the manager's own end";
    return w;
  }
  const auto missing =
      std::find_if(confirmed.begin(), confirmed.end(), [](const auto& entry) { return !entry.second; });
  if (missing == confirmed.end()) {
    w.verdict = Weighing::Verdict::fence;
    w.words =
        fmt::format("{} is silent for {} and no peer sees it", host.record.id.value, in_seconds(silence));
  } else {
    w.verdict = hold_if_it_lasts;
    w.reason = Reason::peer_sees_it;
    w.words = fmt::format("{} is silent for {}, but no peer at {} confirms it", host.record.id.value,
                          in_seconds(silence), missing->first.value);
  }
  return w;
}

bool is_weighed(const Host& host) {
  if (host.record.phase == HostPhase::suspect) return true;
  if (host.record.phase != HostPhase::held) return false;
  const Reason reason = host.record.phase_reason;
  return reason == Reason::peer_sees_it || reason == Reason::manager_isolated || reason == Reason::brake ||
         reason == Reason::recovering_epoch;
}

std::optional<Instant> detector_deadline(const State& state, const Host& host, Instant now,
                                         const Policy& policy) {
  if (host.live.drill != DrillPhase::none || host.live.off_by_operator) return std::nullopt;
  switch (host.record.phase) {
    case HostPhase::absent:  // a host that never spoke to any manager can run nothing of ours
      if (!host.record.boot_id) return std::nullopt;
      return state.started + policy.connect_grace;
    case HostPhase::up:
      return host.live.last_heard +
             (may_withhold(host, policy) ? policy.doubt_after() : policy.suspicion_after());
    case HostPhase::suspect:
    case HostPhase::held:
      if (is_weighed(host)) return now + policy.heartbeat / 4;
      return std::nullopt;
    case HostPhase::fencing:
    case HostPhase::down:
      return std::nullopt;
  }
  return std::nullopt;
}

namespace {
bool any_held_for(const State& state, Reason reason) {
  return std::any_of(state.hosts.begin(), state.hosts.end(), [&](const auto& entry) {
    return entry.second.record.phase == HostPhase::held && entry.second.record.phase_reason == reason;
  });
}
NoticeKind notice_of_hold(Reason reason) {
  switch (reason) {
    case Reason::evidence_contradicted:
      return NoticeKind::evidence_contradicted;
    case Reason::peer_sees_it:
    case Reason::manager_isolated:
    case Reason::brake:
      return NoticeKind::host_doubted;
    default:
      return NoticeKind::fencing_held;
  }
}
}  // namespace

void hold(Turn& turn, Host& host, Reason reason, std::string words, Turn::Facts facts) {
  if (host.record.phase == HostPhase::held && host.record.phase_reason == reason) return;
  // A blind manager pages once, not once for each host.
  const bool told = reason == Reason::manager_isolated && any_held_for(turn.state, reason);
  turn.set_phase(host, HostPhase::held, reason);
  turn.log("hold", host, reason, words, facts);
  if (told) return;
  turn.notify(notice_of_hold(reason), host.record.incident,
              {{"host", host.record.id.value},
               {"site", host.record.site.value},
               {"n", std::to_string(turn.state.vms_by_host[host.record.id].size())},
               {"reason", std::string(name_of(reason))},
               {"detail", std::move(words)}});
}

void end_isolation(Turn& turn) {
  turn.state.isolated = false;
  for (auto& [id, host] : turn.state.hosts) {
    const bool held =
        host.record.phase == HostPhase::held && host.record.phase_reason == Reason::manager_isolated;
    if (!held && host.record.phase != HostPhase::suspect) continue;
    host.live.last_heard = turn.now;
    turn.set_phase(host, HostPhase::up, Reason::host_back);
    turn.log("host_back", host, Reason::host_back, "a host is heard again: silence counts anew for all");
  }
}

void weigh_again(Turn& turn, Host& host) {
  turn.watch(host);
  if (!is_weighed(host) || host.live.drill != DrillPhase::none) return;
  const State& state = turn.state;
  const Weighing w = weigh(state, host, turn.now, turn.policy);
  if (w.reason == Reason::manager_isolated) turn.state.isolated = true;
  if (w.verdict == Weighing::Verdict::wait) return;
  if (w.verdict == Weighing::Verdict::hold) return hold(turn, host, w.reason, w.words, w.facts);
  if (state.cluster.recovering)
    return hold(turn, host, Reason::recovering_epoch,
                "the database was restored: nobody is fenced until all hosts reported or were attested",
                w.facts);
  const SiteId& site = host.record.site;
  if (is_site_lost(state, site, turn.now, turn.policy)) return declare_site_lost(turn, site, w.facts);
  // Hosts of one site fall silent within a heartbeat of each other: wait for the others, to tell one loss of
  // a site from a loss of hosts.
  const bool young = turn.now - host.live.last_heard < turn.policy.decision_after() + turn.policy.heartbeat;
  if (young && may_site_be_lost(state, site, turn.now, turn.policy)) return;
  const BrakeCheck brake = check_brake(state, site, turn.now, turn.policy);
  if (!brake.allowed) return hold(turn, host, Reason::brake, brake.words, w.facts);
  declare_host_lost(turn, host, w.words, w.facts);
}

void detector_due(Turn& turn, Host& host) {
  turn.watch(host);
  if (host.live.drill != DrillPhase::none || host.live.off_by_operator) return;
  const Duration silence = turn.now - host.live.last_heard;
  const bool never_came = host.record.phase == HostPhase::absent && host.record.boot_id &&
                          turn.now >= turn.state.started + turn.policy.connect_grace;
  const bool fell_silent = host.record.phase == HostPhase::up && silence >= turn.policy.suspicion_after();
  if (never_came || fell_silent) {
    turn.set_phase(host, HostPhase::suspect, Reason::heartbeats_missed);
    turn.log("suspect_host", host, Reason::heartbeats_missed,
             fmt::format("no heartbeat of {} for {}", host.record.id.value, in_seconds(silence)));
  } else if (silence >= turn.policy.doubt_after() && may_withhold(host, turn.policy)) {
    withhold_lease(turn, host);
  }
  weigh_again(turn, host);
}

void heard(Turn& turn, Host& host) {
  host.live.last_heard = turn.now;
  host_lives(turn, host);
  turn.watch(host);
  if (turn.state.isolated) end_isolation(turn);
  const HostPhase phase = host.record.phase;
  if (phase == HostPhase::suspect || (phase == HostPhase::held && is_weighed(host))) {
    turn.set_phase(host, HostPhase::up, Reason::host_back);
    turn.log("host_back", host, Reason::host_back, "heard again before anything was decided");
  } else if (phase == HostPhase::held && host.record.phase_reason == Reason::fencing_unavailable) {
    spare_host(turn, host);
  } else if (phase == HostPhase::fencing && !host.live.power_action &&
             host.live.fenced_boot != host.record.boot_id) {
    host_returned(turn, host);
  }
}

void restart_detectors(Turn& turn, Duration stall) {
  turn.log("restart_detectors", std::string("cluster"), Reason::own_stall,
           fmt::format("the manager itself stood still for {}", in_seconds(stall)));
  for (auto& [id, host] : turn.state.hosts) {
    if (host.live.drill != DrillPhase::none) continue;  // its silence is listened for
    host.live.last_heard = turn.now;
    turn.watch(host);
    if (host.record.phase == HostPhase::suspect) turn.set_phase(host, HostPhase::up, Reason::own_stall);
  }
}

}  // namespace bascule
