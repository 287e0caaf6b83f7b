// The guests that the lease protects, found and killed without libvirt.
//
// A protected guest is a process of this PID namespace whose executable or command name starts with
// `qemu-system` and whose command line has an argument with `guest=bascule-`: the names that hostd gives its
// domains.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/time.h"

namespace bascule::guard {

// A process that has exited and only waits to be reaped is none. When `proc` can't be read, `readable` is
// false and nobody may conclude that there are no guests.
struct GuestSearch {
  bool readable = false;
  std::vector<pid_t> guests;
};
GuestSearch find_protected_guests(const std::string& proc = "/proc");

struct KillReport {
  std::size_t killed = 0;  // that are gone now
  std::size_t alive = 0;   // that the last search still found
  bool all_gone = false;   // a last search found none
};
// SIGKILL to all at once, then waits for their exits, at most `budget`; searches again until none is left,
// because one may have been starting.
KillReport kill_protected_guests(Duration budget, const Clock& clock, const std::string& proc = "/proc");

// Restarts the machine at once, without sync: for guests that SIGKILL doesn't end.
void reset_machine();

}  // namespace bascule::guard
