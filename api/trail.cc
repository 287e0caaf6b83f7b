// What is, what happened and why: status, explain, audit, incidents, operations, notices.
#include <algorithm>
#include <set>

#include "api/audit_query.h"
#include "api/body.h"
#include "api/events.h"
#include "api/represent.h"
#include "api/routes.h"
#include "failover/access/authorize.h"

namespace bascule::api {
namespace {

constexpr std::uint64_t kLongestWait = 25;           // seconds
constexpr std::uint64_t kExplained = 50'000;         // latest audit entries that explain looks through
constexpr std::int64_t kBeforeIncident_ms = 30'000;  // of its timeline: what led to it
constexpr std::size_t kMostInTimeline = 5000;
constexpr std::int64_t kAfterIncident_ms = 5'000;
constexpr std::uint64_t kLookedThrough = 10'000;  // of all, for one page

void show_status(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  call.answer(200, json::encode_text(
                       status_view(snapshot->state, snapshot->policy, api.services().channels, call.who())));
}

// What the caller may see of an entry; nothing when it isn't theirs.
std::optional<EventView> audit_view(const State& state, const Call& call, const AuditEntry& entry) {
  if (call.tenant.empty()) return event_for_staff(state, call.who(), entry);
  return entry.record.tenant == call.tenant ? std::optional(event_view(entry)) : std::nullopt;
}

// Looks through kLookedThrough entries at most, and goes on from `next`. Blocks: on a worker's thread only.
void answer_audit(const Api& api, const Call& call, const AuditQuery& query) {
  const SnapshotPointer before = api.snapshot();
  const auto begin = query.since ? last_entry_before(api.services(), *query.since, before->audit_number)
                                 : Result<std::uint64_t>(0);
  if (!begin) return call.refuse(problem_of(begin.error()));
  EventPage page;
  page.next = std::max(query.after, *begin);
  const std::uint64_t last = page.next + kLookedThrough;
  for (bool more = true; more && page.next < last && page.items.size() < query.limit;) {
    const auto entries = api.services().audit(page.next, kMostAuditEntries);
    if (!entries) return call.refuse(problem_of(entries.error()));
    more = !entries->empty();
    for (const AuditEntry& entry : *entries) {
      more = more && !query.is_over(entry);
      if (!more || page.items.size() >= query.limit) break;
      page.next = entry.number;
      if (!query.matches(entry)) continue;
      if (auto view = audit_view(before->state, call, entry)) page.items.push_back(*std::move(view));
    }
  }
  // It may have been a while since the call was admitted.
  const SnapshotPointer snapshot = api.snapshot();
  const Permission needs = call.tenant.empty() ? Permission::read_audit : Permission::read_own_audit;
  if (auto why = why_denied(snapshot->state.directory, call.who(), needs, {call.tenant, false}))
    return call.refuse(problem_of(*why));
  call.answer(200, json::encode_text(page));
}

void list_audit(Api& api, Call call) {
  const auto query = audit_query_of(call, api.snapshot()->state);
  if (!query) return;
  if (!call.tenant.empty() && !api.may_go_on(call, TokenUse::kChange)) return;  // it is long to look through
  const auto shared = std::make_shared<const Call>(std::move(call));
  api.read_later(*shared, [&api, shared, query = *query] { answer_audit(api, *shared, query); });
}

void verify_audit(Api& api, Call call) {
  const auto shared = std::make_shared<const Call>(std::move(call));
  api.read_later(*shared, [&api, shared] {
    const auto verified = api.services().verify_audit();
    AuditVerdict verdict;
    if (verified) {
      verdict = {true, *verified, "every entry carries the hash of the one before, up to the last commit"};
    } else if (verified.error().code == ErrorCode::corrupt) {
      verdict = {false, 0, verified.error().message};
    } else {
      return shared->refuse(problem_of(verified.error()));
    }
    shared->answer(200, json::encode_text(verdict));
  });
}

void export_lines(Api& api, Call call) {
  const auto after = number_of(call, "after", 0, UINT64_MAX);
  if (!after) return;
  const auto limit = number_of(call, "limit", kMostAuditEntries, kMostAuditEntries);
  if (!limit) return;
  const auto shared = std::make_shared<const Call>(std::move(call));
  api.read_later(*shared, [&api, shared, after, limit] {
    auto page = api.services().export_audit(*after, *limit);
    if (!page) return shared->refuse(problem_of(page.error()));
    shared->answer(200, json::encode_text(AuditLines{std::move(page->lines), page->next}));
  });
}

void show_audit_key(Api& api, Call call) {
  call.answer(200, json::encode_text(AuditKey{api.services().audit_key}));
}

// Blocks: on a worker's thread only.
void answer_trail(const Api& api, const Call& call, ExplainView view, const std::set<std::string>& subjects,
                  std::uint64_t last) {
  std::uint64_t after = last > kExplained ? last - kExplained : 0;
  while (after < last) {
    const auto entries = api.services().audit(after, kMostAuditEntries);
    if (!entries) return call.refuse(problem_of(entries.error()));
    if (entries->empty()) break;
    for (const AuditEntry& entry : *entries) {
      after = entry.number;
      if (subjects.contains(entry.record.subject)) view.trail.push_back(event_view(entry));
    }
  }
  if (view.trail.size() > kMostAuditEntries)
    view.trail.erase(view.trail.begin(), view.trail.end() - std::ptrdiff_t{kMostAuditEntries});
  call.answer(200, json::encode_text(view));
}

void explain_later(Api& api, Call call, ExplainView view, std::set<std::string> subjects,
                   std::uint64_t last) {
  const auto shared = std::make_shared<const Call>(std::move(call));
  api.read_later(*shared, [&api, shared, view = std::move(view), subjects = std::move(subjects), last] {
    answer_trail(api, *shared, view, subjects, last);
  });
}

void explain_host_call(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const auto host = snapshot->state.hosts.find(HostId(call.path.at("id")));
  if (host == snapshot->state.hosts.end())
    return call.refuse(ErrorCode::not_found, "there is no host " + call.path.at("id"));
  ExplainView view = explain_host(snapshot->policy, host->second);
  std::set<std::string> subjects{view.subject};
  if (host->second.record.incident) subjects.insert("incident/" + host->second.record.incident->value);
  explain_later(api, std::move(call), std::move(view), std::move(subjects), snapshot->audit_number);
}

// A VM's fate is decided on its hosts too: their trail in the VM's incident belongs to its own.
void explain_vm_call(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const State& state = snapshot->state;
  const Vm* vm = find_vm(state, call.path.at("id"));
  if (!vm) return call.refuse(ErrorCode::not_found, "there is no VM " + call.path.at("id"));
  ExplainView view = explain_vm(state, *vm);
  std::set<std::string> subjects{view.subject};
  if (vm->record.failback) subjects.insert("plan/" + vm->record.failback->value);
  if (vm->record.incident) {
    subjects.insert("incident/" + vm->record.incident->value);
    const auto incident = state.incidents.find(*vm->record.incident);
    if (incident != state.incidents.end())
      for (const HostId& host : incident->second.hosts) subjects.insert("host/" + host.value);
  }
  explain_later(api, std::move(call), std::move(view), std::move(subjects), snapshot->audit_number);
}

void list_incidents(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  List<Incident> list;
  for (const auto& [id, incident] : snapshot->state.incidents) list.items.push_back(incident);
  std::stable_sort(list.items.begin(), list.items.end(),
                   [](const Incident& a, const Incident& b) { return a.opened > b.opened; });
  call.answer(200, json::encode_text(list));
}

// Blocks: on a worker's thread only.
void answer_incident(const Api& api, const Call& call, const Incident& incident) {
  std::set<std::string> subjects{"incident/" + incident.id.value, "cluster"};
  for (const HostId& host : incident.hosts) subjects.insert("host/" + host.value);
  for (const VmId& vm : incident.vms) subjects.insert("vm/" + vm.value);
  const SnapshotPointer snapshot = api.snapshot();
  const WallTime since{incident.opened.unix_ms - kBeforeIncident_ms};
  const auto begin = last_entry_before(api.services(), since, snapshot->audit_number);
  if (!begin) return call.refuse(problem_of(begin.error()));
  IncidentView view{incident, {}, true};
  const auto is_over = [&incident](const AuditEntry& entry) {
    return incident.closed && entry.at.unix_ms > incident.closed->unix_ms + kAfterIncident_ms;
  };
  const std::uint64_t last = *begin + kExplained;
  for (std::uint64_t after = *begin; after < last && view.timeline.size() < kMostInTimeline;) {
    const auto entries = api.services().audit(after, kMostAuditEntries);
    if (!entries) return call.refuse(problem_of(entries.error()));
    view.cut = !entries->empty() && !is_over(entries->front());
    if (!view.cut) break;
    after = entries->back().number;
    for (const AuditEntry& entry : *entries)
      if (subjects.contains(entry.record.subject) && !is_over(entry) && entry.record.what != "look_at")
        view.timeline.push_back(event_for_staff(snapshot->state, call.who(), entry));
  }
  call.answer(200, json::encode_text(view));
}

void show_incident(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const auto incident = snapshot->state.incidents.find(IncidentId(call.path.at("id")));
  if (incident == snapshot->state.incidents.end())
    return call.refuse(ErrorCode::not_found, "there is no incident " + call.path.at("id") +
                                                 "; `bascule incidents` shows those kept");
  const auto shared = std::make_shared<const Call>(std::move(call));
  api.read_later(*shared, [&api, shared, found = incident->second] { answer_incident(api, *shared, found); });
}

void show_operation(Api& api, Call call) {
  const auto wait = number_of(call, "wait", 0, kLongestWait);
  if (!wait) return;
  const RequestId operation(call.path.at("id"));
  api.show_operation(std::move(call), operation, std::chrono::seconds(*wait));
}

void cancel_operation(Api& api, Call call) {
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  const RequestId operation(call.path.at("id"));
  if (!api.operation_for(call, operation))
    return call.refuse(ErrorCode::not_found, "no operation " + operation.value + " is remembered");
  CancelOperation event{call.asked(body->reason), operation};
  api.change(std::move(call), "cancel_operation", std::move(event));
}

void test_notices(Api& api, Call call) {
  const auto body = body_of<ReasonBody>(call);
  if (!body || !accept_reason(call, body->reason, false)) return;
  if (api.services().channels.empty())
    return call.refuse(
        ErrorCode::conflict,
        "no notice can be sent: manager.toml has neither [[mail]] nor [[sms]]. Add a route and "
        "restart bascule-manager");
  TestNotices event{call.asked(body->reason)};
  api.change(std::move(call), "test_notices", std::move(event));
}

}  // namespace

std::vector<Route> trail_routes() {
  using P = Permission;
  return {{"GET", "/v1/status", for_staff(P::see_fleet), Reach::fleet, show_status},
          {"GET", "/v1/explain/host/{id}", for_staff(P::see_fleet), Reach::fleet, explain_host_call},
          {"GET", "/v1/explain/vm/{id}", for_staff(P::see_machines), Reach::machine, explain_vm_call},
          {"GET",
           "/v1/audit",
           for_both(P::read_audit, P::read_own_audit),
           Reach::fleet,
           list_audit,
           {"list_audit",
            "What was done to what is yours, and by whom",
            nullptr,
            gives<EventPage>,
            200,
            {{"after", "the number to go on after", true},
             {"limit", "how many at most", true},
             {"who", "did it"},
             {"what", "was done, such as `stop_vm`"},
             {"on", "what: vm/NAME, user/TENANT/NAME, …"},
             {"request", "the id that its asker was told"},
             {"since", "milliseconds since 1970", true},
             {"until", "milliseconds since 1970", true}}}},
          {"GET", "/v1/audit/verify", for_staff(P::read_audit), Reach::fleet, verify_audit},
          {"GET", "/v1/audit/export", for_staff(P::read_audit), Reach::fleet, export_lines},
          {"GET", "/v1/audit/key", for_staff(P::see_fleet), Reach::fleet, show_audit_key},
          {"GET", "/v1/incidents", for_staff(P::see_fleet), Reach::fleet, list_incidents},
          {"GET", "/v1/incidents/{id}", for_staff(P::see_fleet), Reach::fleet, show_incident},
          {"GET",
           "/v1/operations/{id}",
           for_both(P::see_fleet, P::see_machines),
           Reach::fleet,
           show_operation,
           {"show_operation",
            "A change that you asked for",
            nullptr,
            gives<OperationView>,
            200,
            {{"wait", "for its end, seconds, at most 25", true}}}},
          {"POST",
           "/v1/operations/{id}/cancel",
           for_both(P::run_machines),
           Reach::fleet,
           cancel_operation,
           {"cancel_operation",
            "Call back a start that is under way: the machine is stopped instead",
            takes<ReasonBody>,
            gives<OperationView>,
            200,
            {},
            {409}}},
          {"POST", "/v1/notices/test", for_staff(P::test_notices), Reach::fleet, test_notices}};
}

}  // namespace bascule::api
