#include "failover/placement.h"

#include <doctest/doctest.h>

namespace {

using namespace bascule;

Host& add(State& state, const char* name, const char* site, std::uint64_t memory) {
  Host& host = state.hosts[HostId(name)];
  host.record.id = HostId(name);
  host.record.site = SiteId(site);
  host.record.phase = HostPhase::up;
  host.record.boot_id = BootId("b");
  host.record.capacity = {memory, 8};
  host.live.session = true;
  return host;
}

VmSpec spec_of(std::uint32_t memory) {
  VmSpec spec;
  spec.name = "web-1";
  spec.memory_mib = memory;
  return spec;
}

}  // namespace

TEST_CASE("the first site that can, there the host with the most memory left") {
  State state;
  add(state, "paris-1", "paris", 4000);
  add(state, "lyon-1", "lyon", 2000).live.committed_mib = 500;
  add(state, "lyon-2", "lyon", 1800);
  const PlacementWish wish{{SiteId("lyon"), SiteId("paris")}, {}, {}};
  CHECK(place(state, spec_of(512), wish).host == HostId("lyon-2"));
  CHECK(place(state, spec_of(1900), wish).host == HostId("paris-1"));
  CHECK_FALSE(place(state, spec_of(5000), wish).host.has_value());
}

TEST_CASE("each host that is refused is refused for its own reason") {
  State state;
  add(state, "a", "lyon", 100);
  add(state, "b", "lyon", 4000).record.quarantined = true;
  add(state, "c", "lyon", 4000).record.phase = HostPhase::suspect;
  add(state, "d", "lyon", 4000).live.session = false;
  add(state, "e", "lyon", 4000).live.drill = DrillPhase::powering_off;
  add(state, "f", "lyon", 4000);
  add(state, "g", "lyon", 4000).record.capacity.vcpus = 0;
  const PlacementWish wish{{SiteId("lyon")}, {{HostId("f"), "no such pool"}}, {}};
  const PlacementChoice choice = place(state, spec_of(512), wish);
  CHECK_FALSE(choice.host.has_value());
  REQUIRE(choice.refused.size() == 7);
  CHECK(choice.refused.at(HostId("a")) == "has 100 MiB left, 512 are needed");
  CHECK(choice.refused.at(HostId("b")).starts_with("is quarantined"));
  CHECK(choice.refused.at(HostId("c")) == "is suspect");
  CHECK(choice.refused.at(HostId("d")).starts_with("has no session"));
  CHECK(choice.refused.at(HostId("e")) == "is in a fencing drill");
  CHECK(choice.refused.at(HostId("f")) == "could not start it: no such pool");
  CHECK(choice.refused.at(HostId("g")) == "has 0 CPUs, 1 are needed");
}

TEST_CASE("memory that a plan has promised is not given twice") {
  State state;
  add(state, "a", "lyon", 1000);
  PlacementWish wish{{SiteId("lyon")}, {}, {}};
  CHECK(place(state, spec_of(600), wish).host.has_value());
  wish.promised_mib[HostId("a")] = 600;
  CHECK_FALSE(place(state, spec_of(600), wish).host.has_value());
}
