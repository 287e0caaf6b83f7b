#include "failover/policy.h"

#include <fmt/format.h>

namespace bascule {
namespace {

void at_least(std::vector<std::string>& problems, const char* key, Duration value, Duration least,
              const char* why) {
  const auto ms = [](Duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); };
  if (value < least)
    problems.push_back(
        fmt::format("policy.{}: {} is too small, {}; the least is {}", key, ms(value), why, ms(least)));
}

}  // namespace

std::vector<std::string> problems_of(const Policy& p) {
  std::vector<std::string> problems;
  at_least(problems, "heartbeat_ms", p.heartbeat, 100ms, "a busy host would look dead");
  if (p.heartbeat > 60s) problems.push_back("policy.heartbeat_ms: at most 60000");
  if (p.missed_heartbeats < 3)
    problems.push_back(
        "policy.missed_heartbeats: fewer than 3 turn one lost packet into a fence; the least is 3");
  at_least(problems, "longest_stall_ms", p.longest_stall, 0ms, "time doesn't run backwards");
  if (p.longest_stall > 60s) problems.push_back("policy.longest_stall_ms: at most 60000");
  at_least(problems, "connect_grace_ms", p.connect_grace, p.suspicion_after(),
           "hosts need time to connect to a new manager");
  at_least(problems, "lease_ttl_ms", p.lease_ttl, p.heartbeat * 3, "guests would stop for a short fault");
  at_least(problems, "kill_budget_ms", p.kill_budget, 500ms, "guests are not killed in no time");
  at_least(problems, "watchdog_timeout_ms", p.watchdog_timeout, 1s, "the watchdog counts in seconds");
  at_least(problems, "planned_stop_ttl_ms", p.planned_stop_ttl, p.lease_ttl, "it must not shorten a lease");
  if (p.planned_stop_ttl > 1h) problems.push_back("policy.planned_stop_ttl_ms: at most 3600000");
  at_least(problems, "power_off_time_ms", p.power_off_time, 3s, "a verified off takes two reads");
  at_least(problems, "power_retry_ms", p.power_retry, 1s, "a BMC must not be flooded");
  if (p.power_off_attempts < 1) problems.push_back("policy.power_off_attempts: the least is 1");
  if (p.brake_hosts < 1)
    problems.push_back("policy.brake_hosts: below 1 nothing is ever switched; the least is 1");
  if (p.brake_site_percent < 0 || p.brake_site_percent > 100)
    problems.push_back("policy.brake_site_percent: must be from 0 to 100");
  at_least(problems, "command_validity_ms", p.command_validity, 1s, "commands would be late on arrival");
  at_least(problems, "start_time_ms", p.start_time, 5s, "a start takes seconds");
  at_least(problems, "restart_window_ms", p.restart_window, 10s, "restarts would not be counted");
  at_least(problems, "longest_behind_ms", p.longest_behind, 5s, "copying takes a moment");
  at_least(problems, "plan_validity_ms", p.plan_validity, 10s, "a person must read the plan");
  at_least(problems, "readiness_period_ms", p.readiness_period, 1s, "BMCs must not be flooded");
  if (p.restart_attempts < 1) problems.push_back("policy.restart_attempts: the least is 1");
  return problems;
}

Policy fast_profile() {
  Policy policy;
  policy.heartbeat = 200ms;
  policy.connect_grace = 5s;
  policy.kill_budget = 1s;
  policy.watchdog_timeout = 2s;
  policy.power_retry = 1s;
  return policy;
}

}  // namespace bascule
