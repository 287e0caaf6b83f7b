// What a host and its guests use, as it goes with a heartbeat now and then.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/time.h"

namespace bascule::wire {

// Counters, of a guest since its QEMU began, of a host since its boot: two looks at them give a rate. What
// isn't a counter says so.
struct Counters {
  Duration cpu{};              // of one CPU at work
  std::uint64_t memory = 0;    // bytes of the host's memory in use now
  std::uint64_t reads = 0;     // of disks
  std::uint64_t writes = 0;    //
  std::uint64_t read = 0;      // bytes
  std::uint64_t written = 0;   // bytes
  std::uint64_t received = 0;  // bytes, from the network
  std::uint64_t sent = 0;      // bytes
};
template <class V>
void fields(V& v, Counters& x) {
  v("cpu_ms", x.cpu);
  v("memory", x.memory);
  v("reads", x.reads);
  v("writes", x.writes);
  v("read", x.read);
  v("written", x.written);
  v("received", x.received);
  v("sent", x.sent);
}

struct GuestCounters {
  VmId vm;
  Counters counters;
};
template <class V>
void fields(V& v, GuestCounters& x) {
  v("vm", x.vm);
  v("counters", x.counters);
}

struct Usage {
  Duration clock{};        // CLOCK_BOOTTIME of the host at the look
  Counters host;           // its network is that of its own interfaces, without bridges and its guests' taps
  std::uint64_t link = 0;  // bytes a second that those carry at most, each way; 0: they don't tell
  std::vector<GuestCounters> guests;
};
template <class V>
void fields(V& v, Usage& x) {
  v("clock_ms", x.clock);
  v("host", x.host);
  v("guests", x.guests);
  v.optional("link", x.link);
}

}  // namespace bascule::wire
