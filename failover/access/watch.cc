#include "failover/access/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bascule {
namespace {

constexpr Duration kWindow = 10min;
constexpr Duration kQuiet = 1h;  // after an alert, of the same person and kind
// Of one tenant's users, so that they can't hide others, and of all tenants'. The staff are always watched,
// and always told of.
constexpr std::ptrdiff_t kMostAlertsOfTenant = 5;  // in kQuiet: beyond, the audit alone has them
constexpr std::ptrdiff_t kMostAlerts = 20;
constexpr std::ptrdiff_t kMostWatchedOfTenant = 50;
constexpr std::size_t kMostWatched = 20'000;
constexpr Duration kStoreEvery = 1min;  // of what is only counted
constexpr std::size_t kLongestWhat = 200;
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

// "acme/" of "acme/anna"; empty: one of the staff.
std::string tenant_part(const OperatorId& who) {
  const auto slash = who.value.find('/');
  return slash == std::string::npos ? "" : who.value.substr(0, slash + 1);
}

// Watches of that kind whose person's name begins so.
template <class Counts>
std::ptrdiff_t count_of(const State& state, const std::string& kind, const std::string& names,
                        Counts counts) {
  const std::string prefix = kind + "/" + names;
  std::ptrdiff_t n = 0;
  for (auto at = state.access_watches.lower_bound(prefix);
       at != state.access_watches.end() && at->first.starts_with(prefix); ++at)
    n += counts(at->first, at->second) ? 1 : 0;
  return n;
}

// Null when too many are watched already, or while the person's alert is fresh.
AccessWatch* watch_of(Turn& turn, const std::string& kind, const OperatorId& who) {
  auto& watches = turn.state.access_watches;
  const std::string key = kind + "/" + who.value;
  const std::string tenant = tenant_part(who);
  const auto all = [](const std::string&, const AccessWatch&) { return true; };
  const bool is_new = !tenant.empty() && !watches.contains(key);
  if (is_new &&
      (watches.size() >= kMostWatched || count_of(turn.state, kind, tenant, all) >= kMostWatchedOfTenant))
    return nullptr;
  AccessWatch& watch = watches[key];
  if (watch.told && turn.now - *watch.told < kQuiet) return nullptr;
  if (watch.count == 0 || turn.now - watch.since >= kWindow) watch = {turn.now, 0, {}, std::nullopt, false};
  return &watch;
}

// Whether operations are told too.
bool is_worth_a_notice(const Turn& turn, const std::string& kind, const OperatorId& who) {
  const std::string tenant = tenant_part(who);
  if (tenant.empty()) return true;
  const auto fresh = [&](const std::string& key, const AccessWatch& watch) {
    const bool of_tenants = key.find('/', key.find('/') + 1) != std::string::npos;
    return of_tenants && watch.noticed && watch.told && turn.now - *watch.told < kQuiet;
  };
  return count_of(turn.state, kind, tenant, fresh) < kMostAlertsOfTenant &&
         count_of(turn.state, kind, "", fresh) < kMostAlerts;
}

void alert(Turn& turn, AccessWatch& watch, const std::string& kind, const OperatorId& who,
           const std::string& words) {
  watch.noticed = is_worth_a_notice(turn, kind, who);
  watch.told = turn.now;
  ++this_week(turn).alerts;
  turn.log("access_alert", subject_of_person(who), Reason::requested, words);
  if (watch.noticed) turn.notify(NoticeKind::access_alert, std::nullopt, {{"detail", words}});
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

void watch_refused(Turn& turn, const OperatorId& who, const std::string& attempt) {
  ++turn.state.access_refused;
  const bool at_the_door = attempt.starts_with(kSignIn);
  const std::string kind = at_the_door ? "sign_in" : "refused";
  AccessWatch* watch = watch_of(turn, kind, who);
  if (!watch || ++watch->count < kMostRefusals) return;
  // It may come from whoever was refused.
  std::string what = attempt.substr(0, kLongestWhat);
  std::replace_if(
      what.begin(), what.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  alert(turn, *watch, kind, who,
        fmt::format("{} {} {} times within 10 minutes; the last: {}", who.value,
                    at_the_door ? "failed to sign in" : "was refused", watch->count, what));
}

void watch_look(Turn& turn, const OperatorId& who, const std::string& subject) {
  AccessWatch* watch = watch_of(turn, "look", who);
  if (!watch || !watch->subjects.insert(subject).second || ++watch->count < kMostLooks) return;
  alert(turn, *watch, "look", who,
        fmt::format("{} looked at {} machines of tenants within 10 minutes", who.value, watch->count));
}

void watch_time(Turn& turn) {
  std::erase_if(turn.state.access_watches, [&](const auto& entry) {
    const AccessWatch& watch = entry.second;
    return turn.now - watch.told.value_or(watch.since) >= (watch.told ? kQuiet : kWindow);
  });
  const std::int64_t now = week_of(turn.wall);
  const bool ends = turn.state.cluster.access_week.number != now;
  if (turn.state.access_refused > 0 && (ends || turn.now - turn.state.access_stored >= kStoreEvery)) {
    this_week(turn).refused += std::exchange(turn.state.access_refused, 0);
    turn.state.access_stored = turn.now;
  }
  const AccessWeek& week = turn.state.cluster.access_week;
  if (week.number == now) return;
  const bool told_of = week.number != 0 && week.number < now && !turn.state.directory.tenants.empty();
  if (told_of) report(turn, week);
  AccessWeek next;
  next.number = now;
  this_week(turn) = next;
}

}  // namespace bascule
