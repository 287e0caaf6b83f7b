// Requests of operators. Each gets exactly one Answer; every outcome is audited, refusals too.
#pragma once

#include "failover/turn.h"

namespace bascule {

// The VM that a request names; nothing, and it is refused, when there is none.
Vm* named(Turn& turn, const Asked& asked, const std::string& what, const VmId& id);

void create_vm(Turn& turn, const CreateVm& asked);
void accept_delivery(Turn& turn, const AcceptDelivery& asked);
void start_vm(Turn& turn, const StartVmAsked& asked);
void stop_vm(Turn& turn, const StopVmAsked& asked);
void delete_vm(Turn& turn, const DeleteVm& asked);
void change_vm(Turn& turn, const ChangeVm& asked);
void cancel_operation(Turn& turn, const CancelOperation& asked);
// The machine that an operation starts, or stops; null when none does.
const Vm* vm_of_operation(const State& state, const RequestId& operation);
void open_console(Turn& turn, const OpenConsole& asked);  // a tenant's user must say why

void clear_host(Turn& turn, const ClearHost& asked);
void power_host(Turn& turn, const PowerHost& asked);
void attest_down(Turn& turn, const AttestDown& asked);
void test_notices(Turn& turn, const TestNotices& asked);

// The end of a power action; false when no operator had asked for it.
bool power_off_asked_done(Turn& turn, Host& host, const PowerOffDone& done);
bool power_on_asked_done(Turn& turn, Host& host, const PowerOnDone& done);

}  // namespace bascule
