#include "failover/vm_life.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ensure.h"
#include "failover/failback.h"
#include "failover/incidents.h"
#include "failover/recovery.h"
#include "failover/volumes.h"

namespace bascule {
namespace {

constexpr std::size_t kWordsKept = 8;
constexpr Duration kAskAgain = 5s;

using wire::DomainCause;
using wire::DomainState;

// The evidence behind each receipt, for the audit.
Turn::Facts facts_of(const StartElsewhere& permit) {
  Turn::Facts facts;
  for (const Receipt& receipt : permit.receipts()) {
    const std::string copy = receipt.copy().host.value + "/" + receipt.copy().boot_id.value;
    facts["proof/" + copy] = std::visit(
        [](const auto& e) { return std::string(std::decay_t<decltype(e)>::kType); }, receipt.evidence());
  }
  return facts;
}

void store_word(Turn& turn, Vm& vm, const Copy& from, Generation generation) {
  auto& words = vm.record.words;
  std::erase_if(words,
                [&](const HostWordEvidence& w) { return w.host == from.host && w.generation <= generation; });
  words.push_back({from.host, from.boot_id, vm.record.spec.id, generation, turn.wall});
  if (words.size() > kWordsKept) words.erase(words.begin());
  turn.touch(vm);
}

// Copies of which the host's own word says that they ended, beside the one that runs.
void drop_ended_copies(Turn& turn, Vm& vm) {
  std::vector<Copy> left;
  for (const Copy& copy : vm.record.placement.may_run) {
    const bool owner = copy.host == vm.record.placement.owner;
    if (owner || !mint_receipt(turn.state, vm.record.spec.id, copy, turn.now, turn.policy))
      left.push_back(copy);
  }
  if (left.size() != vm.record.placement.may_run.size()) turn.set_may_run(vm, std::move(left));
}

void now_running(Turn& turn, Vm& vm, const wire::DomainReport& report) {
  vm.live.seen = report;
  const VmPhase phase = vm.record.phase;
  if (phase == VmPhase::running || phase == VmPhase::stopping || phase == VmPhase::deleting) return;
  turn.forget_command(vm);
  const bool waited = vm.live.wait_told;
  forget_refusals(vm);
  turn.state.unplaced.erase(vm.record.spec.id);
  vm.record.ran = vm.record.placement.generation;
  vm.record.takeover = wire::Takeover::none;
  const bool started = phase == VmPhase::starting;
  const Reason reason = started ? vm.record.reason : Reason::host_back;
  turn.set_phase(vm, VmPhase::running, reason,
                 started ? vm.record.explanation : "its host reports that it runs");
  turn.log("vm_running", vm, reason, "",
           {{"host", vm.record.placement.owner->value},
            {"generation", std::to_string(vm.record.placement.generation.value)}});
  turn.answer_waiting(vm, std::nullopt);
  incident_vm_running(turn, vm);
  if (reason == Reason::restarted_in_place || (waited && !vm.record.incident))
    turn.notify(NoticeKind::vm_restarted, vm.record.incident,
                {{"vms", vm.record.spec.name},
                 {"n", "1"},
                 {"host", vm.record.placement.owner->value},
                 {"detail", vm.record.explanation}});
  if (vm.record.failback) arrived_home(turn, vm);
  vm.record.incident.reset();
}

// "lyon-1, lyon-2 could not start it: …; paris-1 could not start it: …"
std::string refusals(const Vm& vm) {
  std::map<std::string, std::string> hosts;  // by what they said
  for (const auto& [host, why] : vm.live.avoid) {
    std::string& list = hosts[why];
    list += (list.empty() ? "" : ", ") + host.value;
  }
  std::string words;
  for (const auto& [why, list] : hosts)
    words += fmt::format("{}{} could not start it: {}", words.empty() ? "" : "; ", list, why);
  return words;
}

bool may_pass(ErrorCode refusal) {
  return refusal == ErrorCode::unavailable || refusal == ErrorCode::timeout ||
         refusal == ErrorCode::exhausted;
}

void start_failed(Turn& turn, Vm& vm, const Copy& from, const Error& error) {
  const std::string words = fmt::format("{} could not start it: {}", from.host.value, error.message);
  turn.log("start_failed", vm, Reason::start_failed, words);
  vm.live.avoid[from.host] = error.message;
  turn.forget_command(vm);
  if (vm.live.again) turn.answer_waiting(vm, Error{error.code, words + "; it is tried again, and elsewhere"});
  if (vm.record.failback) refuse_item(turn, vm, words);
  const bool never_ran = vm.record.ran.value == 0;
  if (never_ran && error.code == ErrorCode::invalid)  // no other host would read the order otherwise
    return fail_vm(turn, vm, Reason::start_failed, words, ErrorCode::invalid);
  // What may pass is no sign against the VM. A person who waits for an answer gets it soon.
  const bool for_now = may_pass(error.code) && !vm.live.request;
  vm.live.refused_for_now |= for_now;
  if (!for_now && !may_restart(turn, vm))
    return fail_vm(turn, vm, Reason::restart_limit,
                   refusals(vm) + "; it failed too often, a person is needed");
  turn.set_phase(vm, VmPhase::recovering, Reason::start_failed, words);
  advance(turn, vm);
}

void stop_answered(Turn& turn, Vm& vm, const wire::CommandReply& reply) {
  turn.forget_command(vm);
  if (vm.record.phase != VmPhase::stopping) return;
  // A planned move has the operator's approval: after the grace the stop becomes a kill.
  const bool gone = !reply.error || reply.error->code == ErrorCode::not_found;
  if (gone || vm.record.failback) return advance(turn, vm);
  vm.record.wanted_running = true;
  turn.set_phase(vm, VmPhase::running, Reason::requested, "its guest did not obey the shutdown");
  turn.log("stop_failed", vm, Reason::requested, reply.error->message);
  turn.answer_waiting(
      vm,
      Error{reply.error->code, fmt::format("{} did not shut down: {}. To cut its power: `bascule vm kill {}`",
                                           vm.record.spec.name, reply.error->message, vm.record.spec.name)});
}

void forbid_answered(Turn& turn, Vm& vm, const PendingAction& command, const Copy& from,
                     const wire::CommandReply& reply) {
  // What runs there of a newer generation is none of this word's business.
  const bool gone = !reply.error && (!reply.domain || reply.domain->state == DomainState::gone ||
                                     reply.domain->generation > command.generation);
  if (!gone) {
    turn.log("forbid_failed", vm, vm.record.reason,
             reply.error ? reply.error->message : "the domain still runs", {{"host", from.host.value}});
    if (vm.live.action != reply.action) return;
    turn.forget_command(vm);  // asked anew, with a new id: the old one would only get the old answer
    vm.live.action_deadline = turn.now + kAskAgain;
    return;
  }
  if (vm.live.action && reply.action == *vm.live.action) turn.forget_command(vm);
  store_word(turn, vm, from, command.generation);
  turn.log("host_word", vm, Reason::evidence_host_word,
           fmt::format("{} answers that no generation up to {} runs there", from.host.value,
                       command.generation.value));
  if (vm.record.phase == VmPhase::running || vm.record.phase == VmPhase::starting)
    drop_ended_copies(turn, vm);
  advance(turn, vm);
}

void forget_answered(Turn& turn, Vm& vm, const wire::CommandReply& reply) {
  turn.forget_command(vm);
  if (reply.error)
    turn.log("forget_failed", vm, Reason::requested, reply.error->message);
  else
    turn.log("vm_deleted", vm, Reason::requested);
  turn.answer_waiting(vm, reply.error);
  turn.erase_vm(vm.record.spec.id);
}

Generation newest(Generation a, Generation b) { return a < b ? b : a; }

// A copy that the placement doesn't allow there.
void stop_stale(Turn& turn, Host& host, Vm& vm, const wire::DomainReport& report) {
  const Copy here{host.record.id, *host.record.boot_id};
  const Placement& placement = vm.record.placement;
  const bool allowed_host = names_copy(placement.may_run, here);
  const bool unknown = report.generation == Generation() || report.generation > placement.generation;
  // On the host of the present generation only what is older may be forbidden.
  const Generation upto = allowed_host ? report.generation : newest(report.generation, placement.generation);
  turn.forbid_aside(vm.record.spec.id, here, upto);
  turn.log("stop_stale_copy", vm, unknown ? Reason::out_of_band : Reason::stale_copy_stopped,
           fmt::format("generation {} runs on {}, which may not: generation {} is decided",
                       report.generation.value, host.record.id.value, placement.generation.value));
  if (unknown)
    turn.notify(NoticeKind::out_of_band, std::nullopt,
                {{"host", host.record.id.value},
                 {"vms", vm.record.spec.name},
                 {"n", "1"},
                 {"detail", "a copy that we did not start was found and is being stopped"}});
}

// A hello ends what was commanded before it: a start under way, or a shutdown not yet obeyed, is asked anew.
bool asked_again(Turn& turn, Vm& vm, const Copy& here, const wire::DomainReport& report) {
  if (vm.live.action) return false;
  const bool starts = vm.record.phase == VmPhase::starting && report.state == DomainState::starting;
  const bool stops = vm.record.phase == VmPhase::stopping;
  if (!starts && !stops) return false;
  turn.command(vm, starts ? CommandKind::start : CommandKind::stop, here, vm.record.placement.generation);
  return true;
}

std::string words_of(DomainCause cause, const Host& host, const wire::DomainReport& report) {
  return fmt::format("{} on {}{}{}", name_of(cause), host.record.id.value, report.detail.empty() ? "" : ": ",
                     report.detail);
}

void ended(Turn& turn, Host& host, Vm& vm, const wire::DomainReport& report, DomainCause cause) {
  vm.live.seen = report;
  if (vm.record.phase != VmPhase::running) return;  // the answer to the command tells
  const std::string words = words_of(cause, host, report);
  if (cause == DomainCause::shutdown_by_guest) {
    vm.record.wanted_running = false;
    turn.set_phase(vm, VmPhase::stopping, Reason::stopped_by_guest, words);
    turn.log("vm_stopped_by_guest", vm, Reason::stopped_by_guest, words);
    return advance(turn, vm);
  }
  if (cause == DomainCause::out_of_band || cause == DomainCause::stopped)
    turn.notify(
        NoticeKind::out_of_band, std::nullopt,
        {{"host", host.record.id.value}, {"vms", vm.record.spec.name}, {"n", "1"}, {"detail", words}});
  if (cause == DomainCause::policy)
    turn.notify(
        NoticeKind::device_policy, std::nullopt,
        {{"host", host.record.id.value}, {"vms", vm.record.spec.name}, {"n", "1"}, {"detail", words}});
  if (!may_restart(turn, vm))
    return fail_vm(turn, vm, Reason::restart_limit,
                   fmt::format("{}; restarted {} times within {}, a person is needed", words,
                               turn.policy.restart_attempts, in_seconds(turn.policy.restart_window)));
  const bool outside = cause == DomainCause::out_of_band || cause == DomainCause::stopped;
  recover(turn, vm, outside ? Reason::out_of_band : Reason::restarted_in_place, words);
}

}  // namespace

void launch(Turn& turn, StartElsewhere permit, const HostId& to, Reason reason, std::string words) {
  Vm& vm = *turn.find_vm(permit.vm());
  const Host& host = *turn.find_host(to);
  ensure(is_usable(host), "a start on a host that can't be used");
  const Copy copy{to, *host.record.boot_id};
  VmRecord& record = vm.record;
  Turn::Facts facts = facts_of(permit);
  facts["host"] = to.value;
  facts["generation"] = std::to_string(permit.next_generation().value);
  note_last_alive(turn, vm);
  record.takeover = takeover_for(turn, vm, host, reason);
  turn.state.unplaced.erase(record.spec.id);
  record.placement.generation = permit.next_generation();
  record.placement.owner = to;
  record.away = host.record.site != record.spec.home;
  turn.set_may_run(vm, {copy});
  turn.set_phase(vm, VmPhase::starting, reason, words);
  turn.log("start_vm", vm, reason, std::move(words), std::move(facts));
  turn.command(vm, CommandKind::start, copy, record.placement.generation);
  if (!record.away) record.return_wish.reset();
}

void forget_vm(Turn& turn, Vm& vm) {
  if (vm.record.placement.generation == Generation()) {  // never placed: no host has anything of it
    turn.log("vm_deleted", vm, Reason::requested, "it was never started");
    turn.answer_waiting(vm, std::nullopt);
    return turn.erase_vm(vm.record.spec.id);
  }
  const auto owner = vm.record.placement.owner;
  const Host* host = owner ? turn.find_host(*owner) : nullptr;
  // Any host of the cluster reaches the pools; without its own, the first usable one does it.
  if (!host || !is_usable(*host)) {
    host = nullptr;
    for (const auto& [id, other] : turn.state.hosts)
      if (!host && is_usable(other)) host = &other;
  }
  turn.set_may_run(vm, {});
  if (!host) {  // tried again when a host comes
    turn.state.unplaced.insert(vm.record.spec.id);
    return;
  }
  turn.state.unplaced.erase(vm.record.spec.id);
  turn.command(vm, CommandKind::forget, {host->record.id, *host->record.boot_id},
               vm.record.placement.generation);
}

void on_reply(Turn& turn, const Copy& from, const wire::CommandReply& reply) {
  const auto found = turn.state.pending.find(reply.action);
  if (found == turn.state.pending.end() || found->second.to != from) return;
  const PendingAction command = found->second;
  Vm* vm = turn.find_vm(command.vm);
  if (!vm) {
    turn.state.pending.erase(found);
    return;
  }
  const bool current = vm->live.action == reply.action;
  if (command.kind == CommandKind::forbid) {
    if (!current) turn.state.pending.erase(found);
    return forbid_answered(turn, *vm, command, from, reply);
  }
  if (!current) {
    turn.state.pending.erase(found);
    return;
  }
  if (command.kind == CommandKind::stop) return stop_answered(turn, *vm, reply);
  if (command.kind == CommandKind::forget) return forget_answered(turn, *vm, reply);
  if (command.kind == CommandKind::follow) return volumes_followed(turn, *vm, reply.error);
  if (command.kind == CommandKind::change) return volumes_changed(turn, *vm, reply);
  if (vm->record.phase != VmPhase::starting || command.generation != vm->record.placement.generation) return;
  if (reply.error) return start_failed(turn, *vm, from, *reply.error);
  // A host that ran it already when it was asked again has nothing to tell: then its volumes' tags do.
  if (!reply.taken.empty() || !vm->record.has_copies) note_taken(turn, *vm, reply.taken);
  wire::DomainReport report{command.vm, command.generation, DomainState::running, ""};
  now_running(turn, *vm, reply.domain.value_or(report));
}

void on_domain(Turn& turn, Host& host, const wire::DomainReport& report, std::optional<DomainCause> cause) {
  Vm* vm = turn.find_vm(report.vm);
  const Copy here{host.record.id, *host.record.boot_id};
  if (!vm) {
    if (report.state == DomainState::gone) return;
    turn.log("unknown_domain", host, Reason::out_of_band, "a domain that is not in the inventory runs there",
             {{"vm", report.vm.value}});
    return turn.notify(NoticeKind::out_of_band, std::nullopt,
                       {{"host", host.record.id.value},
                        {"vms", report.vm.value},
                        {"n", "1"},
                        {"detail", "a domain that is not in the inventory runs there; we leave it alone"}});
  }
  Placement& placement = vm->record.placement;
  const bool allowed = names_copy(placement.may_run, here);
  const bool runs = report.state != DomainState::gone;
  if (runs && turn.state.cluster.recovering) {
    // The database is older than the hosts: what they run is the truth.
    placement.generation = newest(placement.generation, report.generation);
    placement.owner = host.record.id;
    std::vector<Copy> may_run = placement.may_run;
    if (!allowed) may_run.push_back(here);
    turn.set_may_run(*vm, std::move(may_run));
    vm->record.away = host.record.site != vm->record.spec.home;
    turn.log("adopt_vm", *vm, Reason::recovering_epoch, "it runs there", {{"host", host.record.id.value}});
    return now_running(turn, *vm, report);
  }
  const bool current = allowed && report.generation == placement.generation;
  if (runs && !current) return stop_stale(turn, host, *vm, report);
  if (runs && !cause && asked_again(turn, *vm, here, report)) return;
  if (runs && report.state != DomainState::starting) return now_running(turn, *vm, report);
  if (!runs && current) ended(turn, host, *vm, report, cause.value_or(DomainCause::crashed));
}

void on_missing_domain(Turn& turn, Host& host, Vm& vm) {
  const wire::DomainReport gone{vm.record.spec.id, vm.record.placement.generation, DomainState::gone,
                                "not there when its host reported"};
  const Copy here{host.record.id, *host.record.boot_id};
  switch (vm.record.phase) {
    case VmPhase::running:
      if (vm.record.placement.owner == here.host) ended(turn, host, vm, gone, DomainCause::crashed);
      break;
    case VmPhase::starting:
      if (!vm.live.action && vm.record.placement.owner == here.host && !host.record.quarantined)
        turn.command(vm, CommandKind::start, here, vm.record.placement.generation);
      break;
    case VmPhase::stopping:
    case VmPhase::recovering:
    case VmPhase::deleting:
      // Should its host be spared, it counts what was said while it was doubted.
      if (vm.record.placement.owner == here.host) vm.live.seen = gone;
      advance(turn, vm);
      break;
    case VmPhase::stopped:
    case VmPhase::failed:
      break;
  }
}

void vm_due(Turn& turn, Vm& vm) {
  turn.watch(vm);
  if (!vm.live.action_deadline || *vm.live.action_deadline > turn.now) return;
  const auto pending = vm.live.action ? turn.state.pending.find(*vm.live.action) : turn.state.pending.end();
  const Host* to = pending == turn.state.pending.end() ? nullptr : turn.find_host(pending->second.to.host);
  const bool waits = to && to->record.boot_id == pending->second.to.boot_id;
  // Nothing recovers a stopped VM from a host that died meanwhile: its change just ends.
  if (waits && (pending->second.kind != CommandKind::change || is_usable(*to))) return turn.send_again(vm);
  turn.forget_command(vm);
  advance(turn, vm);
}

}  // namespace bascule
