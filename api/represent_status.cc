// The opening word of `bascule status`, and the sentences under it: what is wrong, what would not be
// automatic.
#include <algorithm>
#include <map>

#include "api/represent.h"

namespace bascule::api {
namespace {

std::string advice_for_held(const HostRecord& host) {
  switch (host.phase_reason) {
    case Reason::peer_sees_it:
    case Reason::manager_isolated:
    case Reason::brake:
      return "; check its links and the manager's";
    default:
      return "; if you know that it is dead: `bascule host attest-down " + host.id.value + "`";
  }
}

void count_host(StatusView& status, const Host& host) {
  const std::string name = host.record.id.value;
  Counts& counts = status.counts;
  ++counts.hosts;
  if (host.record.phase == HostPhase::up)
    ++counts.hosts_up;
  else if (host.record.phase == HostPhase::held)
    ++counts.held;
  else
    ++counts.hosts_down;
  const bool absent = host.record.phase == HostPhase::absent;
  const std::string reason(absent ? "not heard by this manager" : name_of(host.record.phase_reason));
  if (host.record.phase == HostPhase::held)
    status.attention.push_back("host " + name + " is held (" + reason + "): see `bascule explain host/" +
                               name + "`" + advice_for_held(host.record));
  else if (host.record.phase != HostPhase::up)
    status.attention.push_back("host " + name + " is " + std::string(name_of(host.record.phase)) + " (" +
                               reason + "): see `bascule explain host/" + name + "`");
  if (host.record.quarantined) {
    ++counts.quarantined;
    status.attention.push_back("host " + name + " is quarantined (" +
                               std::string(name_of(host.record.quarantine_reason)) +
                               ") and gets no VM until `bascule host clear " + name + "`");
  }
  for (const std::string& fault : host.live.faults) {
    ++counts.faults;
    status.attention.push_back("host " + name + ": " + fault);
  }
}

void count_vm(StatusView& status, const State& state, const Policy& policy, const Vm& vm,
              const std::string& name) {
  const VmRecord& record = vm.record;
  Counts& counts = status.counts;
  ++counts.vms;
  if (record.phase == VmPhase::running) ++counts.vms_running;
  if (record.phase == VmPhase::recovering) ++counts.recovering;
  if (record.away) {
    ++counts.away;
    status.attention.push_back("VM " + name + " is away from " + record.spec.home.value +
                               "; it stays there until an approved plan: `bascule failback plan`");
  }
  if (record.phase == VmPhase::failed) {
    ++counts.failed;
    status.attention.push_back("VM " + name + " has failed" +
                               (name == record.spec.name ? ": " + record.explanation : ""));
    return;
  }
  if (!record.spec.protected_ || !record.wanted_running || record.phase == VmPhase::recovering) return;
  const Answered switchable = switchable_view(state, policy, vm);
  if (switchable.value) return;
  ++counts.unprotected;
  status.attention.push_back("VM " + name + " could not be switched now" +
                             (name == record.spec.name ? ": " + switchable.because : ""));
}

std::vector<ReplicationView> replication_of(const State& state) {
  std::map<SiteId, ReplicationView> sites;
  for (const auto& [id, vm] : state.vms) {
    const auto& owner = vm.record.placement.owner;
    const auto host = owner ? state.hosts.find(*owner) : state.hosts.end();
    if (host == state.hosts.end()) continue;
    for (const wire::VolumeSeen& volume : vm.live.volumes) {
      if (volume.there.empty()) continue;
      ReplicationView& view = sites[host->second.record.site];
      view.from = host->second.record.site;
      ++view.volumes;
      view.following += volume.well ? 1 : 0;
      if (volume.behind) view.behind = std::max(view.behind.value_or(Duration{}), *volume.behind);
    }
  }
  std::vector<ReplicationView> views;
  for (auto& [site, view] : sites) views.push_back(std::move(view));
  return views;
}

void add_standing_limits(StatusView& status, const State& state, const Policy& policy, bool notices) {
  status.not_automatic = not_automatic(state, policy);
  status.not_automatic.push_back(
      policy.on_lease_loss == LeaseMode::keep
          ? "While this only manager is away, nothing is switched; guests run on."
          : "While this only manager is away, nothing is switched; guests stop when "
            "their leases end, unless it was stopped in order.");
  if (!notices)
    status.not_automatic.push_back(
        "Nobody is told of anything: neither [[mail]] nor [[sms]] stands in the manager's configuration.");
  if (state.cluster.recovering)
    status.not_automatic.push_back(
        "Nothing is started or fenced: the database was restored, and every host must report or be attested "
        "first.");
}

std::string word_of(const Counts& counts) {
  std::string word;
  const auto add = [&word](int count, const char* what) {
    if (count > 0) word += (word.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  };
  add(counts.held, "HELD");
  add(counts.hosts_down, "DOWN");
  add(counts.failed, "FAILED");
  add(counts.recovering, "RECOVERING");
  add(counts.away, "AWAY");
  add(counts.unprotected, "UNPROTECTED");
  add(counts.quarantined, "QUARANTINED");
  add(counts.faults, counts.faults == 1 ? "FAULT" : "FAULTS");
  return word.empty() ? "NOMINAL" : word;
}

}  // namespace

StatusView status_view(const State& state, const Policy& policy, const std::vector<std::string>& channels,
                       const Principal& who) {
  StatusView status;
  status.cluster = state.cluster.cluster;
  status.manager = state.manager;
  status.version = BASCULE_VERSION;
  status.epoch = state.cluster.epoch;
  status.term = state.cluster.term;
  status.recovering = state.cluster.recovering;
  for (const auto& [id, host] : state.hosts) count_host(status, host);
  for (const auto& [id, vm] : state.vms) count_vm(status, state, policy, vm, name_for(state, who, vm));
  for (const auto& [channel, problem] : state.channels) {
    ++status.counts.faults;
    status.attention.push_back("notices by " + channel + " fail: " + problem +
                               "; check with `bascule notify test`");
  }
  for (const auto& [subject, words] : state.ending) {
    ++status.counts.faults;
    status.attention.push_back(words);
  }
  for (const std::string& channel : channels) {
    const auto dead = state.channels.find(channel);
    status.channels.push_back({channel, dead == state.channels.end() ? "" : dead->second});
  }
  status.replication = replication_of(state);
  add_standing_limits(status, state, policy, !channels.empty());
  status.word = word_of(status.counts);
  if (state.cluster.recovering && status.word == "NOMINAL") status.word = "RECOVERING";
  return status;
}

}  // namespace bascule::api
