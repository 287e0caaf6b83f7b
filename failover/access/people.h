// What is asked about tenants and access sessions. Each request gets exactly one Answer.
#pragma once

#include "failover/turn.h"

namespace bascule {

void create_tenant(Turn& turn, const CreateTenant& asked);

// One session for each tenant and person; a second one replaces the first.
void open_access(Turn& turn, const OpenAccess& asked);
void end_access(Turn& turn, const EndAccess& asked);  // one's own; a tenant's user any in its scope
void note_access(Turn& turn, const NoteAccess& asked);

// Those whose time is over, and those of the manager before; as many as a commit takes.
void expire_access(Turn& turn);

}  // namespace bascule
