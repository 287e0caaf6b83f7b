// Mirror snapshots of an image, made through librbd, by one client of the cluster at a time: with an advisory
// lock on the image's header ("bascule.point"), which ends by itself after 30 s, as its owner may die.
//
// librbd doesn't bear two at once. Who has made one removes what other clients haven't finished yet, of which
// the newest can't be removed, and tries again and again without end: its stack overflows. The other's then
// is never copied. (Seen with 16.2.15; https://github.com/ceph/ceph/pull/50324 brought it, and
// https://github.com/ceph/ceph/pull/40937 tells of the same recursion for another reason.) `rbd mirror image
// snapshot` and Ceph's own schedules don't know of the lock.
//
// For ceph.cc, on the thread of its call; codes are librbd's (negative errno): -EBUSY while another client
// makes one, after 5 s, and when three wait to be copied (check_room_for_point).
#pragma once

#include <rados/librados_fwd.hpp>
#include <set>
#include <string>

#include "base/time.h"

namespace librbd {
class Image;
}

namespace bascule::hostd {

int take_point(librados::IoCtx& pool, librbd::Image& image, const Clock& clock);
int demote_image(librados::IoCtx& pool, librbd::Image& image);
// The header.
int point_lock_object(librbd::Image& image, std::string& object);
// Of clients that were fenced: who follows needn't wait for the end of their locks.
void break_point_locks(librados::IoCtx& pool, const std::string& object,
                       const std::set<std::string>& addresses);

}  // namespace bascule::hostd
