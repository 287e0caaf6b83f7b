#include "failover/turn.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ensure.h"
#include "failover/deadlines.h"
#include "failover/transitions.h"

namespace bascule {
namespace {

using Order = decltype(SendCommand::order);

Order order_of(const Vm& vm, CommandKind kind, const Policy& policy) {
  const VmSpec& spec = vm.record.spec;
  switch (kind) {
    case CommandKind::start:
      return wire::StartVm{spec, vm.record.takeover, vm.record.ran, vm.record.delivered};
    case CommandKind::stop:
      return wire::StopVm{spec.id, wire::StopHow::shutdown, policy.shutdown_grace};
    case CommandKind::forget:
      return wire::ForgetVm{spec, true};
    case CommandKind::follow:
      return wire::FollowVolumes{spec};
    case CommandKind::change:
      return wire::ChangeVolumes{spec, vm.live.change->change};
    case CommandKind::forbid:
    case CommandKind::power:
      break;
  }
  return wire::ForbidVm{spec.id};
}

Duration patience(CommandKind kind, const Policy& policy) {
  if (kind == CommandKind::start) return policy.start_time;
  if (kind == CommandKind::stop) return policy.shutdown_grace + policy.command_validity;
  return policy.command_validity;
}

template <class Set, class Id>
void reindex(Set& index, std::optional<Instant>& entry, std::optional<Instant> deadline, const Id& id) {
  if (entry == deadline) return;
  if (entry) index.erase({*entry, id});
  if (deadline) index.insert({*deadline, id});
  entry = deadline;
}

constexpr std::size_t kLongestSubject = 200;
constexpr std::size_t kLongestWords = 8000;

void cut(std::string& text, std::size_t longest) {
  if (text.size() > longest) text.resize(longest);
}

// Whose it is, by the subject: "vm/<id>", "tenant/<id>", "user/<tenant>/<name>"; of an access session by its
// facts; otherwise whose user acted.
TenantId tenant_concerned(const State& state, const AuditRecord& entry) {
  const auto slash = entry.subject.find('/');
  const std::string kind = entry.subject.substr(0, slash);
  const std::string rest = slash == std::string::npos ? "" : entry.subject.substr(slash + 1);
  if (kind == "vm") {
    const auto vm = state.vms.find(VmId(rest));
    if (vm != state.vms.end()) return vm->second.record.spec.tenant;
  }
  if (kind == "tenant") return TenantId(rest);
  if (kind == "user") return TenantId(rest.substr(0, rest.find('/')));
  const auto fact = entry.facts.find("tenant");
  if (kind == "access" && fact != entry.facts.end()) return TenantId(fact->second);
  const auto of_user = entry.actor.find('/');
  return of_user == std::string::npos ? TenantId() : TenantId(entry.actor.substr(0, of_user));
}

}  // namespace

std::string subject_of(const Host& host) { return "host/" + host.record.id.value; }
std::string subject_of(const Vm& vm) { return "vm/" + vm.record.spec.id.value; }

std::string in_seconds(Duration duration) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(duration).count());
}

bool names_copy(const std::vector<Copy>& copies, const Copy& copy) {
  return std::find(copies.begin(), copies.end(), copy) != copies.end();
}

bool is_usable(const Host& host) {
  return host.record.phase == HostPhase::up && host.live.session && !host.record.quarantined &&
         host.live.drill == DrillPhase::none;
}

Host* Turn::find_host(const HostId& id) {
  const auto found = state.hosts.find(id);
  return found == state.hosts.end() ? nullptr : &found->second;
}

Vm* Turn::find_vm(const VmId& id) {
  const auto found = state.vms.find(id);
  return found == state.vms.end() ? nullptr : &found->second;
}

void Turn::touch(const Host& host) {
  touched.insert(subject_of(host));
  watch(host);
}
void Turn::touch(const Vm& vm) {
  touched.insert(subject_of(vm));
  watch(vm);
}
void Turn::touch(const Incident& incident) { touched.insert("incident/" + incident.id.value); }
void Turn::touch(const FailbackPlan& plan) { touched.insert("plan/" + plan.id.value); }
void Turn::touch(const Tenant& tenant) { touched.insert("tenant/" + tenant.id.value); }
void Turn::touch(const AccessSession& access) { touched.insert("access/" + access.id.value); }
void Turn::touch(const TenantImage& image) { touched.insert("image/" + image.id.value); }
void Turn::touch(const TenantUser& user) { touched.insert("user/" + user.id.value); }
void Turn::touch(const Token& token) { touched.insert("token/" + token.id.value); }

void Turn::set_phase(Host& host, HostPhase phase, Reason reason) {
  ensure(may_go(kHostTransitions, host.record.phase, phase), "a host phase that states.dot doesn't allow");
  host.record.phase = phase;
  host.record.phase_reason = reason;
  touch(host);
}

void Turn::set_phase(Vm& vm, VmPhase phase, Reason reason, std::string explanation) {
  ensure(may_go(kVmTransitions, vm.record.phase, phase), "a VM phase that states.dot doesn't allow");
  // It ran since: an earlier end of it says nothing about what it wrote.
  if (vm.record.phase == VmPhase::running && phase != VmPhase::running) vm.record.last_alive.reset();
  vm.record.phase = phase;
  vm.record.reason = reason;
  vm.record.explanation = std::move(explanation);
  touch(vm);
}

void Turn::set_may_run(Vm& vm, std::vector<Copy> may_run) {
  std::sort(may_run.begin(), may_run.end());
  const VmSpec& spec = vm.record.spec;
  std::set<HostId> before, after;
  for (const Copy& copy : vm.record.placement.may_run) before.insert(copy.host);
  for (const Copy& copy : may_run) after.insert(copy.host);
  for (const HostId& id : before) {
    if (after.contains(id)) continue;
    state.vms_by_host[id].erase(spec.id);
    if (Host* host = find_host(id)) host->live.committed_mib -= spec.memory_mib;
  }
  for (const HostId& id : after) {
    if (!state.vms_by_host[id].insert(spec.id).second) continue;
    if (Host* host = find_host(id)) host->live.committed_mib += spec.memory_mib;
  }
  vm.record.placement.may_run = std::move(may_run);
  touch(vm);
}

std::string settings_tag(const VmRecord& record) {
  return record.spec.id.value + "-" + std::to_string(record.settings);
}

void Turn::settings_changed(Vm& vm) {
  ++vm.record.settings;
  touch(vm);
}

void Turn::erase_vm(const VmId& id) {
  Vm& vm = *find_vm(id);
  forget_command(vm);
  set_may_run(vm, {});
  if (vm.live.deadline) state.vm_deadlines.erase({*vm.live.deadline, id});
  state.vm_names.erase(vm.record.spec.name);
  state.unplaced.erase(id);
  state.to_recover.erase({vm.record.spec.priority, vm.record.spec.name, id});
  touch(vm);
  watched_vms_.erase(id);
  state.vms.erase(id);
}

void Turn::record(AuditRecord entry) {
  // What somebody asked for stands in it, and one record too long for the store would stop everything.
  cut(entry.subject, kLongestSubject);
  cut(entry.words, kLongestWords);
  for (auto& [name, fact] : entry.facts) cut(fact, kLongestWords);
  entry.tenant = tenant_concerned(state, entry);
  audit.push_back(std::move(entry));
}
void Turn::log(std::string what, std::string subject, Reason reason, std::string words, Facts facts) {
  record({"engine", std::move(what), std::move(subject), reason, std::move(words), "", std::move(facts)});
}
void Turn::log(std::string what, const Host& host, Reason reason, std::string words, Facts facts) {
  log(std::move(what), subject_of(host), reason, std::move(words), std::move(facts));
}
void Turn::log(std::string what, const Vm& vm, Reason reason, std::string words, Facts facts) {
  facts.emplace("name", vm.record.spec.name);
  log(std::move(what), subject_of(vm), reason, std::move(words), std::move(facts));
}
void Turn::log(const Asked& asked, std::string what, std::string subject, Reason reason, std::string words,
               Facts facts) {
  if (!words.empty() && !asked.reason.empty()) facts.emplace("operator_reason", asked.reason);
  if (words.empty()) words = asked.reason;
  record({asked.by.value, std::move(what), std::move(subject), reason, std::move(words), asked.request.value,
          std::move(facts)});
}

void Turn::notify(NoticeKind kind, std::optional<IncidentId> incident, Facts facts) {
  log("notify", incident ? "incident/" + incident->value : "notices", Reason::to_be_told,
      std::string(name_of(kind)));
  actions.push_back(Notify{kind, std::move(incident), std::move(facts)});
}
void Turn::answer(const RequestId& request, std::string subject) {
  actions.push_back(Answer{request, std::nullopt, std::move(subject)});
}
void Turn::refuse(const Asked& asked, std::string what, std::string subject, Error error) {
  log(asked, "refuse_" + what, subject, Reason::requested, error.message);
  actions.push_back(Answer{asked.request, std::move(error), std::move(subject)});
}

ActionId Turn::new_action() {
  return ActionId(state.manager.value + "-" + std::to_string(state.next_action++));
}
std::uint64_t Turn::new_number() {
  touched.insert("cluster");
  return state.cluster.next_number++;
}

void Turn::forget_command(Vm& vm) {
  if (vm.live.action && vm.live.change) {
    const std::string words = "the change of its volumes was interrupted: look at `bascule vm show " +
                              vm.record.spec.name + "`, then ask for it again";
    log("change_interrupted", vm, vm.record.reason, words);
    actions.push_back(
        Answer{vm.live.change->request, Error{ErrorCode::unknown_outcome, words}, vm.record.spec.id.value});
    vm.live.change.reset();
  }
  if (vm.live.action) state.pending.erase(*vm.live.action);
  vm.live.action.reset();
  vm.live.action_deadline.reset();
  watch(vm);
}

void Turn::command(Vm& vm, CommandKind kind, const Copy& to, Generation generation) {
  forget_command(vm);
  const ActionId id = new_action();
  state.pending[id] = {kind, vm.record.spec.id, to, generation, std::nullopt};
  vm.live.action = id;
  vm.live.action_deadline = now + patience(kind, policy);
  actions.push_back(SendCommand{id, to, generation, order_of(vm, kind, policy)});
}

void Turn::forbid_aside(const VmId& vm, const Copy& to, Generation generation) {
  const ActionId id = new_action();
  state.pending[id] = {CommandKind::forbid, vm, to, generation, std::nullopt};
  actions.push_back(SendCommand{id, to, generation, wire::ForbidVm{vm}});
}

void Turn::send_again(Vm& vm) {
  watch(vm);
  vm.live.action_deadline.reset();
  const auto found = vm.live.action ? state.pending.find(*vm.live.action) : state.pending.end();
  if (found == state.pending.end()) return;
  const PendingAction& pending = found->second;
  vm.live.action_deadline = now + patience(pending.kind, policy);
  const Host* host = find_host(pending.to.host);
  if (!host || !host->live.session || host->record.boot_id != pending.to.boot_id) return;
  // Its host is doubted by now: no start goes there until it is up again, or the VM is recovered from it.
  if (pending.kind == CommandKind::start && !is_usable(*host)) return;
  actions.push_back(
      SendCommand{found->first, pending.to, pending.generation, order_of(vm, pending.kind, policy)});
}

void Turn::answer_waiting(Vm& vm, std::optional<Error> error) {
  if (!vm.live.request) return;
  actions.push_back(Answer{*vm.live.request, std::move(error), vm.record.spec.id.value});
  vm.live.request.reset();
  vm.live.again = false;
}

void Turn::close() {
  for (const HostId& id : watched_hosts_) {
    Host* host = find_host(id);
    if (host) reindex(state.host_deadlines, host->live.deadline, deadline_of(state, *host, now, policy), id);
  }
  for (const VmId& id : watched_vms_) {
    Vm* vm = find_vm(id);
    if (vm) reindex(state.vm_deadlines, vm->live.deadline, vm->live.action_deadline, id);
  }
}

}  // namespace bascule
