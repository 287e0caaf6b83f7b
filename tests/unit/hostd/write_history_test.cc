#include "hostd/write_history.h"

#include <doctest/doctest.h>

using namespace bascule;
using namespace bascule::hostd;

TEST_CASE("what was written after a moment is told at most, and not where nobody looked") {
  WriteHistory history;
  CHECK(!history.since(WallTime{1000}));
  history.note(WallTime{1000}, 100);
  CHECK(!history.since(WallTime{999}));
  CHECK(history.since(WallTime{1000}) == 0);
  history.note(WallTime{2000}, 150);
  history.note(WallTime{3000}, 400);
  CHECK(history.since(WallTime{2000}) == 250);
  CHECK(history.since(WallTime{2999}) == 250);  // some of it may be from before
  CHECK(history.since(WallTime{3000}) == 0);
}

TEST_CASE("another QEMU counts anew") {
  WriteHistory history;
  history.note(WallTime{1000}, 5000);
  history.note(WallTime{2000}, 10);
  CHECK(!history.since(WallTime{1500}));
  CHECK(history.since(WallTime{2000}) == 0);
}

TEST_CASE("a copy that stays behind for long is told more roughly, never too little") {
  WriteHistory history;
  for (int second = 0; second < 100'000; ++second)
    history.note(WallTime{second * 1000}, static_cast<std::uint64_t>(second) * 10);
  CHECK(history.since(WallTime{0}) == 999'990);
  const auto half = history.since(WallTime{50'000'000});
  REQUIRE(half);
  CHECK(*half >= 499'990);
  CHECK(*half < 550'000);
}
