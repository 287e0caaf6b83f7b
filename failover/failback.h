// Failback: the only way home. An operator has a plan made, reads it, and approves exactly that plan by its
// digest. It is carried out cold: shut down, the away host's word that it is gone, the next generation at
// home. What the plan had read is checked again at each step; what is stale is refused and stays away. An
// approval may be for later; until a VM is being shut down, it can be called off.
#pragma once

#include "failover/turn.h"

namespace bascule {

void plan_failback(Turn& turn, const PlanFailback& asked);
void approve_failback(Turn& turn, const ApproveFailback& asked);
// Whatever isn't being shut down yet stays where it is; the rest goes home.
void abort_failback(Turn& turn, const AbortFailback& asked);

// Every copy has ended: start it at home, or if the plan has become stale, where it was.
// Home's copies of the VM's volumes are in step, or why not.
void volumes_followed(Turn& turn, Vm& vm, const std::optional<Error>& error);
void carry_home(Turn& turn, Vm& vm, StartElsewhere permit);
void arrived_home(Turn& turn, Vm& vm);
void refuse_item(Turn& turn, Vm& vm, const std::string& why);
// At a new manager's first Tick: a plan that its predecessor left ends, said and audited; what already starts
// at home arrives there.
void resume_plans(Turn& turn);
void expire_plans(Turn& turn);     // at each Tick
void start_due_plans(Turn& turn);  // at each Tick

// SHA-256 over the epoch and all that the items read.
std::string digest_of(const State& state, const FailbackPlan& plan);
// What has changed since the plan was made; empty while it still holds.
std::string why_stale(const Turn& turn, const FailbackPlan& plan, const PlanItem& item);

}  // namespace bascule
