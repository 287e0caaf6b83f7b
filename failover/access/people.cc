#include "failover/access/people.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/tenant_network.h"
#include "failover/access/authorize.h"
#include "failover/access/watch.h"

namespace bascule {
namespace {

constexpr Duration kLongestAccess = 8h;
constexpr std::size_t kLongestTicket = 64;
constexpr std::size_t kMostTenants = 10'000;
constexpr std::size_t kMostAccess = 1000;  // open at once

std::string subject_of(const AccessSession& access) { return "access/" + access.id.value; }

std::map<std::string, std::string> facts_of(const AccessSession& access) {
  std::map<std::string, std::string> facts{{"tenant", access.tenant.value},
                                           {"by", access.by.value},
                                           {"category", std::string(name_of(access.category))}};
  if (!access.ticket.empty()) facts["ticket"] = access.ticket;
  return facts;
}

void close_access(Turn& turn, const AccessId& id) {
  auto& open = turn.state.directory.access;
  const auto found = open.find(id);
  turn.touch(found->second);
  turn.state.access_ends.erase(id);
  open.erase(found);
}

// By the request's own: a number would tell tenants how many sessions others see.
AccessId id_for(const OpenAccess& asked) { return AccessId("a" + asked.asked.request.value.substr(0, 8)); }

bool is_ticket(const std::string& text) {
  return text.size() <= kLongestTicket && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 ||
                  std::string_view("-_.:/#").find(static_cast<char>(c)) != std::string_view::npos;
         });
}

std::optional<Error> why_no_access(const State& state, const OpenAccess& asked) {
  if (!state.directory.tenants.contains(asked.tenant))
    return Error{ErrorCode::not_found, "no tenant " + asked.tenant.value};
  if (const std::string problem = problem_of_reason(asked.category, asked.asked.reason); !problem.empty())
    return Error{ErrorCode::invalid, "reason: " + problem};
  if (asked.length < 1min || asked.length > kLongestAccess)
    return Error{ErrorCode::invalid, "minutes: must be 1 to 480"};
  if (!is_ticket(asked.ticket))
    return Error{ErrorCode::invalid, "ticket: must be at most 64 letters, digits and - _ . : / #"};
  if (state.directory.access.contains(id_for(asked)))
    return Error{ErrorCode::conflict, "there is an access session of this id: ask with another X-Request-Id"};
  if (state.directory.access.size() >= kMostAccess)
    return Error{ErrorCode::exhausted, "too many access sessions are open"};
  return std::nullopt;
}

}  // namespace

void create_tenant(Turn& turn, const CreateTenant& asked) {
  auto& tenants = turn.state.directory.tenants;
  const std::string subject = "tenant/" + asked.tenant.value;
  const auto refuse = [&](ErrorCode code, std::string words) {
    turn.refuse(asked.asked, "create_tenant", subject, {code, std::move(words)});
  };
  if (!is_valid_name(asked.tenant.value))
    return refuse(ErrorCode::invalid,
                  "name: must be letters, digits, '-', '_' and '.', beginning with a letter or digit");
  if (tenants.contains(asked.tenant))
    return refuse(ErrorCode::conflict, "a tenant named " + asked.tenant.value + " exists");
  for (const auto& [id, tenant] : tenants)
    if (tag_of(id) == tag_of(asked.tenant))
      return refuse(ErrorCode::conflict, "on the network it couldn't be told from " + id.value +
                                             " (by chance): choose another name");
  if (tenants.size() >= kMostTenants) return refuse(ErrorCode::exhausted, "there are 10,000 tenants already");
  Tenant tenant;
  tenant.id = asked.tenant;
  tenant.created = turn.wall;
  turn.touch(tenant);
  tenants.emplace(tenant.id, std::move(tenant));
  turn.log(asked.asked, "create_tenant", subject, Reason::requested);
  turn.answer(asked.asked.request, asked.tenant.value);
}

void open_access(Turn& turn, const OpenAccess& asked) {
  if (auto problem = why_no_access(turn.state, asked))
    return turn.refuse(asked.asked, "open_access", "tenant/" + asked.tenant.value, std::move(*problem));
  if (const AccessSession* before = open_access_of(turn.state.directory, asked.asked.by, asked.tenant)) {
    turn.log(asked.asked, "end_access", subject_of(*before), Reason::requested, "another one takes its place",
             facts_of(*before));
    close_access(turn, AccessId(before->id));
  }
  AccessSession access;
  access.id = id_for(asked);
  access.by = asked.asked.by;
  access.tenant = asked.tenant;
  access.category = asked.category;
  access.reason = asked.asked.reason;
  access.ticket = asked.ticket;
  access.began = turn.wall;
  const auto length = std::chrono::duration_cast<std::chrono::milliseconds>(asked.length);
  access.ends = {turn.wall.unix_ms + length.count()};
  turn.state.access_ends[access.id] = turn.now + asked.length;
  turn.log(asked.asked, "open_access", subject_of(access), Reason::requested, "", facts_of(access));
  watch_opened(turn, access);
  turn.answer(asked.asked.request, access.id.value);
  turn.touch(access);
  turn.state.directory.access.emplace(access.id, std::move(access));
}

void end_access(Turn& turn, const EndAccess& asked) {
  const auto& open = turn.state.directory.access;
  const auto found = open.find(asked.access);
  if (found == open.end() || (asked.asked.token.empty() && found->second.by != asked.asked.by))
    return turn.refuse(asked.asked, "end_access", "access/" + asked.access.value,
                       {ErrorCode::not_found, "you have no open access session " + asked.access.value});
  turn.log(asked.asked, "end_access", subject_of(found->second), Reason::requested, "",
           facts_of(found->second));
  turn.answer(asked.asked.request, asked.access.value);
  close_access(turn, asked.access);
}

void note_access(Turn& turn, const NoteAccess& asked) {
  Turn::Facts facts{{"call", asked.what}};
  turn.log(asked.asked, asked.refused.empty() ? "look_at" : "refuse_access", asked.subject, Reason::requested,
           asked.refused, std::move(facts));
  turn.answer(asked.asked.request, asked.subject);
  if (!asked.refused.empty()) return watch_refused(turn, asked.asked.by, asked.what);
  watch_look(turn, asked.asked.by, asked.subject);
}

void expire_access(Turn& turn) {
  std::vector<AccessId> over;
  for (const auto& [id, ends] : turn.state.access_ends)
    if (ends <= turn.now) over.push_back(id);
  for (const AccessId& id : over) {
    if (turn.full()) return;
    const AccessSession& access = turn.state.directory.access.at(id);
    const bool early = turn.wall < access.ends;
    turn.log("end_access", subject_of(access), Reason::requested,
             early ? "the manager was restarted: open it anew" : "its time is over", facts_of(access));
    close_access(turn, id);
  }
}

}  // namespace bascule
