#include "failover/host_sessions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "failover/drill.h"
#include "failover/epoch.h"
#include "failover/fault_detector.h"
#include "failover/fence_host.h"
#include "failover/lease_lapse.h"
#include "failover/recovery.h"
#include "failover/storage_servers.h"
#include "failover/vm_life.h"
#include "failover/volumes.h"

namespace bascule {
namespace {

constexpr std::size_t kMostFaults = 20;

// The host of a message, if the message counts: of the present boot, in a session. A boot that was proved
// dead voids its proof by speaking, whatever it says.
Host* speaker(Turn& turn, const Copy& from) {
  Host* host = turn.find_host(from.host);
  if (!host) return nullptr;
  if (has_evidence(*host, from.boot_id)) {
    contradict(turn, *host, from.boot_id);
    return nullptr;
  }
  const bool greeted = host->live.session_since != Instant{};
  if (!greeted || host->record.boot_id != from.boot_id) return nullptr;
  host->live.session = true;  // the end of an earlier connection may be told late
  heard(turn, *host);
  return host;
}

// Commands that went to this host before its hello are void: what its domains say now decides.
void forget_commands(Turn& turn, const HostId& id) {
  std::vector<VmId> waiting;
  std::erase_if(turn.state.pending, [&](const auto& entry) {
    if (entry.second.to.host != id || entry.second.kind == CommandKind::power) return false;
    waiting.push_back(entry.second.vm);
    return true;
  });
  for (const VmId& vm_id : waiting) {
    Vm* vm = turn.find_vm(vm_id);
    if (vm && vm->live.action && !turn.state.pending.contains(*vm->live.action)) turn.forget_command(*vm);
  }
}

// The phase that follows from its hello.
void greet(Turn& turn, Host& host, bool new_boot) {
  const HostPhase phase = host.record.phase;
  switch (phase) {
    case HostPhase::absent:
      turn.set_phase(host, HostPhase::up, Reason::host_back);
      turn.log("host_up", host, Reason::host_back);
      break;
    case HostPhase::up:
      if (std::exchange(host.live.off_by_operator, false)) host.record.quarantined = false;
      break;
    case HostPhase::suspect:
      heard(turn, host);
      break;
    case HostPhase::held:
      if (new_boot && host.record.quarantined)
        host_returned(turn, host);
      else
        heard(turn, host);
      break;
    case HostPhase::fencing:
      // While an order to cut its power is under way we wait for its end.
      if (new_boot && !host.live.power_action) host_returned(turn, host);
      break;
    case HostPhase::down:
      host_returned(turn, host);
      break;
  }
}

void report_vms(Turn& turn, Host& host, const std::vector<wire::DomainReport>& domains) {
  std::set<VmId> named;
  for (const wire::DomainReport& report : domains) {
    if (report.state != wire::DomainState::gone) named.insert(report.vm);
    on_domain(turn, host, report, std::nullopt);
  }
  const std::set<VmId> vms = turn.state.vms_by_host[host.record.id];
  const Copy here{host.record.id, *host.record.boot_id};
  for (const VmId& id : vms) {
    if (named.contains(id)) continue;
    Vm* vm = turn.find_vm(id);
    if (!vm) continue;
    if (names_copy(vm->record.placement.may_run, here)) {
      on_missing_domain(turn, host, *vm);
    } else if (vm->record.phase == VmPhase::running || vm->record.phase == VmPhase::starting) {
      // Its copy belongs to an earlier boot of this host, which is over.
      if (vm->record.placement.owner == host.record.id)
        recover(turn, *vm, Reason::restarted_in_place, host.record.id.value + " was restarted");
      else
        turn.forbid_aside(id, here, vm->record.placement.generation);
    } else {
      advance(turn, *vm);
      if (vm->record.phase == VmPhase::stopped || vm->record.phase == VmPhase::failed)
        turn.forbid_aside(id, here, vm->record.placement.generation);
    }
  }
}

}  // namespace

void on_hello(Turn& turn, const wire::Hello& hello) {
  Host* found = turn.find_host(hello.host);
  if (!found) {
    turn.log("unknown_host", "host/" + hello.host.value, Reason::out_of_band,
             "a host that is not in the inventory said hello: add it to manager.toml or stop its hostd");
    return;
  }
  Host& host = *found;
  if (has_evidence(host, hello.boot_id)) contradict(turn, host, hello.boot_id);
  const bool new_boot = host.record.boot_id != hello.boot_id;
  host.record.boot_id = hello.boot_id;
  const bool more = host.record.capacity != hello.capacity || host.record.phase != HostPhase::up;
  host.record.capacity = hello.capacity;
  host.live.session = true;
  host.live.session_since = turn.now;
  host.live.last_heard = turn.now;
  host.live.guard = hello.guard;
  host_lives(turn, host);
  if (turn.state.isolated) end_isolation(turn);
  if (!host.live.next_check) host.live.next_check = turn.now;
  turn.touch(host);
  if (hello_in_drill(turn, host)) return;
  forget_commands(turn, host.record.id);
  greet(turn, host, new_boot);
  tell_kept(turn);
  if (turn.state.cluster.recovering) adopt_tombstones(turn, host, hello.tombstones);
  report_vms(turn, host, hello.domains);
  end_recovering_epoch(turn);
  if (more) retry_unplaced(turn);
}

void on_heartbeat(Turn& turn, const HostHeartbeat& event) {
  Host* host = speaker(turn, event.from);
  if (!host) return;
  host->live.guard = event.heartbeat.guard;
  if (event.heartbeat.storage) on_storage_told(turn, *host, *event.heartbeat.storage);
  for (const wire::PeerSighting& sighting : event.heartbeat.peers) {
    Host* peer = turn.find_host(sighting.host);
    if (!peer || peer == host) continue;
    peer->live.sighting_at[host->record.id] = turn.now;
    if (sighting.age)
      peer->live.seen_by[host->record.id] = turn.now - *sighting.age;
    else
      peer->live.seen_by.erase(host->record.id);
    if (is_weighed(*peer)) weigh_again(turn, *peer);
  }
}

void on_domain_changed(Turn& turn, const HostDomainChanged& event) {
  if (Host* host = speaker(turn, event.from)) on_domain(turn, *host, event.change.domain, event.change.cause);
}

void on_host_volumes(Turn& turn, const HostVolumesSeen& event) {
  if (speaker(turn, event.from)) on_volumes_seen(turn, event.from, event.seen);
}

namespace {

// Of the same site: a pool's trouble is seen by all of its hosts.
bool told_by_another(const Turn& turn, const Host& host, const std::string& text) {
  return std::any_of(turn.state.hosts.begin(), turn.state.hosts.end(), [&](const auto& entry) {
    const Host& other = entry.second;
    const auto& open = other.live.faults;
    return other.record.id != host.record.id && other.record.site == host.record.site &&
           std::find(open.begin(), open.end(), text) != open.end();
  });
}

}  // namespace

void on_host_fault(Turn& turn, const HostFaultReported& event) {
  Host* host = speaker(turn, event.from);
  if (!host) return;
  const wire::HostFault& fault = event.fault;
  const std::string text = fault.kind + ": " + fault.detail;
  auto& open = host->live.faults;
  const auto known = std::find(open.begin(), open.end(), text);
  if (fault.cleared) {
    std::erase(open, text);
    if (fault.kind == "storage") retry_unplaced(turn);
    return turn.log("host_fault_cleared", *host, Reason::requested, text);
  }
  if (known != open.end()) return;
  if (open.size() >= kMostFaults) open.erase(open.begin());
  open.push_back(text);
  const bool device = fault.kind == "device";
  turn.log("host_fault", *host, device ? Reason::device_policy : Reason::out_of_band, text);
  if (!fault.vm && told_by_another(turn, *host, text)) return;
  Turn::Facts facts{{"host", host->record.id.value}, {"site", host->record.site.value}, {"detail", text}};
  if (const Vm* vm = fault.vm ? turn.find_vm(*fault.vm) : nullptr) facts["vms"] = vm->record.spec.name;
  turn.notify(device ? NoticeKind::device_policy : NoticeKind::host_fault, std::nullopt, std::move(facts));
}

void on_host_replied(Turn& turn, const HostReplied& event) {
  if (speaker(turn, event.from)) on_reply(turn, event.from, event.reply);
}

void on_session_closed(Turn& turn, const HostSessionClosed& event) {
  Host* host = turn.find_host(event.from.host);
  // Silence decides, not the end of a connection: hostd may be upgraded.
  if (host && host->record.boot_id == event.from.boot_id) host->live.session = false;
}

}  // namespace bascule
