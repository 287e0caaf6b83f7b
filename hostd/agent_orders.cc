// The agent's orders: start, stop, forbid, forget. Each runs under a claim on its VM.
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "hostd/agent.h"
#include "hostd/domain_xml.h"
#include "hostd/qemu_img.h"

namespace bascule::hostd {
namespace {

constexpr Duration kGoneBound = 10s;  // a destroyed QEMU with a dead NBD server takes that long
constexpr Duration kFreeBound = 3s;   // libvirt needs up to 0.3 s to notice that a QEMU was killed
constexpr Duration kLookEvery = 20ms;

std::string numbered(Generation generation) { return std::to_string(generation.value); }

}  // namespace

// In the order of the safety contract; generation and tombstone are checked where the order uses them.
Status Agent::check(const wire::Command& command) {
  if (command.cluster != identity_.cluster)
    return failure(ErrorCode::denied, "the command is for cluster " + command.cluster.value +
                                          ", this host is of " + identity_.cluster.value);
  const Status obeyed = parts_.tombstones.obey({command.epoch, command.term, command.manager});
  if (!obeyed) return obeyed;
  if (command.boot_id != identity_.boot)
    return failure(ErrorCode::conflict, "the command is for boot " + command.boot_id.value +
                                            " of this host, which has booted since");
  if (clock() > command.not_after)
    return failure(ErrorCode::timeout, "the command came after the time until which it was valid");
  return {};
}

Status Agent::check_time_and_lease(const wire::Command& command) const {
  const Duration now = clock();
  if (now > command.not_after)
    return failure(ErrorCode::timeout, "the time until which the start was valid has passed");
  return lease_allows_start(parts_.read_lease(), identity_.boot, now);
}

// ---- Start ----

Agent::Reply Agent::carry_out(const wire::Command& command, const wire::StartVm& order) {
  const VmSpec& spec = order.spec;
  if (const std::vector<std::string> problems = problems_of(spec); !problems.empty())
    return failure(ErrorCode::invalid, "the VM's specification: " + problems.front());
  if (spec.id.empty()) return failure(ErrorCode::invalid, "the VM's specification has no id");
  if (const std::optional<Guest> known = guest(spec.id)) {
    if (known->generation != command.generation)
      return failure(ErrorCode::conflict,
                     spec.name + " runs here with generation " + numbered(known->generation));
    if (known->state == wire::DomainState::running) return Done{report(spec.id), {}, {}};
    // Left paused by an earlier life of this daemon, between its start and its first instruction.
    if (const Status allowed = check_time_and_lease(command); !allowed) return failure(allowed.error());
    if (const Status resumed = parts_.hypervisor.resume(spec.id); !resumed) return failure(resumed.error());
    set_guest(spec.id, {command.generation, wire::DomainState::running, "", known->guard_stops, {}, {}});
    return Done{report(spec.id), {}, {}};
  }
  if (command.generation <= parts_.tombstones.record(spec.id).forbidden)
    return failure(ErrorCode::conflict, "generation " + numbered(command.generation) + " of " + spec.name +
                                            " is forbidden on this host");
  // The volumes first: should this start fail, the next one, perhaps elsewhere, finds them.
  const Result<Prepared> prepared = prepare(command, order);
  if (!prepared) return failure(prepared.error());
  if (const Status allowed = check_time_and_lease(command); !allowed) return failure(allowed.error());
  if (const Status free = wait_until_free(spec.id); !free) return failure(free.error());
  if (const Status running = run(command, spec, *prepared); !running)
    return failure(running.error().within("starting " + spec.name));
  return Done{report(spec.id), prepared->taken, {}};
}

// The VM's volumes are made at its very first start only: later, a volume that is missing means that the pool
// is not the one that the guest wrote to, and an empty disk in its place would hide that. That no generation
// was seen running proves nothing: the answer of its first start may have got lost.
Status Agent::prepare_disk(const Disk& disk, const Taking& taking, const wire::StartVm& order,
                           DomainPlan& plan, Prepared& prepared) {
  const auto pool = parts_.pools.find(disk.pool);
  if (pool == parts_.pools.end())
    return failure(ErrorCode::not_found, "this host has no pool \"" + disk.pool + "\"; see its hostd.toml");
  const Result<bool> there = pool->second->exists(disk.volume);
  if (!there) return failure(there.error());
  if (!*there && taking.generation.value > 1)
    return failure(ErrorCode::unavailable,
                   "volume " + disk.volume + " is missing from pool " + disk.pool +
                       "; is the right storage mounted? If the VM never ran, delete it and create it anew");
  NewVolume fresh{disk, taking.vm, plan.spec.protected_};
  if (!plan.spec.tenant.empty()) fresh.custody = first_custody(plan.spec, order.delivered);
  const Status ours = *there ? check_volume(*pool->second, disk, plan.spec) : pool->second->create(fresh);
  if (!ours) return ours;
  Result<OpenedVolume> opened = pool->second->open(disk.volume, taking);
  if (!opened) return failure(opened.error());
  // Once more: it may have come from the other site just now.
  const Result<bool> delivered = keep_custody(*pool->second, disk, plan.spec, order);
  if (!delivered) return failure(delivered.error());
  prepared.delivered = prepared.delivered || *delivered;
  if (const Status itself = check_format(disk, opened->source); !itself) return itself;
  plan.disks.push_back(std::move(opened->source));
  if (opened->taken) prepared.taken.push_back(std::move(*opened->taken));
  return {};
}

// A guest writes its volumes as it likes: as qcow2, one that it had as raw could name any file of this host.
Status Agent::check_format(const Disk& disk, const DiskSource& source) {
  const auto* file = std::get_if<FileSource>(&source);
  return file && disk.format == DiskFormat::qcow2 ? check_qcow2_alone(file->path) : Status();
}

Result<Agent::Prepared> Agent::prepare(const wire::Command& command, const wire::StartVm& order) {
  const VmSpec& spec = order.spec;
  Prepared prepared;
  DomainPlan plan;
  plan.spec = spec;
  plan.generation = command.generation;
  plan.domain_type = identity_.domain_type;
  const Taking taking{spec.id, command.generation, order.ran, order.takeover};
  for (const Disk& disk : spec.disks)
    if (const Status ready = prepare_disk(disk, taking, order, plan, prepared); !ready)
      return failure(ready.error());
  if (spec.kernel) {
    const auto pool = parts_.pools.find(spec.kernel->pool);
    if (pool == parts_.pools.end())
      return failure(ErrorCode::not_found, "this host has no pool \"" + spec.kernel->pool + "\"");
    const Result<std::string> kernel = pool->second->file_path(spec.kernel->kernel);
    if (!kernel) return failure(kernel.error());
    if (access(kernel->c_str(), R_OK) != 0)
      return failure(ErrorCode::not_found,
                     *kernel + " isn't there: what guests boot is in the pool's folder boot");
    plan.kernel_path = *kernel;
    if (!spec.kernel->initrd.empty())
      plan.initrd_path = pool->second->file_path(spec.kernel->initrd).value_or("");
  }
  if (spec.cdrom) {
    const auto pool = parts_.pools.find(spec.cdrom->pool);
    if (pool == parts_.pools.end())
      return failure(ErrorCode::not_found, "this host has no pool \"" + spec.cdrom->pool + "\"");
    Result<DiskSource> source = pool->second->open_image(spec.cdrom->image, taking);
    if (!source) return failure(source.error().within("the CD in its drive"));
    plan.cdrom = *std::move(source);
  }
  if (spec.seed) {
    Result<SeedDisk> seed = SeedDisk::make(parts_.seed_folder, spec.id, *spec.seed);
    if (!seed) return failure(seed.error());
    plan.seed_path = seed->path();
    prepared.seed.emplace(*std::move(seed));
  }
  prepared.xml = domain_xml(plan);
  prepared.secrets = disk_secrets(plan);
  if (const std::vector<Violation> violations = check_device_policy(prepared.xml); !violations.empty())
    return failure(ErrorCode::policy, describe(violations));
  return prepared;
}

// A QEMU that has just died may still be on libvirt's list, and one that libvirt has lost may still run.
Status Agent::wait_until_free(const VmId& vm) {
  const Instant deadline = parts_.clock.now() + kFreeBound;
  while (true) {
    const Result<std::string> domain = parts_.hypervisor.xml(vm);
    if (!domain && domain.error().code != ErrorCode::not_found) return failure(domain.error());
    const Result<std::vector<QemuProcess>> found = parts_.processes.scan();
    if (!found) return failure(found.error());
    const auto process =
        std::find_if(found->begin(), found->end(), [&vm](const auto& p) { return p.vm == vm; });
    if (!domain && process == found->end()) return {};
    if (parts_.clock.now() >= deadline)
      return failure(ErrorCode::conflict,
                     domain
                         ? "libvirt has a domain with the VM's id that this host doesn't hold"
                         : "QEMU process " + std::to_string(process->pid) +
                               ", which libvirt doesn't know, runs the VM already; look at it, then kill it");
    pause(kLookEvery);
  }
}

// Paused first: everything that may have changed while libvirt worked is looked at again before the guest's
// first instruction.
Status Agent::run(const wire::Command& command, const VmSpec& spec, const Prepared& prepared) {
  if (const Status held = parts_.tombstones.hold(spec.id, command.generation); !held) return held;
  const Result<wire::LeaseFile> lease = parts_.read_lease();
  Guest fresh{command.generation, wire::DomainState::starting, "", lease ? lease->stops : 0, {}, {}};
  set_guest(spec.id, fresh);
  if (prepared.delivered) {
    const std::lock_guard lock(mutex_);
    delivered_[spec.id] = command.generation;
  }
  Status done = parts_.filter.protect(spec);
  if (done) done = parts_.hypervisor.start_paused(prepared.xml, prepared.secrets);
  if (done) done = check_running_policy(spec.id);
  if (done) done = check_time_and_lease(command);
  if (done && parts_.tombstones.record(spec.id).held != command.generation)
    done = failure(ErrorCode::conflict, "the generation was forbidden while it started");
  if (done) done = parts_.hypervisor.resume(spec.id);
  if (done) {
    fresh.state = wire::DomainState::running;
    set_guest(spec.id, fresh);
    if (!prepared.delivered) note_boot(spec);
    return {};
  }
  const Status gone = make_gone(spec.id);
  if (!gone)
    return failure(ErrorCode::unknown_outcome, done.error().message + "; and then: " + gone.error().message);
  {
    const std::lock_guard lock(mutex_);
    guests_.erase(spec.id);
  }
  if (const Status released = parts_.tombstones.release(spec.id, command.generation); !released)
    raise("storage", "tombstones", {}, released.error().message);
  return done;
}

Status Agent::check_running_policy(const VmId& vm) {
  std::array<std::string, kPolicyQueries.size()> answers;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    Result<std::string> answer = parts_.hypervisor.qmp(vm, std::string(kPolicyQueries[i]));
    if (!answer) return failure(answer.error());
    answers[i] = std::move(*answer);
  }
  const std::vector<Violation> violations = check_qmp_answers(answers);
  if (violations.empty()) return {};
  return failure(ErrorCode::policy, describe(violations));
}

// ---- Stop ----

// Killed, and looked for in libvirt and in /proc until neither has it.
Status Agent::make_gone(const VmId& vm) {
  const Instant deadline = parts_.clock.now() + kGoneBound;
  std::string why;
  for (;;) {
    const Status killed = parts_.hypervisor.kill(vm);
    const bool unknown_to_libvirt = !killed && killed.error().code == ErrorCode::not_found;
    if (!killed && !unknown_to_libvirt) why = killed.error().message;
    const Result<std::vector<QemuProcess>> found = parts_.processes.scan();
    if (!found) return failure(found.error());
    std::size_t alive = 0;
    for (const QemuProcess& process : *found) {
      if (process.vm != vm) continue;
      ++alive;
      why = "QEMU process " + std::to_string(process.pid) + " is still there";
      if (!killed) parts_.processes.kill(process);
    }
    if (alive == 0 && unknown_to_libvirt) return {};
    if (parts_.clock.now() >= deadline)
      return failure(ErrorCode::unknown_outcome, "it could not be shown that the VM is gone: " + why);
    pause(kLookEvery);
  }
}

// Ends what runs of the VM up to `generation`, for good. A newer generation is left alone.
Status Agent::end_up_to(const VmId& vm, Generation generation) {
  const std::optional<Guest> known = guest(vm);
  if (known && known->generation > generation) return {};
  if (const Status gone = make_gone(vm); !gone) return gone;
  if (!known) return {};
  std::optional<PendingStop> overtaken;
  {
    const std::lock_guard lock(mutex_);
    guests_.erase(vm);
    if (const auto pending = stops_.extract(vm)) overtaken = pending.mapped();
  }
  if (overtaken) answer(overtaken->action, {}, report(vm));
  return parts_.tombstones.forbid(vm, known->generation);
}

Agent::Reply Agent::carry_out(const wire::Command& command, const wire::StopVm& order) {
  const std::optional<Guest> known = guest(order.vm);
  if (known && known->generation > command.generation)
    return failure(ErrorCode::conflict, "generation " + numbered(known->generation) +
                                            " runs here, newer than " + numbered(command.generation));
  if (!known || order.how == wire::StopHow::kill) {
    if (const Status ended = end_up_to(order.vm, command.generation); !ended) return failure(ended.error());
    return Done{report(order.vm), {}, {}};
  }
  if (const Status asked = parts_.hypervisor.shutdown(order.vm); !asked) return failure(asked.error());
  const std::lock_guard lock(mutex_);
  stops_[order.vm] = {command.action, parts_.clock.now() + order.grace};
  return std::optional<Done>();
}

Agent::Reply Agent::carry_out(const wire::Command& command, const wire::ForbidVm& order) {
  // The tombstone comes first: whatever is lost after it, the generation never starts here again.
  if (const Status forbidden = parts_.tombstones.forbid(order.vm, command.generation); !forbidden)
    return failure(forbidden.error());
  if (const Status ended = end_up_to(order.vm, command.generation); !ended) return failure(ended.error());
  wait_for_closing(order.vm);
  // True of these generations even when a newer one runs here.
  return Done{{order.vm, command.generation, wire::DomainState::gone, ""}, {}, {}};
}

Agent::Reply Agent::carry_out(const wire::Command& command, const wire::ForgetVm& order) {
  const std::optional<Guest> known = guest(order.spec.id);
  if (known && known->generation > command.generation)
    return failure(ErrorCode::conflict, "generation " + numbered(known->generation) + " runs here");
  if (const Status ended = end_up_to(order.spec.id, command.generation); !ended)
    return failure(ended.error());
  for (const Disk& disk : order.spec.disks) {
    const auto pool = parts_.pools.find(disk.pool);
    if (!order.delete_volumes || pool == parts_.pools.end()) continue;
    if (const Status removed = pool->second->remove(disk.volume, order.spec.id); !removed)
      return failure(removed.error());
  }
  if (const Status forgotten = parts_.tombstones.forget(order.spec.id); !forgotten)
    return failure(forgotten.error());
  return Done{report(order.spec.id), {}, {}};
}

}  // namespace bascule::hostd
