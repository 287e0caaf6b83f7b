#include "hostd/agent.h"

#include "base/log.h"

namespace bascule::hostd {
namespace {
constexpr std::size_t kRememberedActions = 2048;
constexpr std::size_t kMostFaults = 256;
constexpr Duration kFaultPasses = 60s;
}  // namespace

VmId vm_of(const wire::Command& command) {
  return std::visit(
      [](const auto& order) {
        if constexpr (requires { order.vm; })
          return order.vm;
        else
          return order.spec.id;
      },
      command.order);
}

bool works_on_domain(const wire::Command& command) {
  return !std::holds_alternative<wire::FollowVolumes>(command.order) &&
         !std::holds_alternative<wire::ChangeVolumes>(command.order);
}

Agent::Agent(HostIdentity identity, AgentParts parts)
    : identity_(std::move(identity)), parts_(std::move(parts)) {}

// ---- The session's ----

wire::Hello Agent::hello() const {
  wire::Hello hello;
  hello.cluster = identity_.cluster;
  hello.host = identity_.host;
  hello.boot_id = identity_.boot;
  hello.build = BASCULE_VERSION;
  hello.capacity = identity_.capacity;
  hello.guard = guard();
  hello.clock = clock();
  hello.epoch = parts_.tombstones.authority().epoch;
  hello.term = parts_.tombstones.authority().term;
  hello.tombstones = parts_.tombstones.all();
  const std::lock_guard lock(mutex_);
  for (const auto& [vm, guest] : guests_)
    hello.domains.push_back({vm, guest.generation, guest.state, guest.detail});
  return hello;
}

wire::GuardStatus Agent::guard() const { return guard_status(parts_.read_lease(), identity_.boot, clock()); }

Status Agent::acceptable(const wire::Welcome& welcome) const {
  if (welcome.protocol != wire::kProtocol)
    return failure(ErrorCode::invalid, "the manager speaks protocol " + std::to_string(welcome.protocol) +
                                           ", this host " + std::to_string(wire::kProtocol));
  if (welcome.cluster != identity_.cluster)
    return failure(ErrorCode::denied, "the manager is of cluster " + welcome.cluster.value +
                                          ", this host of " + identity_.cluster.value);
  return parts_.tombstones.acceptable({welcome.epoch, welcome.term, welcome.manager});
}

// ---- Claims ----

bool Agent::claim(const VmId& vm, Duration wait) {
  std::unique_lock lock(mutex_);
  if (!unclaimed_.wait_for(lock, wait, [&] { return !claims_.contains(vm); })) return false;
  claims_.insert(vm);
  touched_[vm] = ++moment_;
  return true;
}

// Only while what was seen at `seen_at` still holds.
bool Agent::claim_as_seen(const VmId& vm, std::uint64_t seen_at) {
  const std::lock_guard lock(mutex_);
  if (!untouched_since(vm, seen_at)) return false;
  claims_.insert(vm);
  touched_[vm] = ++moment_;
  return true;
}

void Agent::unclaim(const VmId& vm) {
  const std::lock_guard lock(mutex_);
  claims_.erase(vm);
  touched_[vm] = ++moment_;
  unclaimed_.notify_all();
}

std::uint64_t Agent::moment() const {
  const std::lock_guard lock(mutex_);
  return moment_;
}

// Whether what was seen at `moment` is still worth anything for this VM. The mutex is held.
bool Agent::untouched_since(const VmId& vm, std::uint64_t moment) const {
  const auto touched = touched_.find(vm);
  return !claims_.contains(vm) && (touched == touched_.end() || touched->second <= moment);
}

void Agent::pause(Duration time) {
  std::unique_lock lock(mutex_);
  unclaimed_.wait_for(lock, time);
}

// ---- Guests ----

wire::DomainReport Agent::report(const VmId& vm) const {
  const std::lock_guard lock(mutex_);
  const auto found = guests_.find(vm);
  if (found == guests_.end()) return {vm, {}, wire::DomainState::gone, ""};
  return {vm, found->second.generation, found->second.state, found->second.detail};
}

bool Agent::runs(const VmId& vm, Generation generation) const {
  const std::optional<Guest> known = guest(vm);
  return known && known->generation == generation;
}

std::optional<Agent::Guest> Agent::guest(const VmId& vm) const {
  const std::lock_guard lock(mutex_);
  const auto found = guests_.find(vm);
  return found == guests_.end() ? std::nullopt : std::optional<Guest>(found->second);
}

void Agent::set_guest(const VmId& vm, Guest guest) {
  const std::lock_guard lock(mutex_);
  guests_[vm] = std::move(guest);
}

// ---- Commands ----

bool Agent::is_new(const ActionId& action) {
  const std::lock_guard lock(mutex_);
  const auto found = actions_.find(action);
  if (found != actions_.end()) {
    if (found->second) parts_.tell(*found->second);
    return false;
  }
  actions_.emplace(action, std::nullopt);
  action_order_.push_back(action);
  if (action_order_.size() > kRememberedActions) {
    actions_.erase(action_order_.front());
    action_order_.pop_front();
  }
  return true;
}

void Agent::answer(const ActionId& action, Status status, std::optional<wire::DomainReport> domain,
                   std::vector<wire::VolumeTaken> taken, std::vector<wire::VolumeSeen> volumes) {
  wire::CommandReply reply{action, std::nullopt, std::move(domain), std::move(taken), std::move(volumes)};
  if (!status) reply.error = status.error();
  log(status ? LogLevel::info : LogLevel::warning, "agent", "answered",
      {{"action", action}, {"outcome", status ? std::string("done") : status.error().message}});
  const std::lock_guard lock(mutex_);
  if (const auto found = actions_.find(action); found != actions_.end()) found->second = reply;
  parts_.tell(reply);
}

void Agent::refuse(const wire::Command& command, ErrorCode code, const std::string& why) {
  parts_.tell(wire::CommandReply{command.action, Error{code, why}, std::nullopt, {}, {}});
}

void Agent::obey(const wire::Command& command) {
  if (!is_new(command.action)) return;
  const VmId vm = vm_of(command);
  log(LogLevel::info, "agent", "command",
      {{"action", command.action},
       {"order", std::visit([](const auto& order) { return std::string(order.kType); }, command.order)},
       {"vm", vm},
       {"generation", command.generation}});
  const bool claims = works_on_domain(command);
  if (claims && !claim(vm, 15s))
    return answer(command.action, failure(ErrorCode::timeout, "the VM is being worked on"), {});
  Reply reply;
  {
    std::optional<Claim> held;
    if (claims) held.emplace(*this, vm);
    if (const Status allowed = check(command); !allowed)
      reply = failure(allowed.error());
    else
      reply = std::visit([&](const auto& order) { return carry_out(command, order); }, command.order);
  }
  if (!reply) return answer(command.action, failure(reply.error()), report(vm));
  if (*reply)
    answer(command.action, {}, (*reply)->domain, std::move((*reply)->taken), std::move((*reply)->volumes));
}

// ---- Faults ----

void Agent::raise(const std::string& kind, const std::string& what, const std::optional<VmId>& vm,
                  const std::string& detail, Lasting lasting) {
  const std::lock_guard lock(mutex_);
  const std::string key = kind + "/" + what + "/" + (vm ? vm->value : "");
  const auto found = faults_.find(key);
  if (found == faults_.end() && faults_.size() >= kMostFaults) return;
  if (found != faults_.end() && found->second.fault.detail == detail) return;
  if (found != faults_.end()) {
    wire::HostFault before = found->second.fault;
    before.cleared = true;
    parts_.tell(before);
  }
  log(LogLevel::error, "agent", "fault", {{"kind", kind}, {"detail", detail}});
  Fault& fault = faults_[key];
  fault.fault = {kind, vm, false, detail};
  if (lasting == Lasting::passing) fault.passes = parts_.clock.now() + kFaultPasses;
  parts_.tell(fault.fault);
}

void Agent::clear(const std::string& kind, const std::string& what, const std::optional<VmId>& vm) {
  const std::lock_guard lock(mutex_);
  const auto found = faults_.find(kind + "/" + what + "/" + (vm ? vm->value : ""));
  if (found == faults_.end()) return;
  wire::HostFault cleared = found->second.fault;
  cleared.cleared = true;
  faults_.erase(found);
  log(LogLevel::info, "agent", "fault_cleared", {{"kind", kind}, {"detail", cleared.detail}});
  parts_.tell(cleared);
}

std::vector<wire::HostFault> Agent::active_faults() const {
  const std::lock_guard lock(mutex_);
  std::vector<wire::HostFault> faults;
  for (const auto& [key, fault] : faults_) faults.push_back(fault.fault);
  return faults;
}

void Agent::clear_passed_faults() {
  const std::lock_guard lock(mutex_);
  for (auto at = faults_.begin(); at != faults_.end();) {
    const auto here = at++;
    if (!here->second.passes || parts_.clock.now() < *here->second.passes) continue;
    wire::HostFault cleared = here->second.fault;
    cleared.cleared = true;
    faults_.erase(here);
    parts_.tell(cleared);
  }
}

}  // namespace bascule::hostd
