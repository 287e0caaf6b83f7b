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

namespace {

using bascule::WallTime;
using bascule::hostd::SnapshotKind;
using bascule::hostd::unfinished_of;

SnapshotKind point(std::uint64_t id, bool complete) {
  SnapshotKind kind;
  kind.of = SnapshotKind::Of::mirroring;
  kind.id = id;
  kind.primary_snapshot = id + 100;
  kind.at = WallTime{static_cast<std::int64_t>(id)};
  kind.complete = complete;
  return kind;
}

SnapshotKind taken_here(std::uint64_t id) {
  SnapshotKind kind = point(id, true);
  kind.own = true;
  return kind;
}

SnapshotKind somebodys(std::uint64_t id, const char* name) {
  SnapshotKind kind;
  kind.id = id;
  kind.name = name;
  return kind;
}

SnapshotKind orphan(std::uint64_t id) {
  SnapshotKind kind = point(id, true);
  kind.orphan = true;
  return kind;
}

}  // namespace

TEST_CASE("nothing is unfinished where the newest point is complete, or none ever was") {
  CHECK_FALSE(unfinished_of({}));
  CHECK_FALSE(unfinished_of({point(1, true)}));
  CHECK_FALSE(unfinished_of({point(1, true), somebodys(2, "daily"), point(3, true)}));
  CHECK_FALSE(unfinished_of({point(1, false)}));
}

TEST_CASE("an unfinished point goes back to its own snapshot, whose content is of before") {
  const auto found = unfinished_of({somebodys(1, "old"), point(2, true), point(4, false)});
  REQUIRE(found);
  CHECK(found->snapshot == 4);
  CHECK(found->primary_snapshot == 104);
  CHECK(found->back_to == 4);
  CHECK_FALSE(found->one_older);
  CHECK(found->in_part.empty());
}

TEST_CASE("a promotion that was begun before leaves the unfinished point what it is") {
  const auto found = unfinished_of({point(2, true), point(4, false), orphan(5)});
  REQUIRE(found);
  CHECK(found->back_to == 4);
}

TEST_CASE("with somebody's snapshot in it, only the last complete point's snapshot is whole") {
  const auto found = unfinished_of({point(2, true), somebodys(3, "daily"), point(4, false)});
  REQUIRE(found);
  CHECK(found->snapshot == 4);
  CHECK(found->back_to == 2);
  CHECK(found->one_older);
  CHECK(found->in_part == std::vector<std::string>{"daily"});
  const auto own = unfinished_of({taken_here(2), somebodys(3, "daily"), point(4, false)});
  REQUIRE(own);
  CHECK(own->back_to == 2);
  CHECK_FALSE(own->one_older);
}
