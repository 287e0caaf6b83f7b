// A complete mirror snapshot of an image (RBD mirroring in snapshot mode).
#pragma once

#include <cstdint>

#include "base/time.h"

namespace bascule::hostd {

struct MirrorPoint {
  std::uint64_t primary_snapshot = 0;  // its id on the primary's cluster
  WallTime at;            // when it was taken, on a primary; on a replica, when its copying began
  bool own = false;       // taken here, by a primary; else it came from the other cluster
  bool demotion = false;  // the primary's last word: it wrote nothing after it
};

// Whether the copy here, whose newest point is `here`, lacks nothing of a site that gave the image up and
// whose newest point is `there`. librbd doesn't ask: a promotion without force takes a demotion that is still
// being copied, or one of long ago, and rolls back to what is complete
// (https://github.com/ceph/ceph/pull/63372; its own tests wait for a complete one first).
bool lacks_nothing_of(const MirrorPoint& here, const MirrorPoint& there);

}  // namespace bascule::hostd
