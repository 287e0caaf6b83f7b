// An image as librbd tells it, in Bascule's words. For ceph.cc, on the thread of its call; codes are librbd's
// (negative errno).
#pragma once

#include <map>
#include <string>

#include "hostd/ceph.h"

namespace librbd {
class Image;
}

namespace bascule::hostd {

int read_image(librbd::Image& image, ImageState& state);
int write_tags(librbd::Image& image, const std::map<std::string, std::string>& tags);

}  // namespace bascule::hostd
