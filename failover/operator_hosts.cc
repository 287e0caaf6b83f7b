#include <fmt/format.h>

#include "failover/access/authorize.h"
#include "failover/epoch.h"
#include "failover/fault_detector.h"
#include "failover/fence_host.h"
#include "failover/incidents.h"
#include "failover/lease_lapse.h"
#include "failover/operator.h"
#include "failover/recovery.h"
#include "failover/storage_servers.h"

namespace bascule {
namespace {

Host* named(Turn& turn, const Asked& asked, const std::string& what, const HostId& id) {
  Host* host = turn.find_host(id);
  if (!host)
    turn.refuse(asked, what, "host/" + id.value,
                {ErrorCode::not_found, "no host " + id.value + " in the inventory"});
  return host;
}

std::string why_not_clear(const Host& host) {
  const bool contradicted =
      host.record.phase == HostPhase::held && host.record.phase_reason == Reason::evidence_contradicted;
  if (!host.record.quarantined) return "it is not quarantined";
  if (!host.live.session) return "it has no session with the manager: look at its hostd first";
  if (host.record.phase != HostPhase::up && !contradicted)
    return fmt::format("it is {}: wait until it is up", name_of(host.record.phase));
  return "";
}

// Signs of life that speak against an operator's word; empty when there are none.
std::string contrary(const Host& host, Instant now, const Policy& policy) {
  if (host.live.session && now - host.live.last_heard < policy.suspicion_after())
    return "it speaks to the manager";
  for (const auto& [peer, seen] : host.live.seen_by)
    if (now - seen < policy.suspicion_after()) return peer.value + " sees it alive";
  const bool fresh = now - host.live.bmc_read_at < policy.attest_validity;
  if (host.live.bmc_power_on == true && fresh && host.live.bmc_read_at > host.live.last_heard)
    return "its BMC says that it is on";
  return "";
}

std::string why_not_attest(const State& state, const Host& host, const AttestDown& asked, Instant now,
                           const Policy& policy) {
  const HostPhase phase = host.record.phase;
  if (asked.serial.empty()) return "give the serial number of the machine that you saw off";
  if (host.record.boot_id && *host.record.boot_id != asked.boot_id)
    return fmt::format("its last boot is {}, not {}: read `bascule host show` again",
                       host.record.boot_id->value, asked.boot_id.value);
  // With a restored database the host may be newer than its record: then a person's word about it counts.
  if (!host.record.boot_id && !state.cluster.recovering)
    return "no manager has ever heard it, so no VM can run there: there is nothing to attest";
  if (phase == HostPhase::down) return "it is proved down already";
  if (phase == HostPhase::up && !state.cluster.recovering) return "it is up: there is nothing to attest";
  const std::string sign = contrary(host, now, policy);
  if (sign.empty()) return "";
  if (!asked.second) return sign + ": a second operator must sign too";
  if (*asked.second == asked.asked.by) return sign + ": the second operator must be another person";
  return "";
}

// VMs that stayed where they were, unprotected, when their host was lost.
void start_left_vms(Turn& turn, const Host& host) {
  const std::set<VmId> vms = turn.state.vms_by_host[host.record.id];
  for (const VmId& id : vms) {
    Vm& vm = *turn.find_vm(id);
    if (vm.record.phase == VmPhase::stopped && vm.record.wanted_running)
      recover(turn, vm, Reason::cleared, "its host was cleared");
  }
}

// The end of a power action that an operator asked for; false when it was another's.
bool answer_power(Turn& turn, const ActionId& action, const Host& host, const Result<void>& outcome) {
  const auto found = turn.state.pending.find(action);
  if (found == turn.state.pending.end() || found->second.kind != CommandKind::power) return false;
  const RequestId request = found->second.request.value_or(RequestId());
  turn.state.pending.erase(found);
  turn.log("power_done", host, Reason::requested, outcome ? "done" : outcome.error().message,
           {{"request", request.value}});
  std::optional<Error> error;
  if (!outcome) error = outcome.error().within(host.record.id.value);
  turn.actions.push_back(Answer{request, std::move(error), host.record.id.value});
  return true;
}

}  // namespace

void clear_host(Turn& turn, const ClearHost& asked) {
  Host* host = named(turn, asked.asked, "clear_host", asked.host);
  if (!host) return;
  const std::string problem = why_not_clear(*host);
  if (!problem.empty())
    return turn.refuse(asked.asked, "clear_host", subject_of(*host),
                       {ErrorCode::conflict, asked.host.value + ": " + problem});
  if (host->record.phase != HostPhase::up) turn.set_phase(*host, HostPhase::up, Reason::cleared);
  host->record.quarantined = false;
  forget_revocation(*host);
  leave_incident(turn, *host);
  turn.touch(*host);
  tell_kept(turn);
  turn.log(asked.asked, "clear_host", subject_of(*host), Reason::cleared);
  turn.answer(asked.asked.request, asked.host.value);
  start_left_vms(turn, *host);
  retry_unplaced(turn);
}

void power_host(Turn& turn, const PowerHost& asked) {
  Host* host = named(turn, asked.asked, "power_host", asked.host);
  if (!host) return;
  const auto refuse = [&](std::string words) {
    turn.refuse(asked.asked, "power_host", subject_of(*host),
                {ErrorCode::conflict, asked.host.value + ": " + std::move(words)});
  };
  if (!host->record.has_bmc) return refuse("it has no BMC in manager.toml");
  if (host->live.power_action || host->live.drill != DrillPhase::none)
    return refuse("a power action or a drill is under way: wait for its end");
  const std::size_t vms = turn.state.vms_by_host[asked.host].size();
  if (!asked.on && vms > 0) return refuse(fmt::format("{} VMs may run there: stop or move them first", vms));
  if (const std::string needed = asked.on ? "" : why_not_off(turn, *host); !needed.empty())
    return refuse(needed);
  const ActionId action = turn.new_action();
  turn.state.pending[action] = {
      CommandKind::power, VmId(), {asked.host, BootId()}, Generation(), asked.asked.request};
  turn.log(asked.asked, asked.on ? "power_on" : "power_off", subject_of(*host), Reason::requested);
  if (asked.on) {
    turn.actions.push_back(PowerOn{action, asked.host});
    return;
  }
  // Nothing may be placed on a host that is about to lose its power.
  host->record.quarantined = true;
  host->record.quarantine_reason = Reason::requested;
  turn.touch(*host);
  tell_kept(turn);
  turn.actions.push_back(PowerOff{action, asked.host});
}

bool power_off_asked_done(Turn& turn, Host& host, const PowerOffDone& done) {
  if (!answer_power(turn, done.action, host, done.outcome)) return false;
  const bool planned = host.record.quarantined && host.record.quarantine_reason == Reason::requested;
  if (!planned || host.record.phase != HostPhase::up) return true;
  turn.touch(host);
  if (!done.outcome) {
    host.record.quarantined = false;
    tell_kept(turn);
    return true;
  }
  host.live.session = false;
  host.live.fenced_boot = host.record.boot_id;
  const bool verified = host.record.bmc && host.record.bmc->guid == done.bmc_guid && done.reads_apart >= 1s;
  if (verified && host.record.boot_id)
    prove_down(turn, host,
               {PowerOffEvidence{
                   {host.record.id, *host.record.boot_id}, done.bmc_guid, done.reads_apart, turn.wall}},
               Reason::requested, "switched off on request");
  else
    host.live.off_by_operator = true;
  return true;
}

bool power_on_asked_done(Turn& turn, Host& host, const PowerOnDone& done) {
  return answer_power(turn, done.action, host, done.outcome);
}

void attest_down(Turn& turn, const AttestDown& asked) {
  Host* host = named(turn, asked.asked, "attest_down", asked.host);
  if (!host) return;
  if (asked.second && !has_permission(turn.state.directory, *asked.second, Permission::operate_hosts))
    return turn.refuse(asked.asked, "attest_down", subject_of(*host),
                       {ErrorCode::denied, asked.second->value + " may not sign this"});
  const std::string problem = why_not_attest(turn.state, *host, asked, turn.now, turn.policy);
  if (!problem.empty())
    return turn.refuse(asked.asked, "attest_down", subject_of(*host),
                       {ErrorCode::conflict, asked.host.value + ": " + problem});
  if (!host->record.incident) host->record.incident = open_incident(turn, "host_lost", std::nullopt, {host});
  host->live.fenced_boot = host->record.boot_id;
  host->record.quarantined = true;
  host->record.quarantine_reason = Reason::attested;
  turn.log(asked.asked, "attest_down", subject_of(*host), Reason::attested, "",
           {{"serial", asked.serial},
            {"boot_id", asked.boot_id.value},
            {"second", asked.second ? asked.second->value : ""},
            {"contrary", contrary(*host, turn.now, turn.policy)}});
  std::vector<Evidence> evidence;
  for (const Copy& copy : fenced_copies(turn.state, *host))
    evidence.push_back(OperatorEvidence{copy, asked.asked.by, asked.second, asked.serial, turn.wall});
  host->live.attested_until = turn.now + turn.policy.attest_validity;
  prove_down(turn, *host, std::move(evidence), Reason::evidence_operator,
             fmt::format("{} answers for it: serial {}", asked.asked.by.value, asked.serial));
  turn.answer(asked.asked.request, asked.host.value);
  end_recovering_epoch(turn);
}

void test_notices(Turn& turn, const TestNotices& asked) {
  turn.log(asked.asked, "test_notices", "notices", Reason::requested);
  turn.notify(NoticeKind::test, std::nullopt, {{"detail", "a test by " + asked.asked.by.value}});
  turn.answer(asked.asked.request, "");
}

}  // namespace bascule
