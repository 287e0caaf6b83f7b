// An image as librbd tells it, in Bascule's words. For ceph.cc, on the thread of its call; codes are librbd's
// (negative errno).
#pragma once

#include <map>
#include <rados/librados_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "hostd/ceph.h"

namespace librbd {
class Image;
class RBD;
}  // namespace librbd

namespace bascule::hostd {

// All or nothing.
int make_image(librbd::RBD& rbd, librados::IoCtx& pool, const NewImage& image);
int read_image(librbd::Image& image, ImageState& state);
int used_bytes(librbd::Image& image, std::uint64_t& bytes);
// Addresses of the rbd-mirror daemons, this site's and the other's: they watch objects of the pool.
std::set<std::string> mirror_daemons(librados::IoCtx& pool);
// Whoever has the image open or locked, but the client of that id (librados' instance id; 0: nobody).
int clients_of(librbd::Image& image, std::uint64_t but, std::set<std::string>& addresses);
// -EBUSY when three points wait to be copied: with a fourth librbd removes the third, even one that is just
// being copied, and what arrives of that is of no one moment.
int check_room_for_point(librbd::Image& image);
// A promotion that was cut short, as by an OSD that went away, leaves an image that calls itself primary and
// can't be written. To be opened anew afterwards.
bool promoted_in_part(librbd::Image& image);
int promote_anew(librados::IoCtx& pool, librbd::Image& image);
int write_what_is_there(librbd::Image& image);  // with the exclusive lock
void break_lock(librbd::Image& image);          // blocklists whoever has it
// Those that somebody took: the trash is never rid of an image that has one.
int remove_snapshots(librbd::RBD& rbd, librados::IoCtx& pool, const std::string& name);
// Removes these snapshots, those of them that are there, and builds an object map anew that isn't trusted.
int repair_image(librbd::Image& image, const std::vector<std::string>& snapshots);
// Writes what `then`, the same image at that snapshot, had where it has changed since. librbd's own roll back
// removes objects, which rbd-mirror doesn't copy (https://github.com/ceph/ceph/pull/52358), just as it copies
// no discards: zeros are written too.
int roll_back_image(librbd::Image& image, librbd::Image& then, const std::string& snapshot);
int write_tags(librbd::Image& image, const std::map<std::string, std::string>& tags);

}  // namespace bascule::hostd
