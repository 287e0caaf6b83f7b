#include "hostd/mirror_point.h"

#include <doctest/doctest.h>

namespace {

using bascule::hostd::lacks_nothing_of;
using bascule::hostd::MirrorPoint;

MirrorPoint arrived(std::uint64_t id, bool demotion) { return {id, {}, false, demotion}; }
MirrorPoint own(std::uint64_t id, bool demotion) { return {id, {}, true, demotion}; }

}  // namespace

TEST_CASE("a copy lacks nothing when the very demotion of the other site is complete on it") {
  CHECK(lacks_nothing_of(arrived(7, true), own(7, true)));
  CHECK_FALSE(lacks_nothing_of(arrived(6, false), own(7, true)));   // still being copied
  CHECK_FALSE(lacks_nothing_of(arrived(5, true), own(7, true)));    // a demotion of long ago
  CHECK_FALSE(lacks_nothing_of(arrived(7, false), own(7, false)));  // it was never given up
}

TEST_CASE("a site that gave the image up itself has all, unless the other has written since") {
  CHECK(lacks_nothing_of(own(9, true), arrived(9, true)));
  CHECK(lacks_nothing_of(own(9, true), arrived(8, false)));
  CHECK_FALSE(lacks_nothing_of(own(9, true), own(3, true)));
  CHECK_FALSE(lacks_nothing_of(own(9, false), arrived(8, false)));
}
