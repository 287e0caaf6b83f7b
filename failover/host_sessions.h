// What hosts say: hello, heartbeats, changes of domains, faults, and their silence's first sign.
#pragma once

#include "failover/turn.h"

namespace bascule {

void on_hello(Turn& turn, const wire::Hello& hello);
void on_heartbeat(Turn& turn, const HostHeartbeat& event);
void on_domain_changed(Turn& turn, const HostDomainChanged& event);
void on_host_volumes(Turn& turn, const HostVolumesSeen& event);
void on_host_fault(Turn& turn, const HostFaultReported& event);
void on_host_replied(Turn& turn, const HostReplied& event);
void on_session_closed(Turn& turn, const HostSessionClosed& event);

}  // namespace bascule
