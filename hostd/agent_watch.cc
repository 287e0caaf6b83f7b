// What the agent finds on its host: guests that ended, strangers that nobody holds, changes behind our back.
#include <algorithm>

#include "base/log.h"
#include "hostd/agent.h"
#include "hostd/domain_xml.h"

namespace bascule::hostd {
namespace {

constexpr Duration kWordOfLibvirt = 500ms;  // a killed QEMU's event comes within 0.3 s
constexpr Duration kStrangerGrace = 1s;     // libvirt's survey comes first, it knows more
constexpr Duration kLibvirtGrace = 5s;      // a restart of libvirtd is no fault
constexpr Duration kWatchRound = 500ms;

bool has_process(const std::vector<QemuProcess>& found, const VmId& vm) {
  return std::any_of(found.begin(), found.end(),
                     [&vm](const QemuProcess& process) { return process.vm == vm; });
}

wire::DomainState reported(RunState state) {
  return state == RunState::running ? wire::DomainState::running : wire::DomainState::paused;
}

}  // namespace

void Agent::adopt() {
  const Result<std::vector<QemuProcess>> found = parts_.processes.scan();
  const Result<wire::LeaseFile> lease = parts_.read_lease();
  const std::uint64_t stops = lease ? lease->stops : 0;
  for (const VmRecord& record : parts_.tombstones.held()) {
    const bool runs = !found || has_process(*found, record.vm);
    set_guest(record.vm, {record.held, wire::DomainState::running, "adopted", stops, {}, {}});
    if (runs) {
      const std::lock_guard lock(mutex_);
      unwatched_.insert(record.vm);
    }
    log(LogLevel::info, "agent", runs ? "adopted" : "ended_meanwhile",
        {{"vm", record.vm}, {"generation", record.held}});
    if (!runs)
      guest_ended(record.vm, stops > 0 ? wire::DomainCause::stopped_by_guard : wire::DomainCause::crashed,
                  "it ended while hostd was not running");
  }
}

// ---- Notes of events ----

void Agent::on_domain(const DomainEvent& event) {
  const std::lock_guard lock(mutex_);
  const auto found = guests_.find(event.vm);
  if (found == guests_.end()) return;
  const bool end = event.kind == DomainEventKind::shutdown_by_guest ||
                   event.kind == DomainEventKind::destroyed || event.kind == DomainEventKind::crashed;
  if (end) found->second.end_event = event.kind;
}

void Agent::on_connection(bool connected) {
  {
    const std::lock_guard lock(mutex_);
    if (connected)
      libvirt_lost_.reset();
    else if (!libvirt_lost_)
      libvirt_lost_ = parts_.clock.now();
  }
  if (connected) clear("libvirt", "connection", {});
}

// ---- Processes ----

void Agent::watch_processes() {
  const std::uint64_t seen_at = moment();
  const Result<std::vector<QemuProcess>> found = parts_.processes.scan();
  if (!found) {
    raise("libvirt", "proc", {}, found.error().message);
    return;
  }
  look_for_ends(*found, seen_at);
  look_for_strangers(*found, seen_at);
  look_for_duplicates(*found);
  look_at_deadlines();
  clear_passed_faults();
  Duration wait = kWatchRound;
  std::vector<QemuProcess> watched;
  {
    const std::lock_guard lock(mutex_);
    for (const QemuProcess& process : *found)
      if (guests_.contains(process.vm)) watched.push_back(process);
    for (const auto& [vm, guest] : guests_)
      if (guest.vanished) wait = 50ms;
  }
  parts_.processes.wait(watched, wait);
}

void Agent::look_for_ends(const std::vector<QemuProcess>& found, std::uint64_t seen_at) {
  std::vector<VmId> missing;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [vm, guest] : guests_)
      if (untouched_since(vm, seen_at) && !has_process(found, vm)) {
        missing.push_back(vm);
        if (!guest.vanished) guest.vanished = parts_.clock.now();
      }
  }
  for (const VmId& vm : missing) {
    if (!claim_as_seen(vm, seen_at)) continue;
    const Claim held(*this, vm);
    const std::optional<Guest> known = guest(vm);
    if (!known) continue;
    if (const std::optional<wire::DomainCause> cause = cause_of_end(vm, *known)) guest_ended(vm, *cause, "");
  }
}

// Nothing while libvirt may still tell.
std::optional<wire::DomainCause> Agent::cause_of_end(const VmId& vm, const Guest& guest) {
  {
    const std::lock_guard lock(mutex_);
    if (stops_.contains(vm)) return wire::DomainCause::stopped;
  }
  const Result<wire::LeaseFile> lease = parts_.read_lease();
  const bool lapsed = lease && lease->mode == LeaseMode::stop && clock() >= lease->stop_at;
  if (lease && (lease->stops > guest.guard_stops || lapsed)) return wire::DomainCause::stopped_by_guard;
  if (guest.end_event == DomainEventKind::shutdown_by_guest) return wire::DomainCause::shutdown_by_guest;
  if (guest.end_event == DomainEventKind::destroyed) return wire::DomainCause::out_of_band;
  const bool may_tell = parts_.hypervisor.connected() && !guest.end_event && guest.vanished &&
                        parts_.clock.now() < *guest.vanished + kWordOfLibvirt;
  if (may_tell) return std::nullopt;
  return wire::DomainCause::crashed;
}

// The generation is forbidden: what ended is never resumed, only started anew with a higher one.
void Agent::guest_ended(const VmId& vm, wire::DomainCause cause, const std::string& detail) {
  std::optional<PendingStop> pending;
  Generation generation;
  {
    const std::lock_guard lock(mutex_);
    const auto found = guests_.extract(vm);
    if (!found) return;
    generation = found.mapped().generation;
    if (const auto stop = stops_.extract(vm)) pending = stop.mapped();
  }
  if (const Status forbidden = parts_.tombstones.forbid(vm, generation); !forbidden)
    raise("storage", "tombstones", {}, forbidden.error().message);
  else
    clear("storage", "tombstones", {});
  const wire::DomainReport gone{vm, generation, wire::DomainState::gone, detail};
  log(LogLevel::info, "agent", "ended", {{"vm", vm}, {"generation", generation}, {"cause", name_of(cause)}});
  if (pending)
    answer(pending->action, {}, gone);
  else
    parts_.tell(wire::DomainChanged{gone, cause});
}

void Agent::look_for_strangers(const std::vector<QemuProcess>& found, std::uint64_t seen_at) {
  std::vector<QemuProcess> condemned;
  const bool alone = !parts_.hypervisor.connected();
  {
    const std::lock_guard lock(mutex_);
    const Instant now = parts_.clock.now();
    std::erase_if(strangers_, [&](const auto& entry) { return !has_process(found, entry.first); });
    for (const QemuProcess& process : found) {
      if (!process.is_protected() || guests_.contains(process.vm) || !untouched_since(process.vm, seen_at))
        continue;
      const Instant since = strangers_.emplace(process.vm, now).first->second;
      if (alone || now >= since + kStrangerGrace) condemned.push_back(process);
    }
  }
  for (const QemuProcess& process : condemned) kill_stranger(process, seen_at);
}

// Without a word of libvirt, which may hang: this round must stay quick.
void Agent::kill_stranger(const QemuProcess& process, std::uint64_t seen_at) {
  if (!claim_as_seen(process.vm, seen_at)) return;
  const Claim held(*this, process.vm);
  if (!parts_.processes.kill(process)) return;
  const std::string why = process.name +
                          " ran behind our back: no generation of it is held here; QEMU process " +
                          std::to_string(process.pid) + " was killed";
  log(LogLevel::error, "agent", "stranger", {{"vm", process.vm}, {"why", why}});
  raise("libvirt", "stranger", process.vm, why, Lasting::passing);
  parts_.processes.wait({process}, kWatchRound);
  parts_.tell(
      wire::DomainChanged{{process.vm, {}, wire::DomainState::gone, why}, wire::DomainCause::out_of_band});
}

// One VM, two processes: the older dies, because the newer one is what the last decision started.
void Agent::look_for_duplicates(const std::vector<QemuProcess>& found) {
  for (const QemuProcess& older : found)
    for (const QemuProcess& newer : found) {
      if (older.vm != newer.vm || !older.is_protected() || older.started >= newer.started) continue;
      raise("libvirt", "duplicate", older.vm,
            "two QEMU processes of one VM: " + std::to_string(older.pid) + ", which was killed, and " +
                std::to_string(newer.pid),
            Lasting::passing);
      parts_.processes.kill(older);
    }
}

void Agent::look_at_deadlines() {
  std::vector<std::pair<VmId, ActionId>> late;
  bool lost = false;
  {
    const std::lock_guard lock(mutex_);
    const Instant now = parts_.clock.now();
    for (const auto& [vm, stop] : stops_)
      if (now >= stop.deadline) late.emplace_back(vm, stop.action);
    for (const auto& [vm, action] : late) stops_.erase(vm);
    lost = libvirt_lost_ && now >= *libvirt_lost_ + kLibvirtGrace;
  }
  for (const auto& [vm, action] : late)
    answer(action,
           failure(ErrorCode::timeout, "the guest did not shut down in time; kill it, or give it longer"),
           report(vm));
  if (lost)
    raise("libvirt", "connection", {}, "libvirtd doesn't answer; running guests go on, no order is possible");
}

// ---- libvirt's domains ----

void Agent::survey() {
  const std::uint64_t seen_at = moment();
  const Result<std::vector<Domain>> domains = parts_.hypervisor.list();
  if (!domains) return;
  for (const Domain& domain : *domains) look_at_domain(domain, seen_at);
  const Result<std::vector<std::string>> autostarted = parts_.hypervisor.autostarted();
  if (!autostarted) return;
  if (autostarted->empty())
    clear("libvirt", "autostart", {});
  else
    raise("libvirt", "autostart", {},
          "domain " + autostarted->front() + " is set to autostart; virsh autostart --disable it");
}

void Agent::look_at_domain(const Domain& domain, std::uint64_t seen_at) {
  const bool is_protected = domain.name.starts_with(kProtectedPrefix) || domain.generation.value > 0;
  if (!is_protected || domain.state == RunState::dying) return;
  {
    const std::lock_guard lock(mutex_);
    if (!untouched_since(domain.vm, seen_at)) return;
  }
  const VmRecord record = parts_.tombstones.record(domain.vm);
  if (record.held.value > 0 && record.held == domain.generation) return note_state(domain);
  stop_stranger(domain.vm, domain.generation, domain.name, seen_at);
}

void Agent::note_state(const Domain& domain) {
  wire::DomainChanged changed;
  bool tell = false;
  {
    const std::lock_guard lock(mutex_);
    Guest& guest = guests_.try_emplace(domain.vm).first->second;
    const wire::DomainState state = reported(domain.state);
    tell = guest.state != state || guest.generation != domain.generation;
    guest.generation = domain.generation;
    guest.state = state;
    guest.detail = domain.state == RunState::paused_io_error ? "paused by QEMU: a disk failed" : "";
    changed = {{domain.vm, guest.generation, state, guest.detail}, wire::DomainCause::out_of_band};
    if (tell) parts_.tell(changed);
  }
  if (domain.state == RunState::paused_io_error)
    raise("storage", "io_error", domain.vm, domain.name + " is paused: a disk failed");
  else
    clear("storage", "io_error", domain.vm);
}

void Agent::stop_stranger(const VmId& vm, Generation generation, const std::string& name,
                          std::uint64_t seen_at) {
  if (!claim_as_seen(vm, seen_at)) return;
  const Claim held(*this, vm);
  const std::string why = generation.value == 0
                              ? name + " was started behind our back: no generation of it is held here"
                              : name + " was started with generation " + std::to_string(generation.value) +
                                    ", which this host doesn't hold";
  log(LogLevel::error, "agent", "stranger", {{"vm", vm}, {"why", why}});
  const bool known = guest(vm).has_value();
  const Status gone = make_gone(vm);
  if (!gone) return raise("libvirt", "stranger", vm, why + "; and " + gone.error().message);
  raise("libvirt", "stranger", vm, why + "; it was stopped", Lasting::passing);
  if (known) return guest_ended(vm, wire::DomainCause::out_of_band, why);
  parts_.tell(
      wire::DomainChanged{{vm, generation, wire::DomainState::gone, why}, wire::DomainCause::out_of_band});
}

// ---- The network ----

void Agent::keep_apart() {
  const auto guests = [this] {
    const std::lock_guard lock(mutex_);
    std::set<VmId> all;
    for (const auto& [vm, guest] : guests_) all.insert(vm);
    return all;
  };
  const Status apart = parts_.filter.look(guests);
  if (!apart && apart.error().code == ErrorCode::conflict)
    raise("network", "filter", {}, apart.error().message, Lasting::passing);
  else if (!apart)
    raise("network", "no_filter", {}, apart.error().message);
  if (apart) clear("network", "no_filter", {});
}

// ---- Device policy ----

void Agent::enforce_policy() {
  const std::uint64_t seen_at = moment();
  const Result<std::vector<Domain>> domains = parts_.hypervisor.list();
  if (!domains) return;
  for (const Domain& domain : *domains)
    if (domain.state != RunState::dying) enforce_on(domain, seen_at);
}

void Agent::enforce_on(const Domain& domain, std::uint64_t seen_at) {
  const Result<std::string> xml = parts_.hypervisor.xml(domain.vm);
  if (!xml) return;
  std::string violations = describe(check_device_policy(*xml));
  if (violations.empty()) {
    const Status checked = check_running_policy(domain.vm);
    if (!checked && checked.error().code != ErrorCode::policy) return;
    if (!checked) violations = checked.error().message;
  }
  if (violations.empty()) return clear("device", "allowed", domain.vm);
  if (parts_.devices_allowed())
    return raise("device", "allowed", domain.vm,
                 domain.name + " has a forbidden device, allowed by exception: " + violations);
  if (!claim_as_seen(domain.vm, seen_at)) return;
  const Claim held(*this, domain.vm);
  raise("device", "guest", domain.vm, domain.name + " had a forbidden device and was stopped: " + violations,
        Lasting::passing);
  if (const Status gone = make_gone(domain.vm); gone && guest(domain.vm))
    guest_ended(domain.vm, wire::DomainCause::policy, violations);
}

}  // namespace bascule::hostd
