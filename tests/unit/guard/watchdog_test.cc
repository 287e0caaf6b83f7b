#include "hostd/guard/watchdog.h"

#include <doctest/doctest.h>

#include "tests/unit/guard/scratch.h"

using namespace bascule;
using namespace bascule::guard;
using namespace bascule::guard::test;

TEST_CASE("an emulated watchdog is armed, petted and stopped through its FIFO") {
  const Folder folder;
  Fifo dog(folder / "watchdog");
  Watchdog watchdog({folder / "watchdog", 5, true});
  CHECK_FALSE(watchdog.armed());
  REQUIRE(watchdog.arm());
  CHECK(watchdog.armed());
  CHECK(watchdog.timeout() == 5s);
  CHECK(dog.take() == "p");
  CHECK(watchdog.pet());
  CHECK(watchdog.arm());  // already is: no second opening
  CHECK(dog.take() == "p");
  watchdog.disarm();
  CHECK_FALSE(watchdog.armed());
  CHECK(dog.take() == "V");
}

TEST_CASE("going away leaves an armed watchdog armed") {
  const Folder folder;
  Fifo dog(folder / "watchdog");
  {
    Watchdog watchdog({folder / "watchdog", 5, true});
    REQUIRE(watchdog.arm());
  }
  CHECK(dog.take() == "p");
}

TEST_CASE("a watchdog that nobody reads, or that goes away, is not armed") {
  const Folder folder;
  Fifo dog(folder / "watchdog");
  Watchdog watchdog({folder / "watchdog", 5, true});
  dog.close();
  CHECK_FALSE(watchdog.arm());
  CHECK_FALSE(watchdog.armed());
  dog.open();
  REQUIRE(watchdog.arm());
  dog.close();
  CHECK_FALSE(watchdog.pet());
  CHECK_FALSE(watchdog.armed());
}

TEST_CASE("what is no watchdog device is not armed, and its name is told") {
  Watchdog missing({"/nonexistent/watchdog", 5, false});
  const Status status = missing.arm();
  REQUIRE_FALSE(status);
  CHECK(status.error().message.find("/nonexistent/watchdog can't be opened") != std::string::npos);
  Watchdog null({"/dev/null", 5, false});
  CHECK_FALSE(null.arm());
  CHECK_FALSE(null.armed());
}
