// Snapshot: what the API reads. Immutable, taken between commits: no undecided or unstored decision shows.
#pragma once

#include <memory>

#include "base/time.h"
#include "cluster/store.h"
#include "failover/policy.h"
#include "failover/state.h"

namespace bascule {

struct Snapshot {
  State state;  // Instants in it are on the clock of `taken`
  Policy policy;
  Instant taken;
  WallTime wall;                   // when it was taken
  Revision revision;               // of the last commit
  std::uint64_t audit_number = 0;  // of the last audit entry

  // A past or coming Instant of the state as people read it.
  WallTime wall_of(Instant instant) const {
    return {wall.unix_ms + std::chrono::duration_cast<std::chrono::milliseconds>(instant - taken).count()};
  }
};

using SnapshotPointer = std::shared_ptr<const Snapshot>;

}  // namespace bascule
