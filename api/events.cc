// What happens, as it happens: `GET /v1/events`, as a page of JSON or of Server-Sent Events.
//
// An answer waits for what is new, up to 25 s, and ends: whoever follows asks again from `next`, or, as
// browsers' EventSource does by itself, with Last-Event-ID. A portal strings the answers together.
#include "api/events.h"

#include "api/body.h"
#include "api/routes.h"

namespace bascule::api {
namespace {

constexpr std::size_t kMostAtOnce = 250;      // in one answer
constexpr std::uint64_t kLongestFollow = 25;  // seconds
constexpr Duration kFullFor = 5s;
constexpr std::string_view kStreamType = "text/event-stream";

struct Following {
  std::uint64_t after = 0;
  bool as_stream = false;
};

// Why a tenant's user may not, or no longer, follow.
std::optional<Error> why_no_more(const State& state, const Call& call) {
  if (call.tenant.empty()) return std::nullopt;
  if (!signed_in(state.directory, call.who()))
    return Error{ErrorCode::unauthenticated, "this session or token has ended: sign in again"};
  return why_denied(state.directory, call.who(), Permission::see_machines, {call.tenant, false});
}

// From memory, or else from the store, of which it looks through one answer's worth.
Result<Trail::Page> next_entries(const Api& api, const Call& call, std::uint64_t after) {
  if (auto recent = api.services().recent(after, kMostAtOnce, call.tenant)) return std::move(*recent);
  auto entries = api.services().audit(after, kMostAtOnce);
  if (!entries) return failure(entries.error());
  Trail::Page page{{}, after};
  if (!entries->empty()) page.next = entries->back().number;
  page.entries = std::move(*entries);
  return page;
}

// Blocks: on a worker's thread only.
void answer_events(const Api& api, const Call& call, const Following& following) {
  const auto entries = next_entries(api, call, following.after);
  if (!entries) return call.refuse(problem_of(entries.error()));
  // It may have been a while since the call was admitted.
  const SnapshotPointer snapshot = api.snapshot();
  if (const auto why = why_no_more(snapshot->state, call)) return call.refuse(problem_of(*why));
  EventPage page{{}, entries->next};
  for (const AuditEntry& entry : entries->entries) {
    std::optional<EventView> event = call.tenant.empty()
                                         ? event_for_staff(snapshot->state, call.who(), entry)
                                         : event_for_tenant(snapshot->state, call.who(), call.tenant, entry);
    if (event) page.items.push_back(std::move(*event));
  }
  if (!following.as_stream) return call.answer(200, json::encode_text(page));
  call.answer(200, event_stream(page), std::string(kStreamType),
              {{"last-event-id", std::to_string(page.next)}});
}

bool wants_stream(const Call& call) {
  const auto accept = call.request.headers.find("accept");
  return accept != call.request.headers.end() && accept->second.find(kStreamType) != std::string::npos;
}

// Where to begin: after `after`, after the last event that a browser had, or now.
std::optional<std::uint64_t> begin_after(Call& call, std::uint64_t now) {
  const auto last = call.request.headers.find("last-event-id");
  if (last != call.request.headers.end() && !last->second.empty()) call.query["after"] = last->second;
  return number_of(call, "after", now, UINT64_MAX);
}

void follow_events(Api& api, Call call) {
  const auto after = begin_after(call, api.snapshot()->audit_number);
  if (!after) return;
  const auto wait = number_of(call, "wait", 0, kLongestFollow);
  if (!wait) return;
  const Following following{*after, wants_stream(call)};
  const auto shared = std::make_shared<const Call>(std::move(call));
  const auto answer = [&api, shared, following] { answer_events(api, *shared, following); };
  if (!api.services().recent(*after, 1, shared->tenant)) {  // it has to be looked for in the store
    if (shared->tenant.empty() || api.may_go_on(*shared, TokenUse::kChange)) api.read_later(*shared, answer);
    return;
  }
  if (*wait == 0) return api.answer_follower(*shared, answer);
  const auto place = shared->tenant.empty() ? nullptr : api.place_to_follow(*shared);
  const bool follows = (place || shared->tenant.empty()) &&
                       api.services().follow(*after, shared->tenant, std::chrono::seconds(*wait),
                                             [&api, shared, answer, place] {
                                               if (place) place->release();
                                               api.answer_follower(*shared, answer);
                                             });
  if (!follows) shared->wait(kFullFor, "too many of you follow what happens");
}

}  // namespace

EventView event_view(const AuditEntry& entry) { return {entry.number, entry.at, entry.record}; }

EventView event_for_staff(const State& state, const Principal& who, const AuditEntry& entry) {
  EventView view = event_view(entry);
  const TenantId& tenant = entry.record.tenant;
  // Plans tell names of all tenants.
  const bool plan = entry.record.subject.starts_with("plan/");
  const bool report = entry.record.subject == "access";
  if (report && !has_permission(state.directory, who.id, Permission::see_access)) {
    view.record.words.clear();
    return view;
  }
  const bool may_read = (!plan || has_permission(state.directory, who.id, Permission::decide_failback)) &&
                        (tenant.empty() || has_permission(state.directory, who.id, Permission::read_audit) ||
                         !why_denied(state.directory, who, Permission::see_machines, {tenant, false}));
  if (may_read) return view;
  view.record.words.clear();
  view.record.facts.clear();
  return view;
}

std::optional<EventView> event_for_tenant(const State& state, const Principal& who, const TenantId& tenant,
                                          const AuditEntry& entry) {
  if (tenant.empty() || entry.record.tenant != tenant) return std::nullopt;
  EventView view = event_view(entry);
  if (!why_denied(state.directory, who, Permission::read_own_audit, {tenant, false})) return view;
  const std::string& subject = entry.record.subject;
  const bool sees_access = !why_denied(state.directory, who, Permission::watch_access, {tenant, false});
  if (!subject.starts_with("vm/") && !(sees_access && subject.starts_with("access/"))) return std::nullopt;
  view.record.words.clear();
  view.record.facts.clear();
  return view;
}

std::string event_stream(const EventPage& page) {
  std::string text;
  for (const EventView& event : page.items)
    text += "id: " + std::to_string(event.number) + "\ndata: " + json::encode_text(event) + "\n\n";
  return text + "id: " + std::to_string(page.next) + "\n\n";
}

std::vector<Route> event_routes() {
  using P = Permission;
  Description description{"follow_events",
                          "What happens to what is yours, as it happens: a page, or Server-Sent Events",
                          nullptr,
                          gives<EventPage>,
                          200,
                          {{"after", "the number to go on after; Last-Event-ID counts as well", true},
                           {"wait", "for something new, seconds, at most 25", true}}};
  description.streams = true;
  return {{"GET", "/v1/events", for_both(P::see_fleet, P::see_machines), Reach::fleet, follow_events,
           description}};
}

}  // namespace bascule::api
