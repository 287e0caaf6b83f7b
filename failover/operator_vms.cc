#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/tenant_network.h"
#include "failover/access/authorize.h"
#include "failover/access/quota.h"
#include "failover/images.h"
#include "failover/operator.h"
#include "failover/placement.h"
#include "failover/recovery.h"
#include "failover/volumes.h"

namespace bascule {
namespace {

constexpr std::size_t kMostBrokenGlass = 20;

std::string subject_of(const VmId& id) { return "vm/" + id.value; }

bool has_volume(const VmSpec& spec, const std::string& pool, const std::string& volume) {
  return std::any_of(spec.disks.begin(), spec.disks.end(),
                     [&](const Disk& disk) { return disk.pool == pool && disk.volume == volume; });
}

// What another VM has on its disks is not to be had by a second way in.
std::string shared_volume(const State& state, const VmSpec& spec) {
  for (const auto& [id, vm] : state.vms) {
    const VmSpec& other = vm.record.spec;
    for (const Disk& disk : spec.disks)
      if (has_volume(other, disk.pool, disk.volume)) return disk.pool + ":" + disk.volume;
    if (!spec.kernel) continue;
    for (const std::string& file : {spec.kernel->kernel, spec.kernel->initrd})
      if (has_volume(other, spec.kernel->pool, file)) return spec.kernel->pool + ":" + file;
  }
  return "";
}

// Two guests that were given one address would each have half of its traffic.
std::string taken_address(const State& state, const VmSpec& spec) {
  std::set<std::string> wanted;
  for (const Nic& nic : spec.nics)
    for (const std::string& address : nic.addresses)
      if (!wanted.insert(address).second) return address;
  if (wanted.empty()) return "";
  for (const auto& [id, vm] : state.vms)
    for (const Nic& nic : vm.record.spec.nics)
      for (const std::string& address : nic.addresses)
        if (wanted.contains(address)) return address;
  return "";
}

std::string problems_with(const State& state, const VmSpec& spec) {
  std::string text;
  for (const std::string& problem : problems_of(spec)) text += (text.empty() ? "" : "; ") + problem;
  if (!text.empty()) return text;
  if (spec.id.empty()) return "id: is missing";
  if (state.vms.contains(spec.id)) return "id: a VM with this id exists";
  if (!spec.tenant.empty() && !state.directory.tenants.contains(spec.tenant))
    return "tenant: no tenant is named " + spec.tenant.value;
  const std::string prefix = mac_prefix_of(spec.tenant);
  for (const Nic& nic : spec.nics)
    if (spec.tenant.empty() && nic.mac.starts_with(kTenantMac))
      return "nics: MAC addresses that begin with 56:b5: are for tenants' machines";
    else if (!spec.tenant.empty() && !nic.mac.starts_with(prefix))
      return "nics: a MAC address of " + spec.tenant.value + " begins with " + prefix + ", not " + nic.mac;
  if (const std::string taken = shared_volume(state, spec); !taken.empty())
    return "disks: " + taken + " is another VM's";
  if (const std::string taken = taken_address(state, spec); !taken.empty())
    return "nics: the address " + taken + " is another's";
  if (!state.sites.contains(spec.home)) return "home: no site is named " + spec.home.value;
  return "";
}

// Why no host could start a new VM now; empty when one can.
std::string why_no_room(const State& state, const VmSpec& spec) {
  PlacementWish wish;
  wish.sites.push_back(spec.home);
  for (const auto& [id, site] : state.sites)
    if (id != spec.home) wish.sites.push_back(id);
  const PlacementChoice choice = place(state, spec, wish);
  return choice.host ? "" : choice.explanation;
}

Error being_changed(const Vm& vm) {
  return {ErrorCode::conflict,
          vm.record.spec.name + "'s volumes are being changed: wait until that has ended"};
}

void begin_start(Turn& turn, Vm& vm, const Asked& asked) {
  vm.record.wanted_running = true;
  vm.live.request = asked.request;
  vm.live.restarts.clear();
  forget_refusals(vm);
  turn.set_phase(vm, VmPhase::recovering, Reason::requested, "an operator asked to start it");
  advance(turn, vm);
}

// The audit's word for it.
std::string word_for(const StopVmAsked& asked) {
  if (asked.again) return "reboot_vm";
  return asked.how == wire::StopHow::kill ? "kill_vm" : "stop_vm";
}

void kill(Turn& turn, Vm& vm, const StopVmAsked& asked) {
  turn.answer_waiting(vm, Error{ErrorCode::conflict, "it was stopped by another request meanwhile"});
  vm.record.wanted_running = vm.live.again = asked.again;
  vm.live.request = asked.asked.request;
  turn.forget_command(vm);
  turn.set_phase(vm, VmPhase::stopping, Reason::requested, "an operator cut its power");
  turn.log(asked.asked, word_for(asked), subject_of(vm), Reason::requested);
  advance(turn, vm);
}

void shut_down(Turn& turn, Vm& vm, const StopVmAsked& asked) {
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, word_for(asked), subject_of(vm),
                {code, vm.record.spec.name + " " + std::move(words)});
  };
  if (vm.record.phase != VmPhase::running)
    return refuse(ErrorCode::conflict,
                  fmt::format("is {}: wait, or cut its power: `bascule vm kill`", name_of(vm.record.phase)));
  const Host* host = turn.find_host(*vm.record.placement.owner);
  if (!host || !host->live.session)
    return refuse(ErrorCode::unavailable, "runs on " + vm.record.placement.owner->value +
                                              ", which has no session with the manager: try again later");
  vm.record.wanted_running = vm.live.again = asked.again;
  vm.live.request = asked.asked.request;
  turn.set_phase(vm, VmPhase::stopping, Reason::requested, "an operator asked to shut it down");
  turn.log(asked.asked, word_for(asked), subject_of(vm), Reason::requested);
  turn.command(vm, CommandKind::stop, {host->record.id, *host->record.boot_id},
               vm.record.placement.generation);
}

// Once for each time that it is broken: its tenant, operations and whoever looks at the machine are to know
// before anybody is inside.
void note_broken_glass(Turn& turn, Vm& vm, const OpenConsole& asked) {
  auto& seen = vm.record.broken_glass;
  const auto known = std::find_if(seen.begin(), seen.end(),
                                  [&](const BrokenGlassSeen& one) { return one.nonce == asked.glass; });
  if (known != seen.end()) return;
  if (seen.size() >= kMostBrokenGlass) seen.erase(seen.begin());
  seen.push_back({asked.glass, asked.asked.by, asked.asked.reason, turn.wall});
  turn.touch(vm);
  turn.log(asked.asked, "break_glass", subject_of(asked.vm), Reason::requested, "", {{"nonce", asked.glass}});
  std::map<std::string, std::string> facts{{"vms", vm.record.spec.name},
                                           {"detail", fmt::format("{} into {}: {}", asked.asked.by.value,
                                                                  vm.record.spec.name, asked.asked.reason)}};
  const auto tenant = turn.state.directory.tenants.find(vm.record.spec.tenant);
  if (tenant != turn.state.directory.tenants.end() && !tenant->second.contacts.empty())
    facts["mail"] = fmt::format("{}", fmt::join(tenant->second.contacts, ","));
  turn.notify(NoticeKind::glass_broken, std::nullopt, facts);
}

}  // namespace

Vm* named(Turn& turn, const Asked& asked, const std::string& what, const VmId& id) {
  Vm* vm = turn.find_vm(id);
  if (!vm) turn.refuse(asked, what, subject_of(id), {ErrorCode::not_found, "no VM " + id.value});
  return vm;
}

void create_vm(Turn& turn, const CreateVm& asked) {
  if (turn.state.vm_names.contains(asked.spec.name))
    return turn.refuse(
        asked.asked, "create_vm", subject_of(asked.spec.id),
        {ErrorCode::conflict, "name: a VM named " + asked.spec.name + " exists, choose another"});
  const std::string problem = problems_with(turn.state, asked.spec);
  if (!problem.empty())
    return turn.refuse(asked.asked, "create_vm", subject_of(asked.spec.id), {ErrorCode::invalid, problem});
  if (const std::string over =
          why_over_quota(turn.state, asked.asked, asked.spec.tenant, quota_of(asked.spec));
      !over.empty())
    return turn.refuse(asked.asked, "create_vm", subject_of(asked.spec.id), {ErrorCode::policy, over});
  if (asked.start && turn.state.cluster.recovering)
    return turn.refuse(
        asked.asked, "create_vm", subject_of(asked.spec.id),
        {ErrorCode::conflict, "the database was restored: nothing starts until all hosts reported"});
  if (const std::string room = asked.start ? why_no_room(turn.state, asked.spec) : ""; !room.empty())
    return turn.refuse(asked.asked, "create_vm", subject_of(asked.spec.id),
                       {ErrorCode::exhausted, room + ". Nothing was made"});
  Vm& vm = turn.state.vms[asked.spec.id];
  vm.record.spec = asked.spec;
  vm.record.wanted_running = asked.start;
  vm.record.delivered = !asked.asked.token.empty();  // nobody of the provider has been inside
  turn.state.vm_names[asked.spec.name] = asked.spec.id;
  turn.touch(vm);
  turn.log(asked.asked, "create_vm", subject_of(asked.spec.id), Reason::requested, "",
           {{"name", asked.spec.name}, {"home", asked.spec.home.value}});
  if (!asked.start) return turn.answer(asked.asked.request, asked.spec.id.value);
  begin_start(turn, vm, asked.asked);
}

void accept_delivery(Turn& turn, const AcceptDelivery& asked) {
  Vm* vm = named(turn, asked.asked, "accept_delivery", asked.vm);
  if (!vm) return;
  // One that never ran has no volumes yet: they will be its tenant's from the beginning.
  const bool has_volumes = vm->record.ran.value > 0 || vm->record.phase != VmPhase::stopped;
  if (has_volumes && !vm->record.delivered) return deliver_volumes(turn, *vm, asked.asked);
  vm->record.delivered = true;
  turn.settings_changed(*vm);
  turn.log(asked.asked, "accept_delivery", subject_of(asked.vm), Reason::requested);
  turn.answer(asked.asked.request, asked.vm.value);
}

void start_vm(Turn& turn, const StartVmAsked& asked) {
  Vm* vm = named(turn, asked.asked, "start_vm", asked.vm);
  if (!vm) return;
  const VmPhase phase = vm->record.phase;
  if (phase == VmPhase::running) {
    turn.log(asked.asked, "start_vm", subject_of(asked.vm), Reason::requested, "it runs already");
    return turn.answer(asked.asked.request, asked.vm.value);
  }
  if (turn.state.cluster.recovering)
    return turn.refuse(
        asked.asked, "start_vm", subject_of(asked.vm),
        {ErrorCode::conflict, "the database was restored: nothing starts until all hosts reported"});
  if (phase != VmPhase::stopped && phase != VmPhase::failed)
    return turn.refuse(asked.asked, "start_vm", subject_of(asked.vm),
                       {ErrorCode::conflict, fmt::format("{} is {}: {}", vm->record.spec.name, name_of(phase),
                                                         vm->record.explanation)});
  if (vm->live.change) return turn.refuse(asked.asked, "start_vm", subject_of(asked.vm), being_changed(*vm));
  turn.log(asked.asked, "start_vm", subject_of(asked.vm), Reason::requested);
  begin_start(turn, *vm, asked.asked);
}

void stop_vm(Turn& turn, const StopVmAsked& asked) {
  const std::string what = word_for(asked);
  Vm* vm = named(turn, asked.asked, what, asked.vm);
  if (!vm) return;
  const VmPhase phase = vm->record.phase;
  const auto refuse = [&](std::string words) {
    turn.refuse(asked.asked, what, subject_of(asked.vm),
                {ErrorCode::conflict, vm->record.spec.name + " " + std::move(words)});
  };
  if (phase == VmPhase::deleting) return refuse("is being deleted");
  if (asked.again) {
    if (phase != VmPhase::running) return refuse("doesn't run: start it instead");
    const Host* owner = turn.find_host(*vm->record.placement.owner);
    if (turn.state.cluster.recovering || !owner || !is_usable(*owner))
      return refuse("could not be started again where it is now");
  }
  if (vm->record.failback) return refuse("is being carried home: wait until the plan is done");
  if (phase == VmPhase::stopped) {
    vm->record.wanted_running = false;
    turn.touch(*vm);
    turn.log(asked.asked, "stop_vm", subject_of(asked.vm), Reason::requested, "it is stopped");
    return turn.answer(asked.asked.request, asked.vm.value);
  }
  if (phase == VmPhase::recovering || phase == VmPhase::failed) {
    // Nothing of it can be commanded now; from here on it isn't started again.
    turn.answer_waiting(*vm, Error{ErrorCode::conflict, "it was stopped by another request meanwhile"});
    vm->record.wanted_running = false;
    turn.set_phase(*vm, VmPhase::stopping, Reason::requested, "not started again: an operator stopped it");
    turn.log(asked.asked, "stop_vm", subject_of(asked.vm), Reason::requested, "it will not be started again");
    turn.answer(asked.asked.request, asked.vm.value);
    return advance(turn, *vm);
  }
  if (asked.how == wire::StopHow::kill) return kill(turn, *vm, asked);
  shut_down(turn, *vm, asked);
}

const Vm* vm_of_operation(const State& state, const RequestId& operation) {
  const auto found = std::find_if(state.vms.begin(), state.vms.end(),
                                  [&](const auto& entry) { return entry.second.live.request == operation; });
  return found == state.vms.end() ? nullptr : &found->second;
}

void cancel_operation(Turn& turn, const CancelOperation& asked) {
  const Vm* vm = vm_of_operation(turn.state, asked.operation);
  const std::string subject = vm ? subject_of(*vm) : "operation/" + asked.operation.value;
  const bool starts =
      vm && (vm->record.phase == VmPhase::recovering || vm->record.phase == VmPhase::starting);
  if (!starts)
    return turn.refuse(asked.asked, "cancel_operation", subject,
                       {ErrorCode::conflict, "it has ended, or it is nothing that can be called back"});
  turn.log(asked.asked, "cancel_operation", subject, Reason::requested, "",
           {{"operation", asked.operation.value}});
  stop_vm(turn, {asked.asked, vm->record.spec.id, wire::StopHow::kill});
}

void change_vm(Turn& turn, const ChangeVm& asked) {
  Vm* vm = named(turn, asked.asked, "change_vm", asked.vm);
  if (!vm) return;
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "change_vm", subject_of(asked.vm), {code, std::move(words)});
  };
  const VmSpec& before = vm->record.spec;
  VmSpec next = before;
  if (asked.name) next.name = (before.tenant.empty() ? "" : before.tenant.value + "/") + *asked.name;
  if (asked.memory_mib) next.memory_mib = *asked.memory_mib;
  if (asked.vcpus) next.vcpus = *asked.vcpus;
  if (asked.iso) {
    next.cdrom = cdrom_of(turn.state, before.tenant, *asked.iso);
    if (!asked.iso->empty() && !next.cdrom)
      return refuse(ErrorCode::invalid, "iso: there is no image of this name that is a CD");
  }
  const bool stopped = vm->record.phase == VmPhase::stopped || vm->record.phase == VmPhase::failed;
  if (next != before && (!stopped || vm->live.change))
    return refuse(ErrorCode::conflict, name_in_tenant(before) + " must be stopped for that");
  if (const auto problems = problems_of(next); !problems.empty())
    return refuse(ErrorCode::invalid, problems.front());
  if (next.name != before.name && turn.state.vm_names.contains(next.name))
    return refuse(ErrorCode::conflict, "a VM named " + name_in_tenant(next) + " exists, choose another");
  const Quota more{0, next.memory_mib - std::min(next.memory_mib, before.memory_mib),
                   next.vcpus - std::min(next.vcpus, before.vcpus), 0};
  if (const std::string over = why_over_quota(turn.state, asked.asked, before.tenant, more); !over.empty())
    return refuse(ErrorCode::policy, over);
  turn.state.vm_names.erase(before.name);
  turn.state.vm_names[next.name] = asked.vm;
  vm->record.spec = next;
  if (asked.keep) vm->record.keep = *asked.keep;
  turn.settings_changed(*vm);
  turn.log(asked.asked, "change_vm", subject_of(asked.vm), Reason::requested, "",
           {{"name", next.name},
            {"memory_mib", std::to_string(next.memory_mib)},
            {"vcpus", std::to_string(next.vcpus)},
            {"keep", vm->record.keep ? "yes" : "no"}});
  turn.answer(asked.asked.request, asked.vm.value);
}

void open_console(Turn& turn, const OpenConsole& asked) {
  Vm* vm = named(turn, asked.asked, "open_console", asked.vm);
  if (!vm) return;
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "open_console", subject_of(asked.vm), {code, std::move(words)});
  };
  const std::string problem = asked.asked.token.empty() ? "" : problem_of_reason(asked.asked.reason);
  if (!problem.empty()) return refuse(ErrorCode::invalid, "reason: " + problem);
  if (vm->record.phase != VmPhase::running)
    return refuse(ErrorCode::conflict, fmt::format("{} is {}: it must run", name_in_tenant(vm->record.spec),
                                                   name_of(vm->record.phase)));
  if (asked.kind == wire::ConsoleKind::screen && !vm->record.spec.screen)
    return refuse(ErrorCode::conflict,
                  name_in_tenant(vm->record.spec) + " has no screen, only a serial line");
  if (!asked.glass.empty()) note_broken_glass(turn, *vm, asked);
  turn.log(asked.asked, "open_console", subject_of(asked.vm), Reason::requested, "",
           {{"console", std::string(name_of(asked.kind))}, {"granted", asked.granted ? "yes" : "no"}});
  turn.answer(asked.asked.request, asked.vm.value);
}

void delete_vm(Turn& turn, const DeleteVm& asked) {
  Vm* vm = named(turn, asked.asked, "delete_vm", asked.vm);
  if (!vm) return;
  const VmPhase phase = vm->record.phase;
  if (phase != VmPhase::stopped && phase != VmPhase::failed)
    return turn.refuse(
        asked.asked, "delete_vm", subject_of(asked.vm),
        {ErrorCode::conflict, fmt::format("{} is {}: stop it first", vm->record.spec.name, name_of(phase))});
  if (vm->record.keep)
    return turn.refuse(
        asked.asked, "delete_vm", subject_of(asked.vm),
        {ErrorCode::conflict, name_in_tenant(vm->record.spec) + " is to be kept: take that back first"});
  if (vm->live.change) return turn.refuse(asked.asked, "delete_vm", subject_of(asked.vm), being_changed(*vm));
  vm->record.wanted_running = false;
  vm->live.request = asked.asked.request;
  turn.set_phase(*vm, VmPhase::deleting, Reason::requested, "an operator deleted it");
  turn.log(asked.asked, "delete_vm", subject_of(asked.vm), Reason::requested, "",
           {{"name", vm->record.spec.name}});
  advance(turn, *vm);
}

}  // namespace bascule
