// Incidents: one fault and all that follows from it, told once, then in digests.
#pragma once

#include "failover/turn.h"

namespace bascule {

// Opens an incident over these hosts and their VMs that should be switched, and tells operations of it.
IncidentId open_incident(Turn& turn, std::string kind, std::optional<SiteId> site,
                         const std::vector<Host*>& hosts);

void incident_vm_running(Turn& turn, const Vm& vm);  // it runs again
// What a switch of it lost became known only after it was seen to run: people are told again.
void incident_vm_lost(Turn& turn, const Vm& vm);
void incident_vm_waits(Turn& turn,
                       const Vm& vm);  // given up or without a place: the digest won't wait for it
void digest_if_due(Turn& turn);        // at each Tick

// The host takes no part in its incident any more; the incident is closed with its last host.
void leave_incident(Turn& turn, Host& host);

}  // namespace bascule
