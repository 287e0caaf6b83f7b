#include "hostd/mirror_point.h"

namespace bascule::hostd {

bool lacks_nothing_of(const MirrorPoint& here, const MirrorPoint& there) {
  if (!here.demotion) return false;
  if (here.own) return !there.own;  // we gave it up last, and nobody has written since
  return there.own && there.demotion && here.primary_snapshot == there.primary_snapshot;
}

std::optional<UnfinishedPoint> unfinished_of(const std::vector<SnapshotKind>& snapshots) {
  const SnapshotKind* complete = nullptr;
  std::optional<UnfinishedPoint> found;
  std::vector<std::string> taken;  // by somebody, since the last complete point
  for (const SnapshotKind& snapshot : snapshots) {
    if (snapshot.of == SnapshotKind::Of::somebody) {
      taken.push_back(snapshot.name);
    } else if (snapshot.complete && !snapshot.orphan) {
      complete = &snapshot;
      found.reset();
      taken.clear();
    } else if (!snapshot.complete && complete != nullptr && !found) {
      found = UnfinishedPoint{snapshot.id, snapshot.primary_snapshot, snapshot.id, false, taken};
    }
  }
  if (!found || found->in_part.empty()) return found;
  found->back_to = complete->id;
  found->one_older = !complete->own;  // one that a primary took has what was there when it took it
  return found;
}

}  // namespace bascule::hostd
