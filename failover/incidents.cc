#include "failover/incidents.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace bascule {
namespace {

constexpr std::size_t kNamesInNotice = 10;
constexpr std::size_t kClosedKept = 100;
constexpr Duration kBetweenDigests = 60s;

std::string names(const State& state, const std::vector<VmId>& vms) {
  std::string text;
  for (std::size_t i = 0; i < vms.size() && i < kNamesInNotice; ++i) {
    const auto vm = state.vms.find(vms[i]);
    text += (i ? ", " : "") + (vm == state.vms.end() ? vms[i].value : vm->second.record.spec.name);
  }
  return text;
}

std::string names(const std::vector<HostId>& hosts) {
  std::string text;
  for (const HostId& host : hosts) text += (text.empty() ? "" : ", ") + host.value;
  return text;
}

// Where the switched VMs run now: one site nearly always.
std::string landed_at(const State& state, const std::vector<VmId>& vms) {
  std::set<std::string> sites;
  for (const VmId& id : vms) {
    const auto vm = state.vms.find(id);
    if (vm == state.vms.end() || !vm->second.record.placement.owner) continue;
    const auto host = state.hosts.find(*vm->second.record.placement.owner);
    if (host != state.hosts.end()) sites.insert(host->second.record.site.value);
  }
  return fmt::format("{}", fmt::join(sites, ", "));
}

void send_digest(Turn& turn, Incident& incident, IncidentLive& live) {
  const std::size_t n = incident.switched.size();
  const Duration took = turn.now - live.opened;
  Turn::Facts facts{{"host", names(incident.hosts)},
                    {"vms", names(turn.state, incident.switched)},
                    {"site", landed_at(turn.state, incident.switched)},
                    {"n", std::to_string(n)},
                    {"detail", fmt::format("{} of {} running again {} after the decision", n,
                                           incident.vms.size(), in_seconds(took))}};
  std::optional<Duration> lost;
  for (const VmId& id : incident.switched)
    if (const Vm* vm = turn.find_vm(id); vm && vm->record.lost)
      lost = std::max(lost.value_or(0s), *vm->record.lost);
  if (lost) facts["lost"] = in_seconds(*lost);
  turn.notify(lost ? NoticeKind::vms_switched_loss : NoticeKind::vms_switched, incident.id, std::move(facts));
  live.announced = n;
  live.digest_at = turn.now + kBetweenDigests;
}

void digest_when_complete(Turn& turn, const Vm& vm) {
  if (!vm.record.incident) return;
  const auto incident = turn.state.incidents.find(*vm.record.incident);
  const auto live = turn.state.incident_live.find(*vm.record.incident);
  if (incident == turn.state.incidents.end() || live == turn.state.incident_live.end()) return;
  live->second.pending.erase(vm.record.spec.id);
  const bool untold = incident->second.switched.size() > live->second.announced;
  const bool first = live->second.announced == 0;
  if (untold && live->second.pending.empty() && first) send_digest(turn, incident->second, live->second);
}

void prune_closed(Turn& turn) {
  auto& incidents = turn.state.incidents;
  for (auto it = incidents.begin(); incidents.size() > kClosedKept && it != incidents.end();) {
    if (!it->second.closed) {
      ++it;
      continue;
    }
    turn.touch(it->second);
    turn.state.incident_live.erase(it->first);
    it = incidents.erase(it);
  }
}

}  // namespace

IncidentId open_incident(Turn& turn, std::string kind, std::optional<SiteId> site,
                         const std::vector<Host*>& hosts) {
  prune_closed(turn);
  Incident incident;
  incident.id = IncidentId(fmt::format("i{:06}", turn.new_number()));
  incident.kind = kind;
  incident.site = site;
  incident.opened = turn.wall;
  for (const Host* host : hosts) {
    incident.hosts.push_back(host->record.id);
    for (const VmId& id : turn.state.vms_by_host[host->record.id]) {
      const VmRecord& vm = turn.state.vms.at(id).record;
      if (vm.wanted_running && vm.spec.protected_) incident.vms.push_back(id);
    }
  }
  turn.state.incident_live[incident.id] = {
      turn.now, {incident.vms.begin(), incident.vms.end()}, 0, turn.now + kBetweenDigests};
  const bool of_site = kind == "site_lost";
  turn.notify(of_site ? NoticeKind::site_lost : NoticeKind::host_lost, incident.id,
              {{"host", names(incident.hosts)},
               {"site", hosts.empty() ? "" : hosts.front()->record.site.value},
               {"vms", names(turn.state, incident.vms)},
               {"n", std::to_string(incident.vms.size())}});
  turn.touch(incident);
  const IncidentId id = incident.id;
  turn.state.incidents.emplace(id, std::move(incident));
  return id;
}

void incident_vm_running(Turn& turn, const Vm& vm) {
  if (!vm.record.incident) return;
  const auto found = turn.state.incidents.find(*vm.record.incident);
  if (found == turn.state.incidents.end()) return;
  Incident& incident = found->second;
  const VmId& id = vm.record.spec.id;
  const bool affected = std::find(incident.vms.begin(), incident.vms.end(), id) != incident.vms.end();
  const bool known =
      std::find(incident.switched.begin(), incident.switched.end(), id) != incident.switched.end();
  if (affected && !known) incident.switched.push_back(id);
  turn.touch(incident);
  digest_when_complete(turn, vm);
}

void incident_vm_lost(Turn& turn, const Vm& vm) {
  bool open = false;
  for (auto& [id, incident] : turn.state.incidents) {
    const auto& switched = incident.switched;
    if (incident.closed || std::find(switched.begin(), switched.end(), vm.record.spec.id) == switched.end())
      continue;
    open = true;
    IncidentLive& live = turn.state.incident_live[id];
    if (live.announced == switched.size()) send_digest(turn, incident, live);
  }
  if (open || !vm.record.lost) return;
  turn.notify(NoticeKind::vms_switched_loss, std::nullopt,
              {{"host", "a host that was lost"},
               {"vms", vm.record.spec.name},
               {"site", landed_at(turn.state, {vm.record.spec.id})},
               {"n", "1"},
               {"lost", in_seconds(*vm.record.lost)},
               {"detail", "told late: the answer to its start got lost"}});
}

void incident_vm_waits(Turn& turn, const Vm& vm) { digest_when_complete(turn, vm); }

void digest_if_due(Turn& turn) {
  for (auto& [id, live] : turn.state.incident_live) {
    const auto incident = turn.state.incidents.find(id);
    if (incident == turn.state.incidents.end() || !live.digest_at || *live.digest_at > turn.now) continue;
    if (incident->second.switched.size() > live.announced) send_digest(turn, incident->second, live);
  }
}

void leave_incident(Turn& turn, Host& host) {
  if (!host.record.incident) return;
  const IncidentId id = *host.record.incident;
  host.record.incident.reset();
  turn.touch(host);
  const auto found = turn.state.incidents.find(id);
  if (found == turn.state.incidents.end()) return;
  const auto& hosts = found->second.hosts;
  const bool still_open = std::any_of(hosts.begin(), hosts.end(), [&](const HostId& other) {
    const Host* of = turn.find_host(other);
    return of && of->record.incident == id;
  });
  if (still_open) return;
  found->second.closed = turn.wall;
  turn.touch(found->second);
}

}  // namespace bascule
