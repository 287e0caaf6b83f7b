// The lapse of a lease as proof that a host's guests ended: mode `stop`, an armed guard.
//
// The wait counts from the revocation, so a lease is revoked at the first doubt, long before a loss can be
// told from a stalled link. Until that is decided it is only *withheld*: the guard keeps what it holds, which
// outlasts a stall, and gets more again (by a commit, as each revocation) when its host is heard or when it
// asks itself. A lapse proves nothing while a lease is merely withheld. The price: a store that stands still
// for 6 s right after a heartbeat was late ends that host's guests, since giving back takes a commit.
#pragma once

#include "failover/turn.h"

namespace bascule {

bool may_withhold(const Host& host, const Policy& policy);
void withhold_lease(Turn& turn, Host& host);  // a silent host's
void host_lives(Turn& turn, Host& host);      // it is heard: what was withheld is given back
void lease_asked(Turn& turn, Host& host, const LeaseAsked& asked);

// Of a host that was declared lost. A wait that has begun goes on.
void revoke_lease(Turn& turn, Host& host);
void resume_lapse(Turn& turn, Host& host);  // after a manager's start: the whole wait anew
void lease_revoked(Turn& turn, Host& host, const LeaseRevoked& revoked);
void lapse_due(Turn& turn, Host& host);
bool is_lapsing(const Host& host);

// Its lease may be granted again: the lease plane follows the record once this is committed.
void forget_revocation(Host& host);

}  // namespace bascule
