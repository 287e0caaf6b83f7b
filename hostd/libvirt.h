// The real Hypervisor: connections to a libvirtd, kept alive, opened again whenever one was lost.
//
// Two threads: libvirt's event loop, and a supervisor that connects (at once after a loss, then every second
// while libvirtd is away; guests don't notice). Keepalive 1 s × 3 bounds every call to about 4 s.
#pragma once

#include <memory>
#include <string>

#include "hostd/hypervisor.h"

namespace bascule::hostd {

// Connects in the background; on_connection tells when.
std::unique_ptr<Hypervisor> make_libvirt(const std::string& uri);

}  // namespace bascule::hostd
