// Dispatch only: which module hears which event, and the order of work at a Tick.
#include "failover/step.h"

#include <utility>

#include "failover/access/needs.h"
#include "failover/access/people.h"
#include "failover/access/quota.h"
#include "failover/access/roles.h"
#include "failover/access/users.h"
#include "failover/access/watch.h"
#include "failover/drill.h"
#include "failover/enrolment.h"
#include "failover/failback.h"
#include "failover/fault_detector.h"
#include "failover/fence_host.h"
#include "failover/host_sessions.h"
#include "failover/images.h"
#include "failover/incidents.h"
#include "failover/lease_lapse.h"
#include "failover/operator.h"
#include "failover/readiness.h"
#include "failover/recovery.h"
#include "failover/return_wish.h"
#include "failover/turn.h"
#include "failover/vm_life.h"
#include "failover/volumes.h"

namespace bascule {
namespace {

void on(Turn& turn, const HostHello& e) { on_hello(turn, e.hello); }
void on(Turn& turn, const HostHeartbeat& e) { on_heartbeat(turn, e); }
void on(Turn& turn, const HostDomainChanged& e) { on_domain_changed(turn, e); }
void on(Turn& turn, const HostFaultReported& e) { on_host_fault(turn, e); }
void on(Turn& turn, const HostVolumesSeen& e) { on_host_volumes(turn, e); }
void on(Turn& turn, const HostImageSeen& e) { on_image_seen(turn, e); }
void on(Turn& turn, const HostReplied& e) { on_host_replied(turn, e); }
void on(Turn& turn, const HostSessionClosed& e) { on_session_closed(turn, e); }

void on(Turn& turn, const PowerOffDone& e) {
  Host* host = turn.find_host(e.host);
  if (!host || power_off_asked_done(turn, *host, e)) return;
  if (host->live.drill != DrillPhase::none) return drill_power_off_done(turn, *host, e);
  power_off_done(turn, *host, e);
}
void on(Turn& turn, const PowerOnDone& e) {
  Host* host = turn.find_host(e.host);
  if (!host || power_on_asked_done(turn, *host, e)) return;
  drill_power_on_done(turn, *host, e);
}
void on(Turn& turn, const BmcChecked& e) {
  Host* host = turn.find_host(e.host);
  if (!host) return;
  if (host->live.drill != DrillPhase::none) return drill_bmc_checked(turn, *host, e);
  bmc_checked(turn, *host, e);
}
void on(Turn& turn, const LeaseObserved& e) {
  if (Host* host = turn.find_host(e.copy.host)) lease_observed(turn, *host, e);
}
void on(Turn& turn, const LeaseRevoked& e) {
  if (Host* host = turn.find_host(e.copy.host)) lease_revoked(turn, *host, e);
}
void on(Turn& turn, const LeaseAsked& e) {
  if (Host* host = turn.find_host(e.copy.host)) lease_asked(turn, *host, e);
}
void on(Turn& turn, const ChannelChanged& e) {
  if (e.alive) {
    if (turn.state.channels.erase(e.channel) > 0)
      turn.log("channel_alive", "channel/" + e.channel, Reason::requested, e.detail);
    return;
  }
  const bool known = turn.state.channels.contains(e.channel);
  turn.state.channels[e.channel] = e.detail;
  if (known) return;
  turn.log("channel_dead", "channel/" + e.channel, Reason::requested, e.detail);
  turn.notify(NoticeKind::channel_dead, std::nullopt, {{"detail", e.channel + ": " + e.detail}});
}

void on(Turn& turn, const EndsSoon& e) {
  if (e.words.empty()) {
    if (turn.state.ending.erase(e.subject) > 0)
      turn.log("renewed", "manager/" + e.subject, Reason::ends_soon);
    return;
  }
  if (std::exchange(turn.state.ending[e.subject], e.words) == e.words) return;
  turn.log("ends_soon", "manager/" + e.subject, Reason::ends_soon, e.words);
  turn.notify(NoticeKind::ends_soon, std::nullopt, {{"detail", e.words}});
}

void on(Turn& turn, const CreateVm& e) { create_vm(turn, e); }
void on(Turn& turn, const StartVmAsked& e) { start_vm(turn, e); }
void on(Turn& turn, const StopVmAsked& e) { stop_vm(turn, e); }
void on(Turn& turn, const DeleteVm& e) { delete_vm(turn, e); }
void on(Turn& turn, const ChangeVolumesAsked& e) { change_volumes(turn, e); }
void on(Turn& turn, const ChangeVm& e) { change_vm(turn, e); }
void on(Turn& turn, const OpenConsole& e) { open_console(turn, e); }
void on(Turn& turn, const CancelOperation& e) { cancel_operation(turn, e); }
void on(Turn& turn, const ClearHost& e) { clear_host(turn, e); }
void on(Turn& turn, const InviteHost& e) { invite_host(turn, e); }
void on(Turn& turn, const EnrolHost& e) { enrol_host(turn, e); }
void on(Turn& turn, const RenewCertificates& e) { renew_certificates(turn, e); }
void on(Turn& turn, const ExpelHost& e) { expel_host(turn, e); }
void on(Turn& turn, const PowerHost& e) { power_host(turn, e); }
void on(Turn& turn, const DrillHost& e) { drill_host(turn, e); }
void on(Turn& turn, const AttestDown& e) { attest_down(turn, e); }
void on(Turn& turn, const PlanFailback& e) { plan_failback(turn, e); }
void on(Turn& turn, const ApproveFailback& e) { approve_failback(turn, e); }
void on(Turn& turn, const AbortFailback& e) { abort_failback(turn, e); }
void on(Turn& turn, const TestNotices& e) { test_notices(turn, e); }
void on(Turn& turn, const CreateTenant& e) { create_tenant(turn, e); }
void on(Turn& turn, const OpenAccess& e) { open_access(turn, e); }
void on(Turn& turn, const EndAccess& e) { end_access(turn, e); }
void on(Turn& turn, const NoteAccess& e) { note_access(turn, e); }
void on(Turn& turn, const AcceptDelivery& e) { accept_delivery(turn, e); }
void on(Turn& turn, const WishReturn& e) { wish_return(turn, e); }
void on(Turn& turn, const AnnounceImage& e) { announce_image(turn, e); }
void on(Turn& turn, const RemoveImageAsked& e) { remove_image(turn, e); }
void on(Turn& turn, const SetRules& e) { set_rules(turn, e); }
void on(Turn& turn, const SetContacts& e) { set_contacts(turn, e); }
void on(Turn& turn, const SetQuota& e) { set_quota(turn, e); }
void on(Turn& turn, const InviteUser& e) { invite_user(turn, e); }
void on(Turn& turn, const SetRole& e) { set_role(turn, e); }
void on(Turn& turn, const ChangeUser& e) { change_user(turn, e); }
void on(Turn& turn, const RemoveUser& e) { remove_user(turn, e); }
void on(Turn& turn, const SetPassword& e) { set_password(turn, e); }
void on(Turn& turn, const OpenSession& e) { open_session(turn, e); }
void on(Turn& turn, const SetSecondFactor& e) { set_second_factor(turn, e); }
void on(Turn& turn, const CreateToken& e) { create_token(turn, e); }
void on(Turn& turn, const EndToken& e) { end_token(turn, e); }

// Whoever asks for a change must be allowed to, now. What is merely noted has been decided already.
template <class Body>
bool is_denied(Turn& turn, const Body& body) {
  if constexpr (requires { need_of(turn.state, body); }) {
    const Need need = need_of(turn.state, body);
    auto why =
        why_denied(turn.state.directory, {body.asked.by, body.asked.token}, need.permission, need.scope);
    if (!why) return false;
    turn.refuse(body.asked, "access", need.subject, std::move(*why));
    watch_refused(turn, body.asked.by, need.subject);
    return true;
  } else {
    return false;
  }
}

// Whoever decided by what they saw is asked to look again.
template <class Body>
bool is_outdated(Turn& turn, const Body& body) {
  if constexpr (requires { body.asked.settings, body.vm; }) {
    const Vm* vm = turn.find_vm(body.vm);
    const std::string& seen = body.asked.settings;
    if (seen.empty() || !vm || settings_tag(vm->record) == seen) return false;
    turn.refuse(body.asked, "access", subject_of(*vm),
                {ErrorCode::changed, name_in_tenant(vm->record.spec) +
                                         " has been changed since: look at it again, its ETag is another"});
    return true;
  } else {
    return false;
  }
}

template <class Id>
std::vector<Id> due(const std::set<std::pair<Instant, Id>>& deadlines, Instant now) {
  std::vector<Id> ids;
  for (const auto& [at, id] : deadlines) {
    if (at > now) break;
    ids.push_back(id);
  }
  return ids;
}

void host_due(Turn& turn, Host& host) {
  turn.watch(host);
  readiness_due(turn, host);
  drill_due(turn, host);
  fencing_due(turn, host);
  detector_due(turn, host);
}

void on(Turn& turn, const Tick&) {
  State& state = turn.state;
  const Duration since = turn.now - state.last_step;
  state.last_step = turn.now;
  state.next_tick = turn.now + turn.policy.heartbeat;
  if (since > turn.policy.heartbeat * 2) restart_detectors(turn, since);
  if (!state.resumed) {
    state.resumed = true;
    resume_plans(turn);
    for (auto& [id, host] : state.hosts) {
      turn.watch(host);
      if (host.record.phase == HostPhase::fencing) resume_fencing(turn, host);
      if (host.record.phase == HostPhase::down) recheck_down(turn, host);
    }
  }
  std::erase_if(state.fences, [&](Instant at) { return turn.now - at >= turn.policy.brake_window; });
  for (const HostId& id : due(state.host_deadlines, turn.now))
    if (Host* host = turn.find_host(id)) host_due(turn, *host);
  for (const VmId& id : due(state.vm_deadlines, turn.now))
    if (Vm* vm = turn.find_vm(id)) vm_due(turn, *vm);
  digest_if_due(turn);
  expire_plans(turn);
  start_due_plans(turn);
  watch_time(turn);
  expire_access(turn);
  expire_tokens(turn);
  expire_images(turn);
}

}  // namespace

Outcome step(State state, const Event& event, Instant now, const Policy& policy) {
  Turn turn(state, policy, now, event.wall);
  const auto hear = [&turn](const auto& body) {
    if (!is_denied(turn, body) && !is_outdated(turn, body)) on(turn, body);
  };
  std::visit(hear, event.body);
  drain_recovery(turn);
  turn.close();
  return {std::move(state), std::move(turn.actions), std::move(turn.audit), std::move(turn.touched)};
}

std::optional<Instant> next_deadline(const State& state) {
  Instant earliest = state.next_tick;
  if (!state.host_deadlines.empty()) earliest = std::min(earliest, state.host_deadlines.begin()->first);
  if (!state.vm_deadlines.empty()) earliest = std::min(earliest, state.vm_deadlines.begin()->first);
  return earliest;
}

}  // namespace bascule
