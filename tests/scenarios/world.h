// A small world for the engine alone: hosts, BMCs, guards and an operator, on a clock that jumps from event
// to event. Every step is checked by the invariants and by the truth of the world: no VM may run twice.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "failover/invariants.h"
#include "failover/step.h"
#include "tests/scenarios/machine.h"

namespace bascule::test {

class World {
 public:
  Policy policy;
  Records records;
  Inventory inventory;
  State state;
  Instant now{1000s};
  std::map<HostId, Machine> machines;
  std::set<VmId> deaf;              // guests that ignore a shutdown
  std::vector<std::string> log;     // audit and notices, as a reader wants them
  std::vector<std::string> wrongs;  // broken invariants; must stay empty
  std::vector<Notify> notices;
  std::map<std::string, Answer> answers;
  bool manager_runs = true;
  std::int64_t later_ms = 0;      // by which the wall clock was set forward
  int lease_answers_lost = 0;     // of those to come
  bool mirrored = false;          // each site has a copy of all volumes
  std::set<SiteId> storage_down;  // sites whose copies can't be reached
  bool doubles_expected = false;  // a BMC lies, or somebody starts copies by hand

  World() {
    records.cluster.cluster = ClusterId("demo");
    for (const char* name : {"alice", "bob"}) inventory.staff[OperatorId(name)] = {StaffRole::administrator};
    records.cluster.epoch = {"epoch-1", EpochNumber(1)};
    records.cluster.term = Term(1);
  }

  void add_site(const std::string& name) {
    inventory.sites.push_back({SiteId(name), inventory.sites.empty()});
  }
  void add_host(const std::string& name, const std::string& site, bool bmc = true, bool drilled = true) {
    const HostId id(name);
    inventory.hosts.push_back({id, SiteId(site), bmc});
    Machine& machine = machines[id];
    machine.bmc_guid = "guid-" + name;
    machine.bmc_controls = id;
    HostRecord record;
    record.id = id;
    record.site = SiteId(site);
    record.has_bmc = bmc;
    if (bmc && drilled) record.bmc = BmcBinding{machine.bmc_guid, {}};
    records.hosts.push_back(record);
  }

  void start() {
    state = begin(records, inventory, ManagerId("m1"), now);
    began_ = now;
    for (auto& [id, machine] : machines) connect(id);
    schedule(policy.heartbeat / 4, [this] { probes(); });
    int i = 0;
    for (auto& [id, machine] : machines)
      schedule(policy.heartbeat * (++i) / 10, [this, host = id] { beat(host); });
    send(Tick{});
  }

  // The manager's process dies and another begins from the same records.
  void restart_manager() {
    records.cluster = state.cluster;
    records.hosts.clear();
    records.vms.clear();
    records.incidents.clear();
    records.plans.clear();
    records.tenants.clear();
    records.access.clear();
    for (const auto& [id, host] : state.hosts) records.hosts.push_back(host.record);
    for (const auto& [id, vm] : state.vms) records.vms.push_back(vm.record);
    for (const auto& [id, incident] : state.incidents) records.incidents.push_back(incident);
    for (const auto& [id, plan] : state.plans) records.plans.push_back(plan);
    for (const auto& [id, tenant] : state.directory.tenants) records.tenants.push_back(tenant);
    for (const auto& [id, access] : state.directory.access) records.access.push_back(access);
    state = begin(records, inventory, ManagerId("m" + std::to_string(++managers_)), now);
    for (auto& [id, machine] : machines) machine.hellos = false;
    for (auto& [id, machine] : machines) connect(id);
    send(Tick{});
  }

  void run(Duration duration) {
    const Instant end = now + duration;
    for (int guard = 0; guard < 2'000'000; ++guard) {
      const std::optional<Instant> timer = manager_runs ? next_deadline(state) : std::nullopt;
      const bool has_event = !queue_.empty();
      Instant next = end;
      if (has_event) next = std::min(next, queue_.begin()->first.first);
      if (timer) next = std::min(next, *timer);
      if (next >= end) break;
      now = std::max(now, next);
      // Queued inputs before timers.
      if (has_event && queue_.begin()->first.first <= now) {
        auto work = std::move(queue_.begin()->second);
        queue_.erase(queue_.begin());
        work();
      } else {
        send(Tick{});
      }
      look();
    }
    now = end;
  }

  void send(EventBody body) {
    if (!manager_runs) {
      backlog_.push_back(std::move(body));
      return;
    }
    const State before = state;
    Outcome outcome = step(std::move(state), {std::move(body), wall()}, now, policy);
    for (std::string& words : broken_invariants(before, outcome)) wrong(std::move(words));
    state = std::move(outcome.next);
    for (const AuditRecord& record : outcome.audit) note(record);
    for (const Action& action : outcome.actions) std::visit([this](const auto& a) { act(a); }, action);
  }

  void resume_manager() {
    manager_runs = true;
    for (EventBody& body : std::exchange(backlog_, {})) send(std::move(body));
  }

  // ---- The world's ways ----

  Copy copy_of(const HostId& id) const {
    return {id, BootId(id.value + "-boot-" + std::to_string(machines.at(id).boot))};
  }

  void crash(const HostId& id) {  // the kernel died; the BMC still says "on"
    Machine& machine = machines.at(id);
    machine.domains.clear();
    machine.frozen = true;
    machine.to_peers = false;
    machine.hellos = false;
    crashed_.insert(id);
  }
  void boot(const HostId& id) {
    Machine& machine = machines.at(id);
    crashed_.erase(id);
    ++machine.boot;
    machine.domains.clear();
    machine.powered = machine.to_manager = machine.to_peers = true;
    machine.frozen = machine.hellos = false;
    connect(id);
  }
  // Its storage is well again, which it may tell.
  void accept_start(const HostId& id, bool told) {
    machines.at(id).refuses_start.reset();
    if (told) send(HostFaultReported{copy_of(id), {"storage", {}, true, "pool gold"}});
  }

  void thaw(const HostId& id) {
    machines.at(id).frozen = false;
    machines.at(id).to_peers = true;
  }
  bool speaks(const HostId& id) const { return machines.at(id).hostd && guard_speaks(id); }
  bool guard_speaks(const HostId& id) const {
    const Machine& machine = machines.at(id);
    return machine.powered && !machine.frozen && machine.to_manager;
  }

  void connect(const HostId& id) {
    Machine& machine = machines.at(id);
    if (!speaks(id)) return;
    machine.hellos = true;
    wire::Hello hello;
    hello.host = id;
    hello.boot_id = copy_of(id).boot_id;
    hello.capacity = {machine.memory_mib, 16};
    for (const auto& [vm, generation] : machine.domains)
      hello.domains.push_back({vm, generation, wire::DomainState::running, ""});
    for (const auto& [vm, generation] : machine.tombstones) hello.tombstones.push_back({vm, generation});
    // A guard may be ready before hostd is.
    if (machine.guard_armed) send(LeaseObserved{copy_of(id), true});
    send(HostHello{hello});
  }

  void domain_ends(const HostId& id, const VmId& vm, wire::DomainCause cause) {
    Machine& machine = machines.at(id);
    const Generation generation = machine.domains[vm];
    machine.domains.erase(vm);
    if (speaks(id))
      send(HostDomainChanged{copy_of(id), {{vm, generation, wire::DomainState::gone, ""}, cause}});
  }
  void domain_starts(const HostId& id, const VmId& vm, Generation generation) {  // behind our back
    machines.at(id).domains[vm] = generation;
    send(HostDomainChanged{
        copy_of(id), {{vm, generation, wire::DomainState::running, ""}, wire::DomainCause::out_of_band}});
  }

  void schedule(Duration after, std::function<void()> work) {
    queue_.emplace(std::pair{now + after, sequence_++}, std::move(work));
  }

  void say(const std::string& line) {
    log.push_back(fmt::format("{:7.1f}  {}", std::chrono::duration<double>(now - began_).count(), line));
  }
  Duration elapsed() const { return now - began_; }

  WallTime wall() const {
    return {1'764'000'000'000 + later_ms +
            std::chrono::duration_cast<std::chrono::milliseconds>(now.since_start).count()};
  }
  Asked asked(const std::string& by = "alice", const std::string& reason = "") {
    return {RequestId("r" + std::to_string(++requests_)), OperatorId(by), reason};
  }
  const Vm& vm(const std::string& name) const { return state.vms.at(state.vm_names.at(name)); }
  const Host& host(const std::string& name) const { return state.hosts.at(HostId(name)); }

  VmId create(const std::string& name, const std::string& home, std::uint32_t memory = 512,
              std::function<void(VmSpec&)> change = {}, bool start = true) {
    VmSpec spec;
    spec.id = VmId(fmt::format("00000000-0000-4000-8000-{:012}", ++vms_));
    spec.name = name;
    spec.home = SiteId(home);
    spec.memory_mib = memory;
    if (change) change(spec);
    send(CreateVm{asked(), spec, start});
    return spec.id;
  }

 private:
  void wrong(std::string words) {
    say("BROKEN " + words);
    wrongs.push_back(std::move(words));
  }

  void runs_twice(const VmId& vm, const HostId& a, const HostId& b) {
    const std::string words =
        state.vms.at(vm).record.spec.name + " runs on " + a.value + " and on " + b.value;
    if (doubles_expected) return say("TRUTH " + words);
    wrong(words);
  }

  // No VM runs twice, and nobody probes it but us.
  void look() {
    std::map<VmId, HostId> running;
    for (const auto& [id, machine] : machines) {
      if (!machine.powered) continue;
      for (const auto& [vm, generation] : machine.domains) {
        const auto [other, alone] = running.emplace(vm, id);
        if (!alone && doubles_.insert(vm).second) runs_twice(vm, other->second, id);
      }
    }
  }

  void beat(const HostId& id) {
    Machine& machine = machines.at(id);
    schedule(policy.heartbeat, [this, id] { beat(id); });
    if (!speaks(id)) {
      machine.hellos = false;
      return;
    }
    if (!machine.hellos) return connect(id);
    wire::Heartbeat heartbeat;
    for (const auto& [peer, other] : machines) {
      if (peer == id) continue;
      const auto seen = machine.seen.find(peer);
      heartbeat.peers.push_back(
          {peer, seen == machine.seen.end() ? std::nullopt : std::optional(now - seen->second)});
    }
    heartbeat.storage = servers_of(state.hosts.at(id).record.site);
    send(HostHeartbeat{copy_of(id), heartbeat});
  }
  // Of a site whose storage is carried by its hosts.
  std::optional<std::vector<wire::StorageServer>> servers_of(const SiteId& site) const {
    std::vector<wire::StorageServer> servers;
    for (const auto& [id, machine] : machines)
      if (machine.carries && state.hosts.at(id).record.site == site) servers.push_back(*machine.carries);
    return servers.empty() ? std::nullopt : std::optional(std::move(servers));
  }

  void probes() {
    schedule(policy.heartbeat, [this] { probes(); });
    for (auto& [id, machine] : machines)
      for (const auto& [peer, other] : machines)
        if (peer != id && machine.to_peers && !machine.frozen && other.powered && other.to_peers &&
            !other.frozen && machine.hostd && other.hostd)
          machine.seen[peer] = now;
  }

  std::string name_in(const std::string& subject, const std::map<std::string, std::string>& facts) const {
    if (!subject.starts_with("vm/")) return subject;
    if (const auto name = facts.find("name"); name != facts.end()) return name->second;
    const auto found = state.vms.find(VmId(subject.substr(3)));
    return found == state.vms.end() ? subject : found->second.record.spec.name;
  }

  void note(const AuditRecord& record) {
    if (record.what == "notify") return;
    const auto subject = name_in(record.subject, record.facts);
    std::string line = fmt::format("{} {} {}", record.what, subject, name_of(record.reason));
    for (const char* key : {"host", "generation", "by"})
      if (record.facts.contains(key)) line += fmt::format(" {}={}", key, record.facts.at(key));
    for (const auto& [key, value] : record.facts)
      if (key.starts_with("proof/")) line += fmt::format(" {}={}", key, value);
    if (record.actor != "engine") line += " by " + record.actor;
    say(line);
  }

  // ---- What is done of the engine's actions ----

  void act(const SendCommand& command) {
    schedule(50ms, [this, command] {
      if (speaks(command.to.host) && copy_of(command.to.host) == command.to) obey(command);
    });
  }
  void obey(const SendCommand& command) {
    Machine& machine = machines.at(command.to.host);
    const HostId id = command.to.host;
    Duration takes = 100ms;
    wire::CommandReply reply{command.action, std::nullopt, std::nullopt, {}, {}};
    if (const auto* start = std::get_if<wire::StartVm>(&command.order)) {
      const auto grave = machine.tombstones.find(start->spec.id);
      if (machine.refuses_start ||
          (grave != machine.tombstones.end() && grave->second >= command.generation)) {
        reply.error = Error{machine.refuses_start.value_or(ErrorCode::conflict), "qemu refused"};
      } else {
        reply.error = take_volumes(*start, id, reply.taken);
        if (!reply.error) machine.domains[start->spec.id] = command.generation;
        takes = 400ms;
      }
    } else if (const auto* stop = std::get_if<wire::StopVm>(&command.order)) {
      if (deaf.contains(stop->vm)) {
        reply.error = Error{ErrorCode::timeout, "no shutdown within the grace"};
        takes = stop->grace;
      } else {
        takes = 600ms;
        machine.domains.erase(stop->vm);
      }
    } else if (const auto* follow = std::get_if<wire::FollowVolumes>(&command.order)) {
      takes = 2s;
      if (!storage_down.empty())
        reply.error = Error{ErrorCode::unavailable, "the other site's copy is away"};
      else
        stale_.erase({follow->spec.id, site_of(id)});
    } else if (std::holds_alternative<wire::ChangeVolumes>(command.order)) {
      takes = 2s;
    } else if (const auto* forbid = std::get_if<wire::ForbidVm>(&command.order)) {
      Generation& grave = machine.tombstones[forbid->vm];
      grave = std::max(grave, command.generation);
      const auto domain = machine.domains.find(forbid->vm);
      if (domain != machine.domains.end() && domain->second <= command.generation)
        machine.domains.erase(domain);
    }
    schedule(takes, [this, id, to = command.to, reply, order = command.order] {
      if (!speaks(id) || copy_of(id) != to) return;
      send(HostReplied{to, reply});
      const auto* start = std::get_if<wire::StartVm>(&order);
      if (mirrored && start && !reply.error) send(HostVolumesSeen{to, {start->spec.id, {copy_seen()}}});
    });
  }

  SiteId site_of(const HostId& id) const {
    for (const auto& host : inventory.hosts)
      if (host.id == id) return host.site;
    return {};
  }
  wire::VolumeSeen copy_seen() const {
    const bool follows = storage_down.empty();
    wire::VolumeSeen seen;
    seen.pool = "gold";
    seen.volume = "disk";
    seen.there = follows ? "follows" : "away";
    seen.primary = true;
    seen.well = follows;
    return seen;
  }
  // As a host does with volumes that each site has a copy of: which of them is newest decides, not what is
  // asked; and a copy that was left behind is good for nothing before it has followed.
  std::optional<Error> take_volumes(const wire::StartVm& start, const HostId& id,
                                    std::vector<wire::VolumeTaken>& taken) {
    if (!mirrored) return std::nullopt;
    const SiteId here = site_of(id);
    const auto [newest, first] = newest_.emplace(start.spec.id, here);
    if (first || newest->second == here) return std::nullopt;
    if (start.takeover == wire::Takeover::none)
      return Error{ErrorCode::conflict, "this site's copy only follows the other site's"};
    if (stale_.contains({start.spec.id, here}))
      return Error{ErrorCode::conflict, "this site's copy is older"};
    const bool gives_up = !storage_down.contains(newest->second);
    if (!gives_up && start.takeover == wire::Takeover::planned)
      return Error{ErrorCode::unavailable, "the other site's copy is away"};
    wire::VolumeTaken word{"gold", "disk", {}};
    if (!gives_up) {
      word.complete_until = WallTime{wall().unix_ms - 8000};
      stale_.emplace(start.spec.id, newest->second);
    }
    taken.push_back(word);
    newest->second = here;
    return std::nullopt;
  }

  void act(const PowerOff& off) {
    const Machine& machine = machines.at(off.host);
    const HostId victim = machine.bmc_controls;
    if (machine.bmc_alive && !machine.bmc_mute)
      schedule(200ms, [this, victim] {
        Machine& target = machines.at(victim);
        target.powered = false;
        target.domains.clear();
        target.hellos = false;
      });
    if (machine.bmc_mute) return;
    schedule(1300ms, [this, off] {
      const Machine& m = machines.at(off.host);
      PowerOffDone done{off.action, off.host, {}, m.bmc_guid, 1100ms};
      if (!m.bmc_alive) done.outcome = failure(ErrorCode::timeout, "the BMC does not answer");
      send(done);
    });
  }
  void act(const PowerOn& on) {
    schedule(300ms, [this, on] {
      const HostId victim = machines.at(on.host).bmc_controls;
      send(PowerOnDone{on.action, on.host, {}});
      if (!machines.at(victim).powered) schedule(20s, [this, victim] { boot(victim); });
    });
  }
  void act(const CheckBmc& check) {
    schedule(100ms, [this, check] {
      const Machine& m = machines.at(check.host);
      BmcChecked checked{check.host, {}, m.bmc_guid, machines.at(m.bmc_controls).powered};
      if (!m.bmc_alive) checked.outcome = failure(ErrorCode::timeout, "the BMC does not answer");
      send(checked);
    });
  }
  void act(const KeepStorage& keep) {
    std::string line = "keep";
    for (const HostId& id : keep.hosts) line += " " + id.value;
    say(line);
  }
  void act(const RevokeLease& revoke) {
    const HostId id = revoke.copy.host;
    const bool armed = machines.at(id).guard_armed;
    if (!revoke.declared_lost) schedule(policy.lease_ttl / 10, [this, revoke] { ask_withheld(revoke.copy); });
    if (lease_answers_lost > 0)
      --lease_answers_lost;
    else
      schedule(10ms, [this, revoke, armed] {
        send(LeaseRevoked{revoke.action, revoke.copy, armed, armed ? 7u : 0u, policy.manager_lapse()});
      });
    if (!armed) return;
    schedule(policy.lease_ttl, [this, revoke, id] {
      Machine& machine = machines.at(id);
      if (copy_of(id) != revoke.copy || machine.frozen || renews(revoke.copy)) return;
      const auto domains = machine.domains;
      for (const auto& [vm, generation] : domains) domain_ends(id, vm, wire::DomainCause::stopped_by_guard);
    });
    // A frozen kernel doesn't pet its watchdog.
    schedule(policy.lease_ttl + policy.kill_budget + policy.watchdog_timeout, [this, revoke, id] {
      Machine& machine = machines.at(id);
      if (copy_of(id) == revoke.copy && machine.frozen && !renews(revoke.copy)) machine.domains.clear();
    });
  }
  // A guard that lives and reaches the manager asks.
  void ask_withheld(const Copy& copy) {
    if (copy_of(copy.host) == copy && guard_speaks(copy.host) && !renews(copy)) send(LeaseAsked{copy});
  }
  bool renews(const Copy& copy) const { return state.hosts.at(copy.host).record.revoked != copy.boot_id; }
  void act(const Notify& notice) {
    notices.push_back(notice);
    std::string line = fmt::format("notify {}", name_of(notice.kind));
    for (const char* key : {"host", "site", "vms", "lost"}) {
      const auto fact = notice.facts.find(key);
      if (fact != notice.facts.end() && !fact->second.empty())
        line += fmt::format(" {}={}", key, fact->second);
    }
    say(line);
  }
  void act(const Answer& answer) {
    answers[answer.request.value] = answer;
    const auto& error = answer.error;
    say("answer " + answer.request.value +
        (error ? fmt::format(" {}: {}", name_of(error->code), error->message) : " ok"));
  }
  Instant began_;
  std::map<VmId, SiteId> newest_;            // where the newest copy of each VM's volumes is
  std::set<std::pair<VmId, SiteId>> stale_;  // copies that another site took over from without them
  std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> queue_;
  std::uint64_t sequence_ = 0;
  int managers_ = 1, requests_ = 0, vms_ = 0;
  std::vector<EventBody> backlog_;
  std::set<HostId> crashed_;
  std::set<VmId> doubles_;
};

}  // namespace bascule::test
