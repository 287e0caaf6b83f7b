// Real-time priority for threads whose being late means death: of a lease, or of a host that seems silent.
#pragma once

#include "base/result.h"

namespace bascule {

// The calling thread, and those that it starts from now on, run at SCHED_RR (sched(7)). `denied` where the
// system doesn't allow it; then they run as before.
Status run_in_real_time(int priority);

}  // namespace bascule
