// An image as librbd tells it, in Bascule's words. For ceph.cc, on the thread of its call; codes are librbd's
// (negative errno).
#pragma once

#include <map>
#include <rados/librados_fwd.hpp>
#include <set>
#include <string>

#include "hostd/ceph.h"

namespace librbd {
class Image;
class RBD;
}  // namespace librbd

namespace bascule::hostd {

// All or nothing, not mirrored yet.
int make_image(librbd::RBD& rbd, librados::IoCtx& pool, const NewImage& image);
int read_image(librbd::Image& image, ImageState& state);
int used_bytes(librbd::Image& image, std::uint64_t& bytes);
// Addresses of the rbd-mirror daemons, this site's and the other's: they watch objects of the pool.
std::set<std::string> mirror_daemons(librados::IoCtx& pool);
// Whoever has the image open or locked.
int clients_of(librbd::Image& image, std::set<std::string>& addresses);
int write_tags(librbd::Image& image, const std::map<std::string, std::string>& tags);

}  // namespace bascule::hostd
