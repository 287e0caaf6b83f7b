// Events: the audit's entries as those may see them who follow what happens. Pure.
#pragma once

#include <optional>
#include <string>

#include "api/views.h"
#include "cluster/audit.h"
#include "failover/access/authorize.h"

namespace bascule::api {

EventView event_view(const AuditEntry& entry);

// As one of the provider's staff may see it: without words and facts where those are another's.
EventView event_for_staff(const State& state, const Principal& who, const AuditEntry& entry);
// As a tenant's user may: all of it who reads the tenant's audit; otherwise what happens to machines, and who
// of the provider is at work, without words and facts. Nothing where the entry isn't theirs.
std::optional<EventView> event_for_tenant(const State& state, const Principal& who, const TenantId& tenant,
                                          const AuditEntry& entry);

// A page as Server-Sent Events (HTML Living Standard, 9.2.5): each with its number as id, and last the number
// to go on after, by itself.
std::string event_stream(const EventPage& page);

}  // namespace bascule::api
