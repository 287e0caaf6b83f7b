// Leases that are withheld in doubt: what ends the doubt, and that no wait outlives a grant.
#include <doctest/doctest.h>

#include "tests/scenarios/world.h"

namespace {

using namespace bascule;
using bascule::test::World;

const HostId kParis("paris-1");

struct Doubt {
  World world;
  Doubt() {
    world.policy.on_lease_loss = LeaseMode::stop;
    for (const char* site : {"paris", "lyon"}) world.add_site(site);
    for (const char* name : {"paris-1", "paris-2"}) world.add_host(name, "paris");
    world.add_host("lyon-1", "lyon");
    for (auto& [id, machine] : world.machines) machine.guard_armed = true;
    world.machines.at(kParis).bmc_alive = false;
    world.start();
    world.create("web-1", "paris");
    world.run(10s);
  }
  ~Doubt() { CHECK(world.wrongs.empty()); }
  const Host& paris() const { return world.host("paris-1"); }
  void set_links(bool whole) {
    world.machines.at(kParis).to_manager = whole;
    world.machines.at(kParis).to_peers = whole;
  }
  void withhold() {
    set_links(false);
    world.run(1400ms);
    REQUIRE(paris().record.withheld);
  }
  // The answer to the withholding, which got lost.
  LeaseRevoked lost_answer(bool armed) const {
    return {paris().live.revoke_action.value(), world.copy_of(kParis), armed, armed ? 7u : 0u, 17600ms};
  }
};

}  // namespace

TEST_CASE("a lease is withheld once a heartbeat is late, and that is stored") {
  Doubt d;
  CHECK_FALSE(d.paris().record.revoked);
  d.withhold();
  CHECK(d.paris().record.phase == HostPhase::up);
  CHECK(d.paris().record.withheld);
  CHECK(d.paris().record.revoked == d.paris().record.boot_id);
  CHECK(d.paris().record.revoked_echo);
}

TEST_CASE("what stalls for two seconds costs nothing, as often as it happens; each wait begins anew") {
  Doubt d;
  for (int i = 0; i < 20; ++i) {
    d.set_links(false);
    d.world.run(2s);
    CHECK(d.paris().record.withheld);
    CHECK(d.paris().live.lapse_at > d.world.now + 15s);
    d.set_links(true);
    d.world.run(3s);
    CHECK_FALSE(d.paris().record.revoked);
    CHECK_FALSE(d.paris().live.lapse_at);
  }
  CHECK(d.paris().record.phase == HostPhase::up);
  CHECK(d.world.vm("web-1").record.phase == VmPhase::running);
}

TEST_CASE("the answer to an earlier withholding begins no wait for a later one") {
  Doubt d;
  d.world.lease_answers_lost = 2;
  d.withhold();
  const LeaseRevoked late = d.lost_answer(true);
  d.set_links(true);
  d.world.run(2s);
  d.withhold();
  d.world.send(late);
  CHECK_FALSE(d.paris().live.lapse_at);
}

TEST_CASE("a host whose lease nobody held with an armed guard gets it back at once, and once only") {
  Doubt d;
  d.world.lease_answers_lost = 1;
  d.withhold();
  d.world.send(d.lost_answer(false));
  CHECK_FALSE(d.paris().record.revoked);
  d.world.run(500ms);
  CHECK_FALSE(d.paris().record.revoked);
}

TEST_CASE("once a person answers for its death, a guard that asks gets nothing") {
  Doubt d;
  d.world.machines.at(kParis).to_manager = false;
  d.world.run(30s);
  REQUIRE(d.paris().record.phase == HostPhase::held);
  REQUIRE(d.paris().record.withheld);
  d.world.doubles_expected = true;  // the person errs
  AttestDown word;
  word.asked = d.world.asked("alice", "seen dark");
  word.host = kParis;
  word.serial = "S1";
  word.boot_id = *d.paris().record.boot_id;
  word.second = OperatorId("bob");
  d.world.send(word);
  REQUIRE(d.paris().record.phase == HostPhase::down);
  d.world.send(LeaseAsked{d.world.copy_of(kParis)});
  CHECK(d.paris().record.revoked == d.paris().record.boot_id);
  CHECK_FALSE(d.paris().record.withheld);
}

TEST_CASE("in mode keep nothing is withheld") {
  World world;
  for (const char* site : {"paris", "lyon"}) world.add_site(site);
  world.add_host("paris-1", "paris");
  world.add_host("lyon-1", "lyon");
  for (auto& [id, machine] : world.machines) machine.guard_armed = true;
  world.start();
  world.run(5s);
  world.crash(kParis);
  world.run(2s);
  CHECK_FALSE(world.host("paris-1").record.revoked);
}
