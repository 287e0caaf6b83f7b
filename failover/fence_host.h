// The making of proof: power off by a verified BMC, and beside it the lapse of a revoked lease
// (lease_lapse.h). Whichever comes first proves the host down.
#pragma once

#include "failover/turn.h"

namespace bascule {

// Opens an incident for this one host and starts fencing it.
void declare_host_lost(Turn& turn, Host& host, std::string words, const Turn::Facts& facts);
void start_fencing(Turn& turn, Host& host, const IncidentId& incident, Reason reason,
                   const Turn::Facts& facts);

void power_off_done(Turn& turn, Host& host, const PowerOffDone& done);
// Holds and pages if no proof is on its way any more; goes on trying the BMC.
void hold_if_nothing_is_left(Turn& turn, Host& host, const std::string& words);
void fencing_due(Turn& turn, Host& host);
void resume_fencing(Turn& turn, Host& host);  // after a manager's start: everything is asked anew

// A person's word was given to the predecessor: it can't be used any more, the host is held.
void recheck_down(Turn& turn, Host& host);

// Stores evidence about these boots and lets recovery begin.
void prove_down(Turn& turn, Host& host, std::vector<Evidence> evidence, Reason reason, std::string words);
// The boots of this host that some VM may run on, and the one that was fenced.
std::vector<Copy> fenced_copies(const State& state, const Host& host);

// A host that was held without proof speaks again: nothing was decided elsewhere, it is up.
void spare_host(Turn& turn, Host& host);
// A host that was declared faulty is there again: it gets nothing until cleared.
void host_returned(Turn& turn, Host& host);
// A boot that was proved dead speaks: its evidence is void. After a lapse, which ends guests and not hosts,
// it has merely returned; else the host is held and operations are paged.
void contradict(Turn& turn, Host& host, const BootId& boot);
bool has_evidence(const Host& host, const BootId& boot);

}  // namespace bascule
