#include "failover/readiness.h"

#include <fmt/format.h>

#include <utility>

#include "failover/placement.h"

namespace bascule {
namespace {

constexpr Duration kSecondLook = 5s;

// Runs a change of the readings and pages once when fencing was ready and no longer is.
template <class Change>
void with_transition(Turn& turn, Host& host, Change change) {
  const FencingState before = fencing_readiness(host, turn.policy).state;
  change();
  const FencingReadiness after = fencing_readiness(host, turn.policy);
  const bool first_look = before == FencingState::never_tested && after.state == FencingState::ready;
  if (after.state == before || first_look) return;  // only what changed for the worse, or was repaired
  turn.log("fencing_readiness", host, Reason::requested, after.words,
           {{"state", std::string(name_of(after.state))}});
  // Of a host that is held already a person was paged.
  if (after.state != FencingState::failing || host.record.phase != HostPhase::up) return;
  turn.notify(NoticeKind::fencing_not_ready, std::nullopt,
              {{"host", host.record.id.value}, {"site", host.record.site.value}, {"detail", after.words}});
}

}  // namespace

bool lease_counts(const Host& host, const Policy& policy) {
  return policy.on_lease_loss == LeaseMode::stop && host.record.boot_id &&
         host.live.lease_armed == host.record.boot_id;
}

FencingReadiness fencing_readiness(const Host& host, const Policy& policy) {
  const std::string& id = host.record.id.value;
  if (lease_counts(host, policy)) {
    if (host.record.bmc && !host.live.bmc_problem.empty())
      return {FencingState::ready,
              "by lease only; its BMC fails: " + host.live.bmc_problem + ". Repair the BMC"};
    if (host.record.bmc && !host.live.bmc_ok)
      return {FencingState::ready, "by lease; its BMC was not checked yet by this manager"};
    return {FencingState::ready, host.record.bmc ? "by power and by lease" : "by lease"};
  }
  if (!host.record.has_bmc)
    return {FencingState::never_tested,
            fmt::format("{} has no BMC and no lease in mode stop: a person must attest "
                        "its death",
                        id)};
  if (!host.record.bmc)
    return {FencingState::never_tested, fmt::format("its BMC was never tested: `bascule host drill {}`", id)};
  if (!host.live.bmc_problem.empty()) return {FencingState::failing, host.live.bmc_problem};
  if (!host.live.bmc_ok)
    return {FencingState::never_tested, "its BMC was not checked yet by this manager: within a minute"};
  return {FencingState::ready, "by power"};
}

Switchable switchable_now(const State& state, const Vm& vm, const Policy& policy) {
  const VmRecord& record = vm.record;
  const auto no = [](std::string why) { return Switchable{false, "no, because " + std::move(why)}; };
  if (!record.spec.protected_) return no("it is not protected");
  if (record.phase != VmPhase::running) return no(fmt::format("it is {}", name_of(record.phase)));
  if (state.cluster.recovering) return no("the database was restored and not all hosts have reported");
  const auto owner = record.placement.owner ? state.hosts.find(*record.placement.owner) : state.hosts.end();
  if (owner == state.hosts.end()) return no("its host is not in the inventory");
  const FencingReadiness fencing = fencing_readiness(owner->second, policy);
  if (fencing.state != FencingState::ready) return no("its host can't be fenced: " + fencing.words);
  PlacementWish wish;
  for (const auto& [id, site] : state.sites)
    if (id != owner->second.record.site && !(record.away && id == record.spec.home)) wish.sites.push_back(id);
  if (record.away) wish.sites.push_back(owner->second.record.site);
  wish.avoid[owner->first] = "it is the one that is lost";
  const PlacementChoice choice = place(state, record.spec, wish);
  if (!choice.host) return no(choice.explanation);
  return {true, "yes: " + choice.explanation};
}

std::vector<std::string> not_automatic(const State& state, const Policy& policy) {
  std::vector<std::string> sentences;
  for (const auto& [id, host] : state.hosts) {
    const FencingReadiness fencing = fencing_readiness(host, policy);
    if (fencing.state != FencingState::ready)
      sentences.push_back(fmt::format("If {} dies, its VMs wait for a person: {}.", id.value, fencing.words));
  }
  if (policy.on_lease_loss == LeaseMode::keep)
    sentences.push_back(
        "If a host and its BMC die together, its VMs wait for `bascule host attest-down` (lease "
        "mode keep).");
  if (state.sites.size() < 2) sentences.push_back("There is one site: nothing can be switched to another.");
  sentences.push_back("Nothing returns home on its own: `bascule failback plan`.");
  return sentences;
}

void readiness_due(Turn& turn, Host& host) {
  if (!host.live.next_check || *host.live.next_check > turn.now) return;
  host.live.next_check = turn.now + turn.policy.readiness_period;
  turn.watch(host);
  if (host.record.has_bmc && host.live.drill == DrillPhase::none &&
      (host.record.phase == HostPhase::up || host.record.phase == HostPhase::held))
    turn.actions.push_back(CheckBmc{host.record.id});
}

void bmc_checked(Turn& turn, Host& host, const BmcChecked& checked) {
  if (!checked.outcome && host.live.bmc_ok && !std::exchange(host.live.bmc_doubted, true)) {
    host.live.next_check = turn.now + kSecondLook;
    return turn.watch(host);
  }
  host.live.bmc_doubted = false;
  with_transition(turn, host, [&] {
    std::string problem;
    if (!checked.outcome)
      problem = "its BMC can't be read: " + checked.outcome.error().message;
    else if (host.record.bmc && host.record.bmc->guid != checked.bmc_guid)
      problem = fmt::format("its BMC is {}, the drill bound {}: drill it again", checked.bmc_guid,
                            host.record.bmc->guid);
    host.live.bmc_ok = problem.empty();
    host.live.bmc_power_on = checked.outcome ? std::optional(checked.power_on) : std::nullopt;
    host.live.bmc_read_at = turn.now;
    host.live.bmc_problem = std::move(problem);
  });
}

void lease_observed(Turn& turn, Host& host, const LeaseObserved& observed) {
  std::optional<BootId>& armed = host.live.lease_armed;
  with_transition(turn, host, [&] {
    if (observed.armed)
      armed = observed.copy.boot_id;
    else if (armed == observed.copy.boot_id)
      armed.reset();
  });
}

}  // namespace bascule
