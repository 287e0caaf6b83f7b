// libvirt's numbers in our words.
//
// Source: libvirt.org, virDomainEventType and its details, virDomainState and its reasons.
#pragma once

#include <optional>

#include "hostd/hypervisor.h"

namespace bascule::hostd {

// Nothing: an event that is no change for us.
std::optional<DomainEventKind> kind_of(int event, int detail);
RunState run_state(int state, int reason);

}  // namespace bascule::hostd
