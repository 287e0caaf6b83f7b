#include "tests/sim/host.h"

#include "hostd/probe_pace.h"
#include "tests/sim/world.h"

namespace bascule::sim {
namespace {
constexpr Duration kWatchdogTimeout = 5s;
constexpr Duration kGuardPeriod = 500ms;
}  // namespace

Host::Host(World& world, HostId id, SiteId site)
    : world_(world), id_(std::move(id)), site_(std::move(site)) {}

guard::HostClocks Host::clocks() const {
  const auto passed = std::chrono::duration<double, std::nano>(world_.now() - rate_since_) * rate_;
  const Duration now = clock_base_ + std::chrono::duration_cast<Duration>(passed);
  return {now, now};
}

void Host::set_clock_rate(double rate) {
  clock_base_ = clocks().boot;
  rate_since_ = world_.now();
  rate_ = rate;
}

void Host::boot() {
  if (alive_) return;
  alive_ = true;
  frozen_ = false;
  boots_ += 1;
  clock_base_ = Duration{0};
  rate_since_ = world_.now();
  last_guard_ = world_.now();
  session_ = 0;
  welcomed_ = false;
  peers_.clear();
  replies_.clear();
  guests_.clear();
  lease_ = std::make_unique<guard::Lease>(world_.cluster(), id_, boot_id());
  lease_->set_watchdog(world_.policy().on_lease_loss == LeaseMode::stop, kWatchdogTimeout, "");
  world_.trace(id_.value + " boots as " + boot_id().value);
  const std::uint64_t boot = boots_;
  world_.after(world_.random().between(100ms, 900ms), [this, boot] { try_connect(boot); });
  world_.after(world_.random().between(0ms, 1000ms), [this, boot] { beat(boot); });
  world_.after(world_.random().between(0ms, 250ms), [this, boot] { probe(boot); });
  renew(boot);
  guard_check(boot);
}

void Host::die() {
  if (!alive_) return;
  world_.trace(id_.value + " dies");
  alive_ = false;
  guests_.clear();
  session_ = 0;
  world_.truth_changed();
}

void Host::freeze() { frozen_ = alive_; }

void Host::thaw() {
  if (!alive_ || !frozen_) return;
  frozen_ = false;
  world_.trace(id_.value + " thaws");
  // Whatever of bascule-guard runs first after a thaw looks at its deadline before anything else.
  lease_->advance(clocks());
  if (lease_->stop_due() && lease_->mode() == LeaseMode::stop) {
    const auto guests = guests_;
    for (const auto& [vm, guest] : guests) remove_guest(vm, wire::DomainCause::stopped_by_guard);
    lease_->stopped(guests.size(), true);
  }
}

bool Host::restart_agent() {
  if (!awake() || session_ == 0) return false;
  world_.close_session(id_, session_, "hostd restarted");
  return true;
}

void Host::stall_hypervisor(Duration how_long) { stalled_until_ = world_.now() + how_long; }

void Host::crash_guest(VmId vm) {
  if (awake() && guests_.contains(vm)) remove_guest(vm, wire::DomainCause::crashed);
}

void Host::start_out_of_band(const VmId& vm) {
  if (!awake() || guests_.contains(vm)) return;
  // hostd holds no generation for it and destroys it as soon as it sees it; the domain never ran an
  // instruction that the manager would have to know of, except on a disk: so the truth counts it as a breach
  // only if hostd lets it live.
  wire::DomainChanged change;
  change.domain = {vm, Generation(0), wire::DomainState::gone, "virsh start"};
  change.cause = wire::DomainCause::out_of_band;
  say(change);
}

// ---- Session ----

void Host::try_connect(std::uint64_t boot) {
  if (!alive_ || boot != boots_) return;
  if (awake() && session_ == 0) world_.dial(*this);
  world_.after(world_.random().between(300ms, 1000ms), [this, boot] { try_connect(boot); });
}

void Host::connected(std::uint64_t session) {
  session_ = session;
  welcomed_ = false;
  wire::Hello hello;
  hello.cluster = world_.cluster();
  hello.host = id_;
  hello.boot_id = boot_id();
  hello.build = "sim";
  hello.epoch = epoch_;
  hello.term = term_;
  hello.capacity = {8192, 64};
  hello.guard = guard_status();
  hello.clock = clocks().boot;
  for (const auto& [vm, guest] : guests_) hello.domains.push_back(report(vm));
  for (const auto& [vm, generation] : tombstones_) hello.tombstones.push_back({vm, generation});
  say(hello);
}

void Host::disconnected(std::uint64_t session) {
  if (session == session_) session_ = 0;
}

void Host::say(wire::FromHost message) {
  if (session_ != 0) world_.to_manager(*this, session_, std::move(message));
}

void Host::beat(std::uint64_t boot) {
  if (!alive_ || boot != boots_) return;
  const Duration late = world_.lateness();
  world_.after(late, [this, boot] { beat_now(boot); });
  world_.after(std::max(late, heartbeat_), [this, boot] { beat(boot); });
}

std::vector<wire::PeerSighting> Host::sightings() const {
  std::vector<wire::PeerSighting> all;
  for (const HostId& peer : world_.host_ids()) {
    if (peer == id_) continue;
    wire::PeerSighting sighting{peer, std::nullopt};
    if (const auto seen = peers_.find(peer); seen != peers_.end()) sighting.age = world_.now() - seen->second;
    all.push_back(sighting);
  }
  return all;
}

void Host::beat_now(std::uint64_t boot) {
  if (boot != boots_ || !awake() || session_ == 0 || !welcomed_) return;
  last_beat_ = world_.now();
  wire::Heartbeat heartbeat;
  heartbeat.sequence = ++beats_;
  heartbeat.clock = clocks().boot;
  heartbeat.guard = guard_status();
  heartbeat.peers = sightings();
  say(heartbeat);
}

void Host::probe(std::uint64_t boot) {
  if (!alive_ || boot != boots_) return;
  if (awake()) world_.probe_peers(*this);
  const hostd::ProbePace pace = hostd::pace_of(sightings(), heartbeat_);
  if (pace.tell < heartbeat_ && world_.now() >= last_beat_ + pace.tell) beat_now(boot);
  // At real-time priority: a busy processor delays it by what it takes to get there only.
  const Duration late = world_.random().between(0ms, 20ms);
  world_.after(std::max(pace.ask, world_.options().noise ? late : Duration{0}),
               [this, boot] { probe(boot); });
}

void Host::peer_answered(const HostId& peer) { peers_[peer] = world_.now(); }

void Host::receive(const wire::FromManager& message) {
  if (!awake()) return;
  if (const auto* welcome = std::get_if<wire::Welcome>(&message)) {
    if (welcome->epoch.number < epoch_.number || welcome->term < term_) {
      world_.close_session(id_, session_, "an older term");
      return;
    }
    epoch_ = welcome->epoch;
    term_ = welcome->term;
    heartbeat_ = welcome->heartbeat;
    welcomed_ = true;
    return;
  }
  obey(std::get<wire::Command>(message));
}

// ---- Commands ----

std::optional<Error> Host::refusal(const wire::Command& command, const VmId* start) const {
  if (command.boot_id != boot_id()) return Error{ErrorCode::conflict, "meant for another boot"};
  if (command.epoch.number < epoch_.number || command.term < term_)
    return Error{ErrorCode::conflict, "an older term"};
  if (command.not_after < clocks().boot) return Error{ErrorCode::timeout, "came too late"};
  if (start == nullptr) return std::nullopt;
  const auto tombstone = tombstones_.find(*start);
  if (tombstone != tombstones_.end() && command.generation <= tombstone->second)
    return Error{ErrorCode::conflict, "a generation that never starts here"};
  const auto held = held_.find(*start);
  if (held != held_.end() && command.generation < held->second)
    return Error{ErrorCode::conflict, "an older generation"};
  const wire::LeaseFile lease = lease_->file(clocks());
  if (world_.policy().on_lease_loss == LeaseMode::stop && !lease.held)
    return Error{ErrorCode::unavailable, "no lease: " + lease.problem};
  return std::nullopt;
}

void Host::obey(const wire::Command& command) {
  if (const auto known = replies_.find(command.action); known != replies_.end()) {
    say(known->second);
    return;
  }
  if (command.boot_id == boot_id() && command.term >= term_) term_ = command.term;
  std::visit(
      [&](const auto& order) {
        using Order = std::decay_t<decltype(order)>;
        if constexpr (std::is_same_v<Order, wire::StartVm>)
          start(command, order);
        else if constexpr (std::is_same_v<Order, wire::StopVm>)
          stop(command, order);
        else if constexpr (std::is_same_v<Order, wire::ForbidVm>)
          forbid(command, order.vm);
        else  // its storage is one that both sites see
          reply(command, std::nullopt, nullptr);
      },
      command.order);
}

Duration Host::work_time() {
  const Duration stall = std::max(Duration{0}, stalled_until_ - world_.now());
  return stall + world_.random().between(200ms, 1500ms);
}

void Host::start(const wire::Command& command, const wire::StartVm& order) {
  const VmId vm = order.spec.id;
  if (const auto refused = refusal(command, &vm)) return reply(command, refused, &vm);
  if (const auto running = guests_.find(vm); running != guests_.end()) {
    const bool same = running->second.generation == command.generation;
    if (!same)
      reply(command, Error{ErrorCode::conflict, "runs already with another generation"}, &vm);
    else if (running->second.running)
      reply(command, std::nullopt, &vm);
    return;
  }
  held_[vm] = command.generation;
  guests_[vm] = {command.generation, false};
  world_.after(work_time(), [this, command, vm, boot = boots_] { finish_start(command, vm, boot); });
}

void Host::finish_start(const wire::Command& command, VmId vm, std::uint64_t boot) {
  if (!alive_ || boot != boots_) return;
  if (frozen_) {
    world_.after(100ms, [this, command, vm, boot] { finish_start(command, vm, boot); });
    return;
  }
  const auto guest = guests_.find(vm);
  if (guest == guests_.end() || guest->second.running) return;
  if (const auto refused = refusal(command, &vm)) {
    guests_.erase(guest);
    return reply(command, refused, &vm);
  }
  guest->second.running = true;
  world_.guest_started(*this, vm, command.generation);
  reply(command, std::nullopt, &vm);
}

void Host::stop(const wire::Command& command, const wire::StopVm& order) {
  if (const auto refused = refusal(command, nullptr)) return reply(command, refused, &order.vm);
  const bool obeys = order.how == wire::StopHow::kill || world_.random().chance(90);
  const Duration delay = obeys ? world_.random().between(200ms, 3s) : order.grace;
  world_.after(delay, [this, command, vm = order.vm, obeys, boot = boots_] {
    if (!alive_ || boot != boots_) return;
    if (!obeys) return reply(command, Error{ErrorCode::timeout, "the guest did not shut down"}, &vm);
    if (guests_.contains(vm)) remove_guest(vm, wire::DomainCause::stopped);
    reply(command, std::nullopt, &vm);
  });
}

void Host::forbid(const wire::Command& command, const VmId& vm) {
  if (const auto refused = refusal(command, nullptr)) return reply(command, refused, &vm);
  auto& tombstone = tombstones_[vm];
  tombstone = std::max(tombstone, command.generation);
  world_.after(world_.random().between(10ms, 300ms), [this, command, vm, boot = boots_] {
    if (!alive_ || boot != boots_) return;
    const auto guest = guests_.find(vm);
    if (guest != guests_.end() && guest->second.generation <= command.generation)
      remove_guest(vm, wire::DomainCause::stopped);
    reply(command, std::nullopt, &vm);
  });
}

void Host::reply(const wire::Command& command, std::optional<Error> error, const VmId* vm) {
  wire::CommandReply message;
  message.action = command.action;
  message.error = std::move(error);
  if (vm != nullptr) message.domain = report(*vm);
  replies_[command.action] = message;
  say(message);
}

void Host::remove_guest(VmId vm, wire::DomainCause cause) {
  guests_.erase(vm);
  wire::DomainChanged change;
  change.domain = report(vm);
  change.cause = cause;
  say(change);
}

wire::DomainReport Host::report(const VmId& vm) const {
  const auto guest = guests_.find(vm);
  const auto held = held_.find(vm);
  if (guest == guests_.end())
    return {vm, held == held_.end() ? Generation(0) : held->second, wire::DomainState::gone, ""};
  return {vm, guest->second.generation,
          guest->second.running ? wire::DomainState::running : wire::DomainState::starting, ""};
}

// ---- Guard ----

wire::GuardStatus Host::guard_status() const {
  wire::GuardStatus status;
  status.running = true;
  status.mode = lease_->mode();
  status.watchdog_armed = world_.policy().on_lease_loss == LeaseMode::stop;
  return status;
}

// As guard does: what isn't answered for long is asked again.
void Host::renew(std::uint64_t boot) {
  if (!alive_ || boot != boots_) return;
  lease_answered_ = false;
  if (awake()) world_.ask_lease(*this, lease_->next_request(clocks(), true));
  const Duration pause = std::max<Duration>(world_.policy().lease_ttl / 10, 200ms);
  const Duration patience = std::max<Duration>(world_.policy().lease_ttl * 3 / 10, pause);
  world_.after(pause, [this, boot, rest = patience - pause] {
    world_.after((lease_answered_ ? Duration{0} : rest) + world_.lateness(), [this, boot] { renew(boot); });
  });
}

void Host::receive_lease(const wire::LeaseReply& reply) {
  if (!awake()) return;
  lease_answered_ = true;
  lease_->accept(reply, clocks());
}

void Host::guard_check(std::uint64_t boot) {
  if (!alive_ || boot != boots_) return;
  const bool armed = world_.policy().on_lease_loss == LeaseMode::stop;
  if (frozen_) {
    // The dog bites a host whose guard doesn't pet it.
    if (armed && world_.now() - last_guard_ > kWatchdogTimeout) return world_.watchdog_bites(*this);
  } else {
    last_guard_ = world_.now();
    lease_->advance(clocks());
    if (lease_->stop_due() && lease_->mode() == LeaseMode::stop) {
      if (!guests_.empty()) world_.trace(id_.value + "'s guard stops: " + lease_->file(clocks()).problem);
      const auto guests = guests_;
      for (const auto& [vm, guest] : guests) remove_guest(vm, wire::DomainCause::stopped_by_guard);
      lease_->stopped(guests.size(), true);
    }
  }
  world_.after(kGuardPeriod + world_.lateness(), [this, boot] { guard_check(boot); });
}

}  // namespace bascule::sim
