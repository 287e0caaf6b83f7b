// Takes back what rbd-mirror copied of a point that it never completed, so that a promotion by force takes
// the last complete one. For ceph.cc, on the thread of its call; codes are negative errno.
//
// librbd does it wrongly (measured with 16.2.15; https://github.com/ceph/ceph/pull/61955 says as much of all
// versions until 2025): it goes back by two points instead of one, not at all where a promotion was begun
// before, and its process dies where a snapshot that somebody took was being copied too.
//
// How it works: rbd-mirror makes the new point's snapshot first and then writes to the image's head, so that
// the snapshot has the content of before. All objects go back to it on the OSDs, and it is declared complete,
// which is what librbd looks at.
#pragma once

#include <cstdint>
#include <rados/librados_fwd.hpp>
#include <string>
#include <vector>

#include "hostd/mirror_point.h"

namespace librbd {
class Image;
}  // namespace librbd

namespace bascule::hostd {

// An image in terms of RADOS.
struct ImageObjects {
  std::string id;
  std::string prefix;  // of its objects' names
  std::int64_t pool = 0;
  std::uint64_t count = 0;
  std::vector<std::uint64_t> snapshots;  // newest first
};

int read_objects(librbd::Image& image, ImageObjects& objects);

// Whoever had the image open must be fenced. Others are kept off it meanwhile by its lock. Can be repeated
// after a crash at any point; if it isn't, rbd-mirror copies the point anew from its beginning. Its object
// map is gone afterwards and must be built anew.
int undo_unfinished(librados::Rados& cluster, librados::IoCtx& pool, const ImageObjects& objects,
                    const UnfinishedPoint& point);

}  // namespace bascule::hostd
