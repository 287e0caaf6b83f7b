#include "hostd/mirror_point.h"

namespace bascule::hostd {

bool lacks_nothing_of(const MirrorPoint& here, const MirrorPoint& there) {
  if (!here.demotion) return false;
  if (here.own) return !there.own;  // we gave it up last, and nobody has written since
  return there.own && there.demotion && here.primary_snapshot == there.primary_snapshot;
}

}  // namespace bascule::hostd
