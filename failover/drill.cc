#include "failover/drill.h"

#include <fmt/format.h>

#include <utility>

#include "failover/storage_servers.h"

namespace bascule {
namespace {

constexpr Duration kSilence = 3s;       // after "off" the boot is listened for so long
constexpr Duration kLastWords = 1s;     // of which this much is for what was under way, on a busy manager
constexpr Duration kReboot = 300s;      // until the next boot must have said hello
constexpr Duration kBmcPatience = 60s;  // a fence agent's own bound is shorter

void end_drill(Turn& turn, Host& host, std::optional<Error> error) {
  const RequestId request = host.live.drill_request.value_or(RequestId());
  host.live.drill = DrillPhase::none;
  host.live.drill_request.reset();
  host.live.drill_boot.reset();
  host.live.drill_deadline.reset();
  host.live.drill_off.reset();
  host.live.power_action.reset();
  host.live.last_heard = turn.now;  // its silence was ours; from now on it counts
  host.live.bmc_ok = false;         // the drill changed what was read before
  host.live.bmc_doubted = false;
  host.live.bmc_power_on.reset();
  host.live.bmc_problem.clear();
  host.live.next_check = turn.now;
  turn.touch(host);
  const std::string words = error ? error->message : "its BMC is bound: power off is evidence from now on";
  turn.log(error ? "drill_failed" : "drill_passed", host, error ? Reason::drill_failed : Reason::drill_passed,
           words, {{"guid", host.live.drill_guid}, {"request", request.value}});
  turn.actions.push_back(Answer{request, std::move(error), host.record.id.value});
}

void fail_drill(Turn& turn, Host& host, std::string words) {
  end_drill(turn, host, Error{ErrorCode::conflict, host.record.id.value + ": " + std::move(words)});
}

// A BMC that gave no answer is asked once more in each phase: once is lost packets. True: with a new action.
bool asks_again(Turn& turn, Host& host, const Error& error) {
  const bool silent = error.code == ErrorCode::unavailable || error.code == ErrorCode::timeout ||
                      error.code == ErrorCode::unknown_outcome;
  if (!silent || std::exchange(host.live.bmc_doubted, true)) return false;
  host.live.power_action = turn.new_action();
  return true;
}

std::string why_no_drill(const Turn& turn, const Host& host) {
  const State& state = turn.state;
  const auto vms = state.vms_by_host.find(host.record.id);
  if (vms != state.vms_by_host.end() && !vms->second.empty())
    return fmt::format("{} VMs may run there: stop or move them first", vms->second.size());
  if (!host.record.has_bmc) return "it has no BMC in manager.toml";
  if (host.live.drill != DrillPhase::none) return "a drill is under way";
  if (host.live.power_action) return "a power action is under way";
  if (host.record.phase != HostPhase::up || !host.live.session)
    return fmt::format("it is {} and must be up, with a session", name_of(host.record.phase));
  return why_not_off(turn, host);
}

}  // namespace

void drill_host(Turn& turn, const DrillHost& asked) {
  const std::string subject = "host/" + asked.host.value;
  Host* host = turn.find_host(asked.host);
  if (!host)
    return turn.refuse(asked.asked, "drill_host", subject,
                       {ErrorCode::not_found, "no host " + asked.host.value});
  const std::string problem = why_no_drill(turn, *host);
  if (!problem.empty())
    return turn.refuse(asked.asked, "drill_host", subject,
                       {ErrorCode::conflict, asked.host.value + ": " + problem});
  host->live.drill = DrillPhase::reading;
  host->live.bmc_doubted = false;
  host->live.drill_request = asked.asked.request;
  host->live.drill_boot = host->record.boot_id;
  host->live.drill_deadline = turn.now + kBmcPatience;
  turn.touch(*host);
  turn.log(asked.asked, "drill_host", subject, Reason::requested);
  turn.actions.push_back(CheckBmc{asked.host});
}

void drill_bmc_checked(Turn& turn, Host& host, const BmcChecked& checked) {
  if (host.live.drill != DrillPhase::reading) return;
  if (!checked.outcome && !std::exchange(host.live.bmc_doubted, true)) {  // once is lost packets
    turn.actions.push_back(CheckBmc{host.record.id});
    return;
  }
  if (!checked.outcome)
    return fail_drill(turn, host, "its BMC can't be read: " + checked.outcome.error().message);
  if (checked.bmc_guid.empty()) return fail_drill(turn, host, "its BMC tells no GUID, it can't be bound");
  if (!checked.power_on)
    return fail_drill(turn, host, "its BMC says off while the host speaks: it belongs to another machine");
  host.live.drill_guid = checked.bmc_guid;
  host.live.bmc_doubted = false;
  host.live.drill = DrillPhase::powering_off;
  host.live.drill_deadline = turn.now + turn.policy.power_off_time + kBmcPatience;
  host.live.power_action = turn.new_action();
  turn.watch(host);
  turn.actions.push_back(PowerOff{*host.live.power_action, host.record.id});
}

void drill_power_off_done(Turn& turn, Host& host, const PowerOffDone& done) {
  if (host.live.drill != DrillPhase::powering_off || host.live.power_action != done.action) return;
  host.live.power_action.reset();
  if (!done.outcome && asks_again(turn, host, done.outcome.error())) {
    turn.actions.push_back(PowerOff{*host.live.power_action, host.record.id});
    return;
  }
  if (!done.outcome) return fail_drill(turn, host, "power off failed: " + done.outcome.error().message);
  if (done.bmc_guid != host.live.drill_guid)
    return fail_drill(turn, host, "another BMC answered the power off");
  host.live.drill = DrillPhase::falling_silent;
  host.live.drill_off = turn.now;
  host.live.drill_deadline = turn.now + std::max<Duration>(kSilence, turn.policy.heartbeat * 3);
  turn.watch(host);
}

void drill_power_on_done(Turn& turn, Host& host, const PowerOnDone& done) {
  if (host.live.drill != DrillPhase::powering_on || host.live.power_action != done.action) return;
  host.live.power_action.reset();
  if (done.outcome) return;
  if (!asks_again(turn, host, done.outcome.error()))
    return fail_drill(turn, host, "power on failed: " + done.outcome.error().message);
  turn.actions.push_back(PowerOn{*host.live.power_action, host.record.id});
}

bool hello_in_drill(Turn& turn, Host& host) {
  if (host.live.drill == DrillPhase::none) return false;
  if (host.record.boot_id == host.live.drill_boot) return true;  // a new connection of the old boot: no news
  if (host.live.drill != DrillPhase::powering_on) {
    fail_drill(turn, host, "it was restarted by something else during the drill: start the drill again");
    return false;
  }
  host.record.bmc = BmcBinding{host.live.drill_guid, turn.wall};
  end_drill(turn, host, std::nullopt);
  return false;
}

void drill_due(Turn& turn, Host& host) {
  HostLive& live = host.live;
  if (!live.drill_deadline || *live.drill_deadline > turn.now) return;
  switch (live.drill) {
    case DrillPhase::none:
      live.drill_deadline.reset();
      return;
    case DrillPhase::reading:
    case DrillPhase::powering_off:
      return fail_drill(turn, host, "its BMC did not answer in time");
    case DrillPhase::powering_on:
      return fail_drill(turn, host, "it did not come back with a new boot");
    case DrillPhase::falling_silent:
      break;
  }
  const bool speaks = live.last_heard > *live.drill_off + std::max(turn.policy.heartbeat, kLastWords);
  if (speaks)
    return fail_drill(turn, host,
                      "it still speaks after its BMC said off: this BMC belongs to another machine");
  live.session = false;
  live.bmc_doubted = false;
  live.drill = DrillPhase::powering_on;
  live.drill_deadline = turn.now + kReboot;
  live.power_action = turn.new_action();
  turn.watch(host);
  turn.actions.push_back(PowerOn{*live.power_action, host.record.id});
}

}  // namespace bascule
