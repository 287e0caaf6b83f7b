// Requests of operators. Each gets exactly one Answer; every outcome is audited, refusals too.
#pragma once

#include "failover/turn.h"

namespace bascule {

void create_vm(Turn& turn, const CreateVm& asked);
void start_vm(Turn& turn, const StartVmAsked& asked);
void stop_vm(Turn& turn, const StopVmAsked& asked);
void delete_vm(Turn& turn, const DeleteVm& asked);

void clear_host(Turn& turn, const ClearHost& asked);
void power_host(Turn& turn, const PowerHost& asked);
void attest_down(Turn& turn, const AttestDown& asked);
void test_notices(Turn& turn, const TestNotices& asked);

// The end of a power action that an operator asked for; false when it was another's.
bool power_host_done(Turn& turn, const ActionId& action, Host& host, const Result<void>& outcome);

}  // namespace bascule
