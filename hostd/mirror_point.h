// A complete mirror snapshot of an image (RBD mirroring in snapshot mode).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace bascule::hostd {

struct MirrorPoint {
  std::uint64_t primary_snapshot = 0;  // its id on the primary's cluster
  WallTime at;       // when it was taken, on a primary; on a replica, at the latest when its copying began
  bool own = false;  // taken here, by a primary; else it came from the other cluster
  bool demotion = false;  // the primary's last word: it wrote nothing after it
};

// Whether the copy here, whose newest point is `here`, lacks nothing of a site that gave the image up and
// whose newest point is `there`. librbd doesn't ask: a promotion without force takes a demotion that is still
// being copied, or one of long ago, and rolls back to what is complete
// (https://github.com/ceph/ceph/pull/63372; its own tests wait for a complete one first).
bool lacks_nothing_of(const MirrorPoint& here, const MirrorPoint& there);

// A snapshot of an image, whoever took it.
struct SnapshotKind {
  enum class Of { somebody, mirroring } of = Of::somebody;
  std::uint64_t id = 0;
  std::string name;
  WallTime at;
  bool complete = true;
  bool own = false;  // of mirroring: taken here, by a primary
  bool demotion = false;
  bool needed = false;  // of mirroring: the other cluster copies it, or what has changed since it
  bool orphan = false;  // of mirroring: made by a promotion by force; it came from nowhere
  std::uint64_t primary_snapshot = 0;
};

// A point whose content is still being copied, or was when the other site was lost.
struct UnfinishedPoint {
  std::uint64_t snapshot = 0;  // its id here
  std::uint64_t primary_snapshot = 0;
  std::uint64_t back_to = 0;         // the id here of a snapshot with complete content
  bool one_older = false;            // that isn't the last complete point's, but the one's before it
  std::vector<std::string> in_part;  // snapshots of somebody's that came with it
};

// None when nothing is being copied, or nothing ever was complete. `snapshots`: oldest first.
//
// The unfinished point's own snapshot has what was here before; but where a snapshot of somebody's was being
// copied as well, that was written over, and only the snapshot of the last complete point is whole, which has
// what was here before *it*.
std::optional<UnfinishedPoint> unfinished_of(const std::vector<SnapshotKind>& snapshots);

}  // namespace bascule::hostd
