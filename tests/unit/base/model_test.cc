#include "base/model.h"

#include <doctest/doctest.h>

using namespace bascule;

TEST_CASE("an interface takes unicast addresses only") {
  VmSpec spec;
  spec.name = "web-1";
  spec.home = SiteId("paris");
  spec.memory_mib = 96;
  spec.nics = {{"br0", ""}};
  for (const char digit : std::string("0123456789abcdef")) {
    spec.nics[0].mac = std::string("5") + digit + ":54:00:00:00:07";
    const bool unicast = std::string("02468ace").find(digit) != std::string::npos;
    CHECK_MESSAGE(problems_of(spec).empty() == unicast, spec.nics[0].mac);
  }
}
