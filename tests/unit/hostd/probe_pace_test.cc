#include "hostd/probe_pace.h"

#include <doctest/doctest.h>

using namespace bascule;
using namespace bascule::hostd;

TEST_CASE("peers are asked four times in a heartbeat, and more often while one has just fallen silent") {
  const auto pace = [](std::optional<Duration> age) {
    return pace_of({{HostId("lyon-1"), 100ms}, {HostId("lyon-2"), age}}, 1s);
  };
  CHECK(pace(900ms).ask == 250ms);
  CHECK(pace(900ms).tell == 1s);
  CHECK(pace(1100ms).ask == 50ms);
  CHECK(pace(1100ms).tell == 250ms);
  CHECK(pace(12s).ask == 250ms);           // it has been told of
  CHECK(pace(std::nullopt).ask == 250ms);  // it never answered
  CHECK(pace_of({{HostId("lyon-1"), 300ms}}, 200ms).ask == 20ms);
}
