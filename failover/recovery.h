// Recovery: what becomes of VMs whose copy ended or whose host is lost. In order of priority, then name; each
// start takes receipts for every copy that may run.
#pragma once

#include "failover/turn.h"

namespace bascule {

// All VMs that may run on this host are looked at, in order, in portions of a commit's size.
void queue_recovery(Turn& turn, const Host& host);
void drain_recovery(Turn& turn);

// Capacity came: VMs without a place are tried again.
void retry_unplaced(Turn& turn);

// The next step of a VM whose present copies must end (phase recovering, stopping or deleting): gather
// receipts, asking hosts for their word; then stop, forget, or start anew.
void advance(Turn& turn, Vm& vm);

// Its copy ended or was lost: recovering, then advance().
void recover(Turn& turn, Vm& vm, Reason reason, std::string words);

// A host that was being fenced is spared: its VMs go on as before.
void resume_vms(Turn& turn, Host& host);

// Given up: a person is needed.
void fail_vm(Turn& turn, Vm& vm, Reason reason, std::string words, ErrorCode code = ErrorCode::unavailable);

// Hosts that refused to start it, and what was said about it, belong to an attempt that is over.
void forget_refusals(Vm& vm);

// Counts one more restart; false when there were too many within the window.
bool may_restart(Turn& turn, Vm& vm);

}  // namespace bascule
