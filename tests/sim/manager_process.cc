#include "tests/sim/manager_process.h"

#include "cluster/keys.h"
#include "failover/invariants.h"
#include "tests/sim/world.h"

namespace bascule::sim {
namespace {
constexpr Duration kLeaseEcho = 1s;  // how often the pump looks whether a guard has become armed
}

ManagerProcess::ManagerProcess(World& world, Manager manager)
    : world_(world),
      manager_(std::move(manager)),
      shadow_(manager_.state()),
      leases_(lease_settings(manager_.policy(), manager_.leadership())) {
  for (const HostId& host : world_.host_ids()) leases_.admit(host);
  if (world_.options().replay) journal_.emplace(manager_);
  follow_revocations();
  pump();
}

void ManagerProcess::post(EventBody body) {
  if (journal_) body = JournalCheck::as_read(body);
  if (!manager_.accept({std::move(body), world_.timeline().wall()}, world_.now()))
    world_.breach("the event queue is full");
  pump();
}

void ManagerProcess::later(Duration delay, std::function<void()> what) {
  world_.after(delay, [this, what = std::move(what), alive = alive_] {
    if (!*alive) return;
    if (frozen_)
      held_back_.push_back(what);
    else
      what();
  });
}

void ManagerProcess::thaw() {
  frozen_ = false;
  const auto waiting = std::exchange(held_back_, {});
  for (const auto& what : waiting) what();
  pump();
}

// One turn now, and a wake-up for the next.
void ManagerProcess::pump() {
  if (pumping_ || frozen_ || manager_.stopped()) return;
  pumping_ = true;
  while (!manager_.in_flight()) {
    Effects effects = manager_.turn(world_.now(), world_.timeline().wall());
    const bool idle = effects.stepped.empty();
    world_.steps += effects.stepped.size();
    check(effects);
    if (journal_)
      if (const auto words = journal_->follow(effects.stepped)) world_.breach(*words);
    apply(std::move(effects));
    if (idle && manager_.waiting() == 0) break;
  }
  pumping_ = false;
  follow_revocations();
  const auto next = manager_.next_turn();
  if (!next) return;
  const std::uint64_t mine = ++wakeup_;
  later(*next - world_.now() + world_.lateness(), [this, mine] {
    if (mine == wakeup_) pump();
  });
}

// The turn's steps once more, each judged by failover/invariants; a turn that did nothing is only followed.
void ManagerProcess::check(const Effects& effects) {
  const bool acted = effects.commit || !effects.actions.empty() || !effects.audit.empty();
  for (const Stepped& stepped : effects.stepped) {
    if (!acted) {
      shadow_ = step(std::move(shadow_), stepped.event, stepped.at, manager_.policy()).next;
      continue;
    }
    const State before = shadow_;
    Outcome outcome = step(std::move(shadow_), stepped.event, stepped.at, manager_.policy());
    for (const std::string& words : broken_invariants(before, outcome)) world_.breach("invariant: " + words);
    shadow_ = std::move(outcome.next);
  }
  if (!acted) return;
  world_.probe("steps judged");
  for (const auto& [id, vm] : shadow_.vms)
    if (vm.record.placement.may_run.size() > 1) world_.probe("may_run of more than one copy");
}

void ManagerProcess::apply(Effects effects) {
  for (const AuditEntry& entry : effects.audit) world_.decided(entry);
  for (const Action& action : effects.actions) take(action);
  if (effects.commit) commit(*effects.commit, effects.wait);
  if (!effects.reread) return;
  later(effects.wait + world_.latency(), [this] {
    const auto found = world_.store().read(keys::kMarker);
    Result<std::optional<StoredPair>> marker = std::optional<StoredPair>();
    if (!found)
      marker = failure(found.error());
    else if (!found->pairs.empty())
      marker = std::optional<StoredPair>(found->pairs.front());
    apply(manager_.on_marker(marker));
    pump();
  });
}

void ManagerProcess::commit(const Transaction& transaction, Duration wait) {
  world_.after(wait + world_.commit_time() / 2, [this, &world = world_, transaction, alive = alive_] {
    // A manager that died meanwhile has perhaps committed, and never hears of it.
    if (!*alive)
      world.write(transaction);
    else if (frozen_)
      held_back_.push_back([this, transaction] { commit_now(transaction); });
    else
      commit_now(transaction);
  });
}

void ManagerProcess::commit_now(const Transaction& transaction) {
  later(world_.latency(), [this, outcome = world_.write(transaction)] {
    apply(manager_.on_commit(outcome));
    pump();
  });
}

void ManagerProcess::take(const Action& action) {
  std::visit(
      [this](const auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, SendCommand>)
          send(what);
        else if constexpr (std::is_same_v<What, PowerOff>)
          world_.power_off(what);
        else if constexpr (std::is_same_v<What, PowerOn>)
          world_.power_on(what);
        else if constexpr (std::is_same_v<What, CheckBmc>)
          world_.check_bmc(what);
        else if constexpr (std::is_same_v<What, Notify>)
          world_.noticed(what);
        else if constexpr (std::is_same_v<What, Answer>)
          world_.answered(what);
        else if constexpr (std::is_same_v<What, KeepStorage>)
          return;  // no simulated host carries storage
        else if constexpr (std::is_same_v<What, RevokeLease>) {
          const LeaseRevoked revoked = leases_.revoke(what, world_.now());
          later(1ms, [this, revoked] { post(revoked); });
        }
      },
      action);
}

void ManagerProcess::send(const SendCommand& command) {
  const auto found = sessions_.find(command.to.host);
  if (found == sessions_.end() || found->second.from != command.to) return;
  const Session& session = found->second;
  const Duration host_now = session.host_clock + (world_.now() - session.sampled);
  world_.to_host(command.to.host, session.number,
                 make_command(manager_.leadership(), command, host_now + manager_.policy().command_validity));
}

// ---- Sessions ----

void ManagerProcess::open_session(const HostId& host, std::uint64_t session) {
  if (const auto old = sessions_.find(host); old != sessions_.end())
    session_closed(host, old->second.number, "replaced");
  sessions_[host] = Session{session, std::nullopt, Duration{0}, world_.now()};
}

void ManagerProcess::session_closed(const HostId& host, std::uint64_t session, const std::string& why) {
  const auto found = sessions_.find(host);
  if (found == sessions_.end() || found->second.number != session) return;
  const auto from = found->second.from;
  sessions_.erase(found);
  if (from) post(HostSessionClosed{*from, why});
}

void ManagerProcess::hear(const HostId& host, std::uint64_t number, const wire::FromHost& message) {
  const auto found = sessions_.find(host);
  if (found == sessions_.end() || found->second.number != number) return;
  Session& session = found->second;
  if (const auto* hello = std::get_if<wire::Hello>(&message)) {
    session.from = Copy{host, hello->boot_id};
    session.host_clock = hello->clock;
    session.sampled = world_.now();
    const Leadership& leader = manager_.leadership();
    wire::Welcome welcome;
    welcome.cluster = leader.cluster;
    welcome.epoch = leader.epoch;
    welcome.term = leader.term;
    welcome.manager = leader.manager;
    welcome.heartbeat = manager_.policy().heartbeat;
    world_.to_host(host, number, welcome);
    post(HostHello{*hello});
    return;
  }
  if (!session.from) return;
  const Copy from = *session.from;
  if (const auto* heartbeat = std::get_if<wire::Heartbeat>(&message)) {
    session.host_clock = heartbeat->clock;
    session.sampled = world_.now();
    post(HostHeartbeat{from, *heartbeat});
  } else if (const auto* change = std::get_if<wire::DomainChanged>(&message))
    post(HostDomainChanged{from, *change});
  else if (const auto* fault = std::get_if<wire::HostFault>(&message))
    post(HostFaultReported{from, *fault});
  else if (const auto* seen = std::get_if<wire::VolumesSeen>(&message))
    post(HostVolumesSeen{from, *seen});
  else if (const auto* reply = std::get_if<wire::CommandReply>(&message))
    post(HostReplied{from, *reply});
}

// ---- Lease plane: the real grant table ----

wire::LeaseReply ManagerProcess::answer(const wire::LeaseRequest& request) {
  const Copy copy{request.host, request.boot_id};
  const wire::LeaseReply reply = leases_.answer(request, request.host.value, world_.now());
  watch_leases(copy);
  if (reply.verdict == wire::LeaseVerdict::withheld) later(1ms, [this, copy] { post(LeaseAsked{copy}); });
  return reply;
}

// As the product does: a boot whose revocation a predecessor stored stays revoked; a cleared host is granted
// again.
void ManagerProcess::follow_revocations() {
  if (manager_.in_flight()) return;
  for (const auto& [id, host] : manager_.state().hosts) {
    const auto before = revoked_.find(id);
    if (before != revoked_.end() && host.record.revoked != before->second) {
      leases_.allow({id, before->second});
      revoked_.erase(before);
    }
    if (host.record.revoked && revoked_.emplace(id, *host.record.revoked).second)
      leases_.revoke({ActionId(), {id, *host.record.revoked}, !host.record.withheld}, world_.now());
  }
}

void ManagerProcess::watch_leases(const Copy& copy) {
  const bool armed = leases_.armed(copy);
  const auto told = armed_.find(copy);
  if (told != armed_.end() && told->second == armed) return;
  armed_[copy] = armed;
  later(kLeaseEcho / 1000, [this, copy, armed] { post(LeaseObserved{copy, armed}); });
}

}  // namespace bascule::sim
