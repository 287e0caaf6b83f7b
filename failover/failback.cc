#include "failover/failback.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/sha256.h"
#include "failover/access/authorize.h"
#include "failover/placement.h"
#include "failover/recovery.h"
#include "failover/return_wish.h"
#include "failover/vm_life.h"
#include "failover/volumes.h"

namespace bascule {
namespace {

constexpr std::size_t kMostItems = 80;  // with their VMs' first steps in portions, a commit carries them
constexpr std::ptrdiff_t kAtOnce = 4;   // so that home isn't hit by all starts together
constexpr std::size_t kPlansKept = 50;
constexpr int kReasonWords = 3;
constexpr std::int64_t kLatest_ms = std::int64_t{31} * 24 * 3600 * 1000;  // of an approval for later
constexpr std::int64_t kHearing_ms = 60'000;  // that a new manager gives hosts before a plan that is due

std::string subject_of(const PlanId& id) { return "plan/" + id.value; }

bool is_open(const FailbackPlan& plan) {
  return plan.phase == PlanPhase::proposed || plan.phase == PlanPhase::approved ||
         plan.phase == PlanPhase::running;
}

void prune_plans(Turn& turn) {
  auto& plans = turn.state.plans;
  for (auto it = plans.begin(); plans.size() > kPlansKept && it != plans.end();) {
    if (is_open(it->second)) {
      ++it;
      continue;
    }
    turn.touch(it->second);
    it = plans.erase(it);
  }
}

// The item that brings this VM home, or why it can't come. `despite`: also if its tenant asked to postpone
// it.
Result<PlanItem> item_for(const State& state, const Vm& vm, PlacementWish& wish, bool despite,
                          WallTime wall) {
  const VmRecord& record = vm.record;
  const std::string& name = record.spec.name;
  if (!record.away) return failure(ErrorCode::conflict, name + " is not away from home");
  if (record.failback) return failure(ErrorCode::conflict, name + " is already being carried home");
  if (!record.wanted_running || (record.phase != VmPhase::running && record.phase != VmPhase::recovering))
    return failure(ErrorCode::conflict, fmt::format("{} is {}: start it first", name, name_of(record.phase)));
  if (record.placement.may_run.size() != 1)
    return failure(ErrorCode::conflict,
                   name + " may still run in several places: wait for their hosts' word");
  const std::string postponed = why_postponed(record, wall);
  if (!postponed.empty() && !despite)
    return failure(ErrorCode::conflict,
                   name + ": " + postponed + ". A plan that names it carries it all the same");
  wish.sites = {record.spec.home};
  const PlacementChoice choice = place(state, record.spec, wish);
  if (!choice.host) return failure(ErrorCode::exhausted, choice.explanation);
  const Host& home = state.hosts.at(*choice.host);
  wish.promised_mib[*choice.host] += record.spec.memory_mib;
  PlanItem item;
  item.vm = record.spec.id;
  item.name = name;
  item.despite = postponed;
  item.from = record.placement.may_run.front();
  item.to = {*choice.host, *home.record.boot_id};
  item.generation = record.placement.generation;
  item.why_safe = fmt::format(
      "it is shut down on {}, which answers that generation {} never runs there again, before generation {} "
      "starts on {}; {}",
      item.from.host.value, item.generation.value, item.generation.next().value, item.to.host.value,
      choice.explanation);
  if (vm.record.has_copies)
    item.why_safe += fmt::format("; {}; home's copy is brought in step first", words_about_copies(vm));
  return item;
}

std::vector<VmId> all_away(const State& state) {
  std::vector<VmId> vms;
  for (const auto& [id, vm] : state.vms)
    if (vm.record.away && vm.record.wanted_running && !vm.record.failback && vms.size() < kMostItems)
      vms.push_back(id);
  return vms;
}

int words_in(const std::string& text) {
  std::istringstream stream(text);
  std::string word;
  int n = 0;
  while (stream >> word) ++n;
  return n;
}

FailbackPlan* plan_of(Turn& turn, const Vm& vm) {
  if (!vm.record.failback) return nullptr;
  const auto found = turn.state.plans.find(*vm.record.failback);
  return found == turn.state.plans.end() ? nullptr : &found->second;
}

PlanItem* item_of(FailbackPlan& plan, const VmId& vm) {
  for (PlanItem& item : plan.items)
    if (item.vm == vm) return &item;
  return nullptr;
}

bool has_ended(const PlanItem& item) {
  return item.phase == PlanItemPhase::home || item.phase == PlanItemPhase::refused ||
         item.phase == PlanItemPhase::called_off;
}

void finish_if_over(Turn& turn, FailbackPlan& plan) {
  if (plan.phase != PlanPhase::running) return;
  std::string home, refused;
  std::set<std::string> sites;
  std::size_t n = 0, against = 0;
  for (const PlanItem& item : plan.items) {
    if (!has_ended(item)) return;
    if (item.phase == PlanItemPhase::called_off) continue;
    const bool arrived = item.phase == PlanItemPhase::home;
    ++(arrived ? n : against);
    std::string& list = arrived ? home : refused;
    list += (list.empty() ? "" : ", ") + item.name;
    const Host* host = turn.find_host(item.to.host);
    if (arrived && host) sites.insert(host->record.site.value);
  }
  plan.phase = n > 0 ? PlanPhase::done : against > 0 ? PlanPhase::refused : PlanPhase::called_off;
  turn.state.plan_expiry.erase(plan.id);
  turn.touch(plan);
  turn.log("finish_failback", subject_of(plan.id), n == 0 ? Reason::failback_refused : Reason::failback_done,
           fmt::format("{} of {} came home", n, plan.items.size()));
  if (n > 0)
    turn.notify(NoticeKind::failback_done, std::nullopt,
                {{"vms", home},
                 {"site", fmt::format("{}", fmt::join(sites, ", "))},
                 {"n", std::to_string(n)},
                 {"detail", "plan " + plan.id.value}});
  if (against > 0)
    turn.notify(NoticeKind::failback_refused, std::nullopt,
                {{"vms", refused},
                 {"n", std::to_string(against)},
                 {"detail", "see `bascule failback show " + plan.id.value + "`"}});
}

void refuse_waiting(Turn& turn, FailbackPlan& plan, PlanItem& item, std::string why) {
  item.phase = PlanItemPhase::refused;
  item.why_safe = std::move(why);
  turn.touch(plan);
  turn.log("refuse_failback", "vm/" + item.vm.value, Reason::plan_stale, item.why_safe,
           {{"plan", plan.id.value}, {"name", item.name}});
}

void stop_for_home(Turn& turn, Vm& vm, PlanItem& item) {
  item.phase = PlanItemPhase::stopping;
  turn.set_phase(vm, VmPhase::stopping, Reason::failback_approved, "shut down to be carried home");
  turn.command(vm, CommandKind::stop, item.from, item.generation);
}

void begin_item(Turn& turn, FailbackPlan& plan, PlanItem& item) {
  Vm& vm = turn.state.vms.at(item.vm);
  const bool follows = vm.record.phase == VmPhase::running && vm.record.has_copies;
  item.phase = follows ? PlanItemPhase::following : PlanItemPhase::stopping;
  vm.record.failback = plan.id;
  turn.touch(plan);
  turn.touch(vm);
  turn.log("begin_failback", vm, Reason::failback_approved, plan.reason,
           {{"plan", plan.id.value}, {"approved_by", plan.approved_by ? plan.approved_by->value : ""}});
  if (vm.record.phase == VmPhase::recovering) return advance(turn, vm);
  if (follows) return turn.command(vm, CommandKind::follow, item.to, item.generation);
  stop_for_home(turn, vm, item);
}

// Starts waiting items, a few at a time.
void continue_plan(Turn& turn, const PlanId& id) {
  const auto found = turn.state.plans.find(id);
  if (found == turn.state.plans.end() || found->second.phase != PlanPhase::running) return;
  FailbackPlan& plan = found->second;
  for (std::size_t i = 0; i < plan.items.size(); ++i) {
    const auto under_way = std::count_if(plan.items.begin(), plan.items.end(), [](const PlanItem& item) {
      return item.phase == PlanItemPhase::following || item.phase == PlanItemPhase::stopping ||
             item.phase == PlanItemPhase::starting;
    });
    if (plan.items[i].phase != PlanItemPhase::waiting || under_way >= kAtOnce) continue;
    const std::string stale = why_stale(turn, plan, plan.items[i]);
    if (stale.empty())
      begin_item(turn, plan, plan.items[i]);
    else
      refuse_waiting(turn, plan, plan.items[i], stale);
  }
  finish_if_over(turn, plan);
}

void begin_plan(Turn& turn, FailbackPlan& plan) {
  plan.phase = PlanPhase::running;
  turn.state.plan_expiry[plan.id] = turn.now + turn.policy.plan_validity;
  turn.touch(plan);
  continue_plan(turn, plan.id);
}

void refuse_plan(Turn& turn, FailbackPlan& plan, const std::string& why) {
  plan.phase = PlanPhase::running;
  for (PlanItem& item : plan.items) refuse_waiting(turn, plan, item, why);
  finish_if_over(turn, plan);
}

void keep_for_later(Turn& turn, FailbackPlan& plan) {
  plan.phase = PlanPhase::approved;
  turn.state.plan_expiry.erase(plan.id);
  turn.touch(plan);
}

}  // namespace

std::string digest_of(const State& state, const FailbackPlan& plan) {
  std::ostringstream text;
  text << "failback 1\n"
       << state.cluster.cluster.value << '\n'
       << state.cluster.epoch.id << '\n'
       << state.cluster.epoch.number.value << '\n'
       << plan.id.value << '\n';
  for (const PlanItem& item : plan.items)
    text << item.vm.value << ' ' << item.generation.value << ' ' << item.from.host.value << ' '
         << item.from.boot_id.value << ' ' << item.to.host.value << ' ' << item.to.boot_id.value << '\n';
  return sha256_hex(text.str());
}

std::string why_stale(const Turn& turn, const FailbackPlan& plan, const PlanItem& item) {
  const State& state = turn.state;
  const Instant now = turn.now;
  const auto expiry = state.plan_expiry.find(plan.id);
  if (expiry == state.plan_expiry.end() || now >= expiry->second) return "the plan has expired";
  if (digest_of(state, plan) != plan.digest) return "the plan belongs to another epoch of the database";
  const auto vm = state.vms.find(item.vm);
  if (vm == state.vms.end()) return "the VM was deleted";
  const VmRecord& record = vm->second.record;
  if (record.placement.generation != item.generation)
    return fmt::format("it was started anew since (generation {}, the plan read {})",
                       record.placement.generation.value, item.generation.value);
  if (!names_copy(record.placement.may_run, item.from)) return "it no longer runs where the plan saw it";
  if (!record.away || !record.wanted_running) return "it is no longer away, or was stopped";
  const bool fresh = item.phase == PlanItemPhase::waiting || item.phase == PlanItemPhase::following;
  if (record.failback && *record.failback != plan.id)
    return "plan " + record.failback->value + " carries it home already";
  if (fresh && item.despite.empty())
    if (const std::string postponed = why_postponed(record, turn.wall); !postponed.empty()) return postponed;
  if (fresh && record.phase != VmPhase::running && record.phase != VmPhase::recovering)
    return fmt::format("it is {}", name_of(record.phase));
  const auto home = state.hosts.find(item.to.host);
  if (home == state.hosts.end() || home->second.record.boot_id != item.to.boot_id)
    return item.to.host.value + " was restarted since";
  const std::string problem = why_not(home->second, record.spec, {});
  return problem.empty() ? "" : item.to.host.value + " " + problem;
}

void plan_failback(Turn& turn, const PlanFailback& asked) {
  const std::vector<VmId> vms = asked.vms.empty() ? all_away(turn.state) : asked.vms;
  const auto refuse = [&](Error error) {
    turn.refuse(asked.asked, "plan_failback", "plan/new", std::move(error));
  };
  if (vms.empty())
    return refuse({ErrorCode::conflict, "no VM is away from home: there is nothing to carry back"});
  if (vms.size() > kMostItems)
    return refuse({ErrorCode::exhausted, fmt::format("a plan carries at most {} VMs", kMostItems)});
  FailbackPlan plan;
  PlacementWish wish;
  std::string problems;
  for (const VmId& id : vms) {
    const Vm* vm = turn.find_vm(id);
    Result<PlanItem> item = vm ? item_for(turn.state, *vm, wish, !asked.vms.empty(), turn.wall)
                               : Result<PlanItem>(failure(ErrorCode::not_found, "no VM " + id.value));
    if (item)
      plan.items.push_back(std::move(*item));
    else
      problems += (problems.empty() ? "" : "; ") + item.error().message;
  }
  // Named VMs must all fit; of "all that are away" the plan takes those that can come.
  if (plan.items.empty() || (!asked.vms.empty() && !problems.empty()))
    return refuse({ErrorCode::conflict, problems});
  prune_plans(turn);
  plan.id = PlanId(fmt::format("p{:06}", turn.new_number()));
  plan.author = asked.asked.by;
  plan.created = turn.wall;
  const auto validity = std::chrono::duration_cast<std::chrono::milliseconds>(turn.policy.plan_validity);
  plan.expires = {turn.wall.unix_ms + validity.count()};
  plan.digest = digest_of(turn.state, plan);
  turn.state.plan_expiry[plan.id] = turn.now + turn.policy.plan_validity;
  turn.log(asked.asked, "plan_failback", subject_of(plan.id), Reason::requested, "",
           {{"digest", plan.digest}, {"n", std::to_string(plan.items.size())}, {"left_out", problems}});
  turn.answer(asked.asked.request, plan.id.value);
  turn.touch(plan);
  turn.state.plans.emplace(plan.id, std::move(plan));
}

void approve_failback(Turn& turn, const ApproveFailback& asked) {
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "approve_failback", subject_of(asked.plan), {code, std::move(words)});
  };
  const auto found = turn.state.plans.find(asked.plan);
  if (found == turn.state.plans.end()) return refuse(ErrorCode::not_found, "no plan " + asked.plan.value);
  FailbackPlan& plan = found->second;
  if (turn.state.cluster.recovering)
    return refuse(ErrorCode::conflict, "the database was restored: wait until all hosts reported");
  if (plan.phase != PlanPhase::proposed)
    return refuse(ErrorCode::conflict,
                  fmt::format("plan {} is {}: make a new one", plan.id.value, name_of(plan.phase)));
  if (asked.digest != plan.digest)
    return refuse(ErrorCode::conflict, "the digest is not that of plan " + plan.id.value +
                                           ": read the plan again and approve what you read");
  if (words_in(asked.asked.reason) < kReasonWords)
    return refuse(ErrorCode::invalid, "give a reason of at least three words: it is audited");
  const bool at_once = asked.not_before == WallTime();
  if (!at_once &&
      (asked.not_before <= turn.wall || asked.not_before.unix_ms > turn.wall.unix_ms + kLatest_ms))
    return refuse(ErrorCode::invalid, "not_before: must lie ahead, within 31 days");
  for (const PlanItem& item : plan.items) {
    const std::string stale = why_stale(turn, plan, item);
    if (!stale.empty())
      return refuse(ErrorCode::conflict, fmt::format("{}: {}. Make a new plan", item.name, stale));
  }
  plan.approved_by = asked.asked.by;
  plan.reason = asked.asked.reason;
  plan.not_before = asked.not_before;
  turn.log(asked.asked, "approve_failback", subject_of(plan.id), Reason::failback_approved, "",
           {{"digest", plan.digest}, {"not_before", at_once ? "" : to_iso8601(plan.not_before)}});
  turn.answer(asked.asked.request, plan.id.value);
  if (!at_once) return keep_for_later(turn, plan);
  begin_plan(turn, plan);
}

void abort_failback(Turn& turn, const AbortFailback& asked) {
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "abort_failback", subject_of(asked.plan), {code, std::move(words)});
  };
  const auto found = turn.state.plans.find(asked.plan);
  if (found == turn.state.plans.end()) return refuse(ErrorCode::not_found, "no plan " + asked.plan.value);
  FailbackPlan& plan = found->second;
  const auto can_stay = [](const PlanItem& item) {
    return item.phase == PlanItemPhase::waiting || item.phase == PlanItemPhase::following;
  };
  const auto staying = std::count_if(plan.items.begin(), plan.items.end(), can_stay);
  if (!is_open(plan) || staying == 0)
    return refuse(
        ErrorCode::conflict,
        fmt::format("plan {} is {}: nothing of it can be called off", plan.id.value,
                    plan.phase == PlanPhase::running ? "carried out already" : name_of(plan.phase)));
  turn.log(asked.asked, "abort_failback", subject_of(plan.id), Reason::requested, "",
           {{"staying", std::to_string(staying)}, {"n", std::to_string(plan.items.size())}});
  for (PlanItem& item : plan.items) {
    if (!can_stay(item)) continue;
    item.phase = PlanItemPhase::called_off;
    item.why_safe = "called off by " + asked.asked.by.value;
    Vm* vm = turn.find_vm(item.vm);
    if (!vm || vm->record.failback != plan.id) continue;
    vm->record.failback.reset();
    turn.touch(*vm);
  }
  turn.touch(plan);
  turn.answer(asked.asked.request, plan.id.value);
  if (plan.phase == PlanPhase::running) return finish_if_over(turn, plan);
  plan.phase = PlanPhase::called_off;
  turn.state.plan_expiry.erase(plan.id);
}

void volumes_followed(Turn& turn, Vm& vm, const std::optional<Error>& error) {
  turn.forget_command(vm);
  FailbackPlan* plan = plan_of(turn, vm);
  PlanItem* item = plan ? item_of(*plan, vm.record.spec.id) : nullptr;
  if (!item || item->phase != PlanItemPhase::following) return;
  if (error) return refuse_item(turn, vm, "home's copy can't follow: " + error->message);
  turn.state.plan_expiry[plan->id] = turn.now + turn.policy.plan_validity;  // copying may have taken long
  const std::string stale = why_stale(turn, *plan, *item);
  if (!stale.empty()) return refuse_item(turn, vm, stale);
  turn.touch(*plan);
  stop_for_home(turn, vm, *item);
}

void carry_home(Turn& turn, Vm& vm, StartElsewhere permit) {
  FailbackPlan* plan = plan_of(turn, vm);
  PlanItem* item = plan ? item_of(*plan, vm.record.spec.id) : nullptr;
  std::string stale = item ? why_stale(turn, *plan, *item) : "the plan is gone";
  if (item && item->phase == PlanItemPhase::following) stale = "it ended before home's copy was in step";
  if (!item || !stale.empty()) {
    refuse_item(turn, vm, stale);
    turn.set_phase(vm, VmPhase::recovering, Reason::stays_away, stale);
    return advance(turn, vm);
  }
  item->phase = PlanItemPhase::starting;
  turn.touch(*plan);
  launch(turn, std::move(permit), item->to.host, Reason::failback_approved,
         fmt::format("carried home by plan {}", plan->id.value));
}

void arrived_home(Turn& turn, Vm& vm) {
  FailbackPlan* plan = plan_of(turn, vm);
  vm.record.failback.reset();
  turn.touch(vm);
  PlanItem* item = plan ? item_of(*plan, vm.record.spec.id) : nullptr;
  if (!item) return;
  item->phase = PlanItemPhase::home;
  turn.touch(*plan);
  continue_plan(turn, plan->id);
}

void refuse_item(Turn& turn, Vm& vm, const std::string& why) {
  FailbackPlan* plan = plan_of(turn, vm);
  vm.record.failback.reset();
  turn.touch(vm);
  PlanItem* item = plan ? item_of(*plan, vm.record.spec.id) : nullptr;
  if (!item) return;
  refuse_waiting(turn, *plan, *item, why);
  continue_plan(turn, plan->id);
}

namespace {

// What starts at home already arrives there. A guest under shutdown can't be called back: it ends, and starts
// again where it was.
void resume_item(Turn& turn, FailbackPlan& plan, PlanItem& item) {
  if (item.phase == PlanItemPhase::waiting)
    return refuse_waiting(turn, plan, item, "the manager was restarted before its turn: make a new plan");
  const bool following = item.phase == PlanItemPhase::following;
  if (!following && item.phase != PlanItemPhase::stopping) return;
  const std::string why =
      following ? "the manager was restarted while home's copy was brought in step: make a new plan"
                : "the manager was restarted while it was shut down: it starts again where it was";
  refuse_waiting(turn, plan, item, why);
  Vm* vm = turn.find_vm(item.vm);
  if (!vm || vm->record.failback != plan.id) return;
  vm->record.failback.reset();
  turn.touch(*vm);
  if (following) return;
  vm->record.explanation = why;
  advance(turn, *vm);
}

}  // namespace

void resume_plans(Turn& turn) {
  for (auto& [id, plan] : turn.state.plans) {
    if (plan.phase == PlanPhase::approved) {
      plan.not_before.unix_ms = std::max(plan.not_before.unix_ms, turn.wall.unix_ms + kHearing_ms);
      turn.touch(plan);
    }
    if (plan.phase == PlanPhase::proposed) {
      plan.phase = PlanPhase::expired;
      turn.touch(plan);
      turn.log("expire_plan", subject_of(id), Reason::plan_stale,
               "the manager was restarted before approval");
    }
    if (plan.phase != PlanPhase::running) continue;
    turn.state.plan_expiry[id] = turn.now + turn.policy.plan_validity;
    for (PlanItem& item : plan.items) resume_item(turn, plan, item);
    finish_if_over(turn, plan);
  }
}

void expire_plans(Turn& turn) {
  for (auto it = turn.state.plan_expiry.begin(); it != turn.state.plan_expiry.end();) {
    const auto found = turn.state.plans.find(it->first);
    const bool proposed = found != turn.state.plans.end() && found->second.phase == PlanPhase::proposed;
    if (it->second > turn.now || !proposed) {
      ++it;
      continue;
    }
    found->second.phase = PlanPhase::expired;
    turn.touch(found->second);
    turn.log("expire_plan", subject_of(it->first), Reason::plan_stale, "nobody approved it in time");
    it = turn.state.plan_expiry.erase(it);
  }
}

void start_due_plans(Turn& turn) {
  if (turn.state.cluster.recovering) return;
  for (auto& [id, plan] : turn.state.plans) {
    if (plan.phase != PlanPhase::approved || plan.not_before > turn.wall) continue;
    const OperatorId by = plan.approved_by.value_or(OperatorId());
    if (has_permission(turn.state.directory, by, Permission::decide_failback))
      begin_plan(turn, plan);
    else
      refuse_plan(turn, plan, by.value + ", who approved it, may decide such things no longer");
  }
}

}  // namespace bascule
