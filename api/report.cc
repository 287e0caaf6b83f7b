// /v1/reports/access.
#include "api/report.h"

#include <algorithm>

#include "api/audit_query.h"
#include "api/body.h"
#include "api/routes.h"

namespace bascule::api {
namespace {

constexpr std::uint64_t kMostDays = 366;
constexpr std::int64_t kDay_ms = std::int64_t{24} * 3600 * 1000;
constexpr std::uint64_t kMostEntries = 1'000'000;  // looked through for one report of the provider's
constexpr std::uint64_t kMostOfTenant = 200'000;

bool is_staff(const AuditRecord& record) {
  return record.actor != "engine" && record.actor.find('/') == std::string::npos;
}

std::string fact(const AuditRecord& record, const std::string& name) {
  const auto found = record.facts.find(name);
  return found == record.facts.end() ? "" : found->second;
}

// Blocks: on a worker's thread only.
void answer_report(const Api& api, const Call& call, WallTime since, WallTime until) {
  const SnapshotPointer before = api.snapshot();
  const auto begin = last_entry_before(api.services(), since, before->audit_number);
  if (!begin) return call.refuse(problem_of(begin.error()));
  AccessReporter reporter(since, until, call.tenant);
  const std::uint64_t most = call.tenant.empty() ? kMostEntries : kMostOfTenant;
  std::uint64_t after = std::max(*begin, before->audit_number - std::min(before->audit_number, most));
  while (after < before->audit_number) {
    const auto entries = api.services().audit(after, kMostAuditEntries);
    if (!entries) return call.refuse(problem_of(entries.error()));
    if (entries->empty()) break;
    for (const AuditEntry& entry : *entries) reporter.take(entry);
    after = entries->back().number;
  }
  // It may have been a while since the call was admitted.
  const SnapshotPointer snapshot = api.snapshot();
  const auto needs = call.tenant.empty() ? Permission::read_audit : Permission::read_own_audit;
  if (auto why = why_denied(snapshot->state.directory, call.who(), needs, {call.tenant, false}))
    return call.refuse(problem_of(*why));
  call.answer(200, json::encode_text(reporter.report()));
}

void report_access(Api& api, Call call) {
  const auto days = number_of(call, "days", 7, kMostDays);
  if (!days) return;
  if (!call.tenant.empty() && !api.may_go_on(call, TokenUse::kChange)) return;  // it is long to look through
  const WallTime until = api.wall();
  const WallTime since{until.unix_ms - static_cast<std::int64_t>(*days) * kDay_ms};
  const auto shared = std::make_shared<const Call>(std::move(call));
  api.report_later(*shared, [&api, shared, since, until] { answer_report(api, *shared, since, until); });
}

}  // namespace

AccessReporter::AccessReporter(WallTime since, WallTime until, TenantId tenant) : tenant_(std::move(tenant)) {
  report_.since = since;
  report_.until = until;
}

void AccessReporter::open(const AuditEntry& entry) {
  const AuditRecord& record = entry.record;
  const OperatorId by(record.actor);
  if (report_.items.size() < kMost) {
    by_session_[record.subject] = report_.items.size();
    at_work_[{record.actor, record.tenant.value}] = report_.items.size();
    report_.items.push_back({by, record.tenant, fact(record, "category"), record.words, entry.at, {}, 0, 0});
  }
  if (!reasons_.contains(record.words) && reasons_.size() >= kMost) return;
  Given& given = reasons_[record.words];
  ++given.times;
  given.by.insert(by);
}

void AccessReporter::close(const AuditEntry& entry) {
  const auto found = by_session_.find(entry.record.subject);
  if (found == by_session_.end()) return;
  AccessReportItem& item = report_.items[found->second];
  item.ended = entry.at;
  at_work_.erase({item.by.value, item.tenant.value});
}

void AccessReporter::take(const AuditEntry& entry) {
  const AuditRecord& record = entry.record;
  const bool ours = tenant_.empty() || record.tenant == tenant_;
  if (entry.at < report_.since || !ours) return;
  if (record.what == "open_access") return open(entry);
  if (record.what == "end_access") return close(entry);
  if (record.what.starts_with("refuse_")) {
    if (!refused_.contains(record.actor) && refused_.size() >= kMost) return;
    RefusedReportItem& item = refused_[record.actor];
    item = {OperatorId(record.actor), item.times + 1, entry.at};
    return;
  }
  if (!is_staff(record)) return;
  const auto at_work = at_work_.find({record.actor, record.tenant.value});
  if (at_work == at_work_.end()) return;
  AccessReportItem& item = report_.items[at_work->second];
  ++(record.what == "look_at" ? item.looks : item.changes);
}

AccessReport AccessReporter::report() const {
  AccessReport report = report_;
  for (const auto& [who, item] : refused_) report.refused.push_back(item);
  for (const auto& [reason, given] : reasons_)
    if (given.times > 1) report.reused.push_back({reason, given.times, {given.by.begin(), given.by.end()}});
  std::stable_sort(report.reused.begin(), report.reused.end(),
                   [](const ReusedReason& a, const ReusedReason& b) { return a.times > b.times; });
  return report;
}

std::vector<Route> report_routes() {
  return {{"GET",
           "/v1/reports/access",
           for_both(Permission::read_audit, Permission::read_own_audit),
           Reach::fleet,
           report_access,
           {"report_access",
            "Who of the provider was at work for you, why, and how much; and who was refused",
            nullptr,
            gives<AccessReport>,
            200,
            {{"days", "how far back, 7 unless told", true}}}}};
}

}  // namespace bascule::api
