#include "failover/access/watch.h"

#include <fmt/format.h>

#include <algorithm>

namespace bascule {
namespace {

constexpr Duration kWindow = 10min;
constexpr Duration kQuiet = 1h;             // after an alert, of the same person and kind
constexpr std::ptrdiff_t kMostAlerts = 20;  // in kQuiet, of all: beyond, the audit alone has them
constexpr std::size_t kMostWatched = 1000;
constexpr std::uint32_t kMostRefusals = 10;
constexpr std::uint32_t kMostLooks = 50;
constexpr std::size_t kMostLines = 200;  // of the week, each kind
constexpr std::size_t kMostTold = 50;
constexpr const char* kSignIn = "sign in";

std::int64_t week_of(WallTime at) {  // from Monday to Sunday, UTC; the first day of 1970 was a Thursday
  constexpr std::int64_t kDay_ms = std::int64_t{24} * 3600 * 1000;
  return (at.unix_ms / kDay_ms + 3) / 7;
}

AccessWeek& this_week(Turn& turn) {
  turn.touched.insert("cluster");
  return turn.state.cluster.access_week;
}

void count(std::map<std::string, std::uint32_t>& lines, const std::string& line) {
  if (lines.contains(line) || lines.size() < kMostLines) ++lines[line];
}

// Two reasons are the same if they differ in case or spaces only.
std::string in_plain(const std::string& reason) {
  std::string plain;
  for (const char c : reason) {
    const bool space = c == ' ' || c == '\t';
    if (space && (plain.empty() || plain.back() == ' ')) continue;
    plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : space ? ' ' : c;
  }
  while (plain.ends_with(' ')) plain.pop_back();
  return plain;
}

std::string subject_of_person(const OperatorId& who) {
  return (who.value.find('/') == std::string::npos ? "staff/" : "user/") + who.value;
}

// Null when too many are watched already, or while the person's alert is fresh.
AccessWatch* watch_of(Turn& turn, const std::string& kind, const OperatorId& who) {
  auto& watches = turn.state.access_watches;
  const std::string key = kind + "/" + who.value;
  const auto found = watches.find(key);
  if (found == watches.end() && watches.size() >= kMostWatched) return nullptr;
  AccessWatch& watch = watches[key];
  if (watch.told && turn.now - *watch.told < kQuiet) return nullptr;
  if (watch.count == 0 || turn.now - watch.since >= kWindow) watch = {turn.now, 0, {}, std::nullopt};
  return &watch;
}

void alert(Turn& turn, AccessWatch& watch, const OperatorId& who, const std::string& words) {
  const auto& watches = turn.state.access_watches;
  const auto fresh = std::count_if(watches.begin(), watches.end(), [&](const auto& entry) {
    return entry.second.told && turn.now - *entry.second.told < kQuiet;
  });
  watch.told = turn.now;
  ++this_week(turn).alerts;
  turn.log("access_alert", subject_of_person(who), Reason::requested, words);
  if (fresh < kMostAlerts) turn.notify(NoticeKind::access_alert, std::nullopt, {{"detail", words}});
}

std::string lines_of(const std::map<std::string, std::uint32_t>& counted, std::uint32_t least) {
  std::string lines;
  std::size_t n = 0;
  for (const auto& [line, times] : counted) {
    if (times < least || ++n > kMostTold) continue;
    lines += fmt::format("\n    {} × {}", times, line);
  }
  if (n > kMostTold) lines += fmt::format("\n    and {} more", n - kMostTold);
  return lines;
}

void report(Turn& turn, const AccessWeek& week) {
  const std::string sessions = lines_of(week.sessions, 1);
  const std::string reused = lines_of(week.reasons, 2);
  std::string detail = sessions.empty() ? "Nobody of the provider was at work for a tenant."
                                        : "At work for tenants:" + sessions;
  if (!reused.empty()) detail += "\nReasons that were given more than once, word for word:" + reused;
  detail += fmt::format("\nRefused: {}. Alerts: {}.", week.refused, week.alerts);
  turn.log("report_access", "access", Reason::requested, detail);
  turn.notify(NoticeKind::access_report, std::nullopt, {{"detail", detail}});
}

}  // namespace

void watch_opened(Turn& turn, const AccessSession& access) {
  AccessWeek& week = this_week(turn);
  count(week.sessions,
        access.by.value + " for " + access.tenant.value + ", " + std::string(name_of(access.category)));
  count(week.reasons, in_plain(access.reason));
}

void watch_refused(Turn& turn, const OperatorId& who, const std::string& what) {
  ++this_week(turn).refused;
  const bool at_the_door = what.starts_with(kSignIn);
  AccessWatch* watch = watch_of(turn, at_the_door ? "sign_in" : "refused", who);
  if (!watch || ++watch->count < kMostRefusals) return;
  alert(turn, *watch, who,
        fmt::format("{} {} {} times within 10 minutes; the last: {}", who.value,
                    at_the_door ? "failed to sign in" : "was refused", watch->count, what));
}

void watch_look(Turn& turn, const OperatorId& who, const std::string& subject) {
  AccessWatch* watch = watch_of(turn, "look", who);
  if (!watch || !watch->subjects.insert(subject).second || ++watch->count < kMostLooks) return;
  alert(turn, *watch, who,
        fmt::format("{} looked at {} machines of tenants within 10 minutes", who.value, watch->count));
}

void watch_time(Turn& turn) {
  std::erase_if(turn.state.access_watches, [&](const auto& entry) {
    const AccessWatch& watch = entry.second;
    return turn.now - watch.told.value_or(watch.since) >= (watch.told ? kQuiet : kWindow);
  });
  const std::int64_t now = week_of(turn.wall);
  const AccessWeek& week = turn.state.cluster.access_week;
  if (week.number == now) return;
  const bool told_of = week.number != 0 && week.number < now && !turn.state.directory.tenants.empty();
  if (told_of) report(turn, week);
  AccessWeek next;
  next.number = now;
  this_week(turn) = next;
}

}  // namespace bascule
