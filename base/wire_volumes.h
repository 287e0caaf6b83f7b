// What hosts and the manager say about volumes; a part of wire.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/custody.h"
#include "base/fields.h"
#include "base/id.h"
#include "base/time.h"

namespace bascule::wire {

// A volume that was taken over from the other site's storage.
struct VolumeTaken {
  std::string pool;
  std::string volume;
  std::optional<WallTime> complete_until;  // what was written later is lost; absent: nothing is
};

struct SnapshotSeen {
  std::string name;
  WallTime taken;
};

// A pool's data in one cluster.
struct ClusterCopies {
  unsigned copies = 0;                 // of each piece, by the pool's settings
  unsigned osds = 0;                   // of the cluster
  std::vector<std::string> osds_down;  // of them: "osd.3"
};

// How a volume is, at both sites: of a guest that runs here, or after a change.
struct VolumeSeen {
  std::string pool;
  std::string volume;
  std::string here;   // "primary", or what is wrong
  std::string there;  // "follows", or what is wrong; empty when it is not mirrored
  std::optional<bool>
      primary;        // mirrored, and this site's is the one that is written to; absent: can't be told
  bool well = false;  // the other site follows
  bool lost = false;  // a newer generation, or the other site, has it: this guest is fenced
  std::optional<WallTime> complete_until;     // what the other site has
  std::optional<Duration> behind;             // how far it is behind
  std::optional<std::uint64_t> behind_bytes;  // what was written since then, at most; absent: not known
  std::optional<ClusterCopies> copies_here;   // absent: not known, or no cluster that keeps copies
  std::optional<ClusterCopies> copies_there;
  std::optional<std::uint64_t> used_mib;  // of its size; absent: not known
  // The generation that runs took it over from the other site's storage when it was started.
  std::optional<VolumeTaken> taken;
  std::vector<SnapshotSeen> snapshots;  // oldest first
  std::vector<SnapshotSeen> kept;  // copies that were set aside at this site on the way home: image, since
};
struct VolumesSeen {
  static constexpr std::string_view kType = "volumes_seen";
  VmId vm;
  std::vector<VolumeSeen> volumes;
};

// A host that carries daemons of its site's storage, as that tells of it.
struct StorageServer {
  HostId host;
  std::vector<std::string> daemons;  // "osd.3"
  std::vector<std::string> down;     // of them
  std::string why_not;               // why the others can't all stop now; empty: they can, or none is up
  auto operator<=>(const StorageServer&) const = default;
};

// ---- Changes ----

// Of all volumes of a VM, each at its own moment within the same second: as after a loss of power.
struct TakeSnapshot {
  static constexpr std::string_view kType = "take_snapshot";
  std::string name;
};
struct RemoveSnapshot {
  static constexpr std::string_view kType = "remove_snapshot";
  std::string name;
};
// To a snapshot, of a VM that is stopped. What was written since then is gone; no volume shrinks.
struct RollBack {
  static constexpr std::string_view kType = "roll_back";
  std::string name;
  OperatorId who{};              // who asks, for:
  std::optional<Grant> grant{};  // the tenant's leave, where the machine is delivered (hostd/custodian.h)
};
struct Grow {
  static constexpr std::string_view kType = "grow";
  std::string pool;
  std::string volume;
  std::uint64_t size_mib = 0;
};
// Noted with each of them: from now on the VM's tenant alone gets inside (base/custody.h). Can't be undone
// here.
struct Deliver {
  static constexpr std::string_view kType = "deliver";
};
using VolumeChange = std::variant<TakeSnapshot, RemoveSnapshot, RollBack, Grow, Deliver>;

// ---- JSON ----

template <class V>
void fields(V& v, VolumeTaken& x) {
  v("pool", x.pool);
  v("volume", x.volume);
  v.optional("complete_until", x.complete_until);
}
template <class V>
void fields(V& v, SnapshotSeen& x) {
  v("name", x.name);
  v("taken", x.taken);
}
template <class V>
void fields(V& v, ClusterCopies& x) {
  v("copies", x.copies);
  v("osds", x.osds);
  v.optional("osds_down", x.osds_down);
}
template <class V>
void fields(V& v, VolumeSeen& x) {
  v("pool", x.pool);
  v("volume", x.volume);
  v("here", x.here);
  v("there", x.there);
  v.optional("primary", x.primary);
  v("well", x.well);
  v.optional("lost", x.lost);
  v.optional("complete_until", x.complete_until);
  v.optional("behind_ms", x.behind);
  v.optional("behind_bytes", x.behind_bytes);
  v.optional("copies_here", x.copies_here);
  v.optional("copies_there", x.copies_there);
  v.optional("used_mib", x.used_mib);
  v.optional("taken", x.taken);
  v.optional("snapshots", x.snapshots);
  v.optional("kept", x.kept);
}
template <class V>
void fields(V& v, VolumesSeen& x) {
  v("vm", x.vm);
  v("volumes", x.volumes);
}
template <class V>
void fields(V& v, StorageServer& x) {
  v("host", x.host);
  v("daemons", x.daemons);
  v.optional("down", x.down);
  v.optional("why_not", x.why_not);
}
template <class V>
void fields(V& v, TakeSnapshot& x) {
  v("name", x.name);
}
template <class V>
void fields(V& v, RemoveSnapshot& x) {
  v("name", x.name);
}
template <class V>
void fields(V& v, RollBack& x) {
  v("name", x.name);
  v.optional("who", x.who);
  v.optional("grant", x.grant);
}
template <class V>
void fields(V&, Deliver&) {}
template <class V>
void fields(V& v, Grow& x) {
  v("pool", x.pool);
  v("volume", x.volume);
  v("size_mib", x.size_mib);
}

}  // namespace bascule::wire
