// The second opinion: each outcome here is forged, and must be found out.
#include "failover/invariants.h"

#include <doctest/doctest.h>

#include "tests/scenarios/world.h"

namespace {

using namespace bascule;
using bascule::test::World;

struct Forged {
  World world;
  State before;
  Outcome outcome;
  VmId vm;

  Forged() {
    world.add_site("paris");
    world.add_site("lyon");
    for (const char* name : {"paris-1", "paris-2"}) world.add_host(name, "paris");
    for (const char* name : {"lyon-1", "lyon-2"}) world.add_host(name, "lyon");
    world.start();
    vm = world.create("web-1", "paris");
    world.run(5s);
    REQUIRE(world.wrongs.empty());
    REQUIRE(world.vm("web-1").record.phase == VmPhase::running);
    before = world.state;
    outcome.next = world.state;
    outcome.touched.insert("vm/" + vm.value);
  }
  VmRecord& record() { return outcome.next.vms.at(vm).record; }
  Copy at(const char* host) { return world.copy_of(HostId(host)); }
  void start(const char* host) {
    VmRecord& r = record();
    r.placement.generation = r.placement.generation.next();
    r.placement.owner = HostId(host);
    r.placement.may_run = {at(host)};
    outcome.actions.push_back(
        SendCommand{ActionId("a"), at(host), r.placement.generation, wire::StartVm{r.spec, {}, {}}});
  }
  void proof() {
    record().words.push_back(
        {HostId("paris-1"), at("paris-1").boot_id, vm, before.vms.at(vm).record.placement.generation, {}});
  }
  std::string found() {
    std::string all;
    for (const std::string& words : broken_invariants(before, outcome)) all += words + "\n";
    return all;
  }
  bool finds(const char* words) {
    const std::string all = found();
    CAPTURE(all);
    return all.find(words) != std::string::npos;
  }
};

}  // namespace

TEST_CASE("a proved start is sound") {
  Forged f;
  f.proof();
  f.start("paris-2");
  CHECK(f.found() == "");
}

TEST_CASE("a start without proof is found") {
  Forged f;
  f.start("paris-2");
  CHECK(f.finds("started while it may run on paris-1"));
  CHECK(f.finds("left paris-1 (boot paris-1-boot-1) without proof"));
}

TEST_CASE("a restart in place without the host's word is found") {
  Forged f;
  f.start("paris-1");
  CHECK(f.finds("started while it may run on paris-1"));
}

TEST_CASE("evidence against a boot that speaks is none") {
  Forged f;
  f.outcome.next.hosts.at(HostId("paris-1")).record.evidence = {
      PowerOffEvidence{f.at("paris-1"), "guid-paris-1", 1100ms, {}}};
  f.start("paris-2");
  CHECK(f.finds("without proof"));
  f.outcome.next.hosts.at(HostId("paris-1")).live.session = false;
  CHECK(f.found() == "");
}

TEST_CASE("a start must be committed, newer, and where the VM may run") {
  Forged f;
  f.proof();
  f.start("paris-2");
  f.outcome.touched.clear();
  CHECK(f.finds("started without a commit"));
  Forged g;
  g.proof();
  g.start("paris-2");
  g.record().placement.may_run = {g.at("lyon-1")};
  CHECK(g.finds("started where it may not run"));
  Forged h;
  h.proof();
  h.start("paris-2");
  h.record().placement.generation = Generation(0);
  std::get<SendCommand>(h.outcome.actions[0]).generation = Generation(0);
  CHECK(h.finds("started without a new generation"));
  CHECK(h.finds("its generation shrank"));
}

TEST_CASE("no start on a quarantined or lost host, none in a recovering epoch") {
  Forged f;
  f.proof();
  f.start("paris-2");
  f.outcome.next.hosts.at(HostId("paris-2")).record.quarantined = true;
  CHECK(f.finds("started on a quarantined host"));
  f.outcome.next.hosts.at(HostId("paris-2")).record.phase = HostPhase::suspect;
  CHECK(f.finds("started on a host that is not up"));
  f.outcome.next.cluster.recovering = true;
  CHECK(f.finds("started in a recovering epoch"));
}

TEST_CASE("two copies at once are found") {
  Forged f;
  f.record().placement.may_run.push_back(f.at("lyon-1"));
  CHECK(f.finds("joined lyon-1 while another copy may run"));
}

TEST_CASE("a way home without an approved plan is found") {
  Forged f;
  f.before.vms.at(f.vm).record.away = true;
  f.proof();
  f.start("paris-2");
  f.record().away = false;
  CHECK(f.finds("came home without an approved plan"));
  FailbackPlan& plan = f.outcome.next.plans[PlanId("p1")];
  plan.id = PlanId("p1");
  plan.digest = "d";
  plan.phase = PlanPhase::running;
  plan.items.push_back({f.vm, "web-1", {}, {}, {}, PlanItemPhase::starting, ""});
  CHECK(f.finds("came home without an approved plan"));
  plan.approved_by = OperatorId("bob");
  CHECK(f.found() == "");
}

TEST_CASE("power and leases of hosts that aren't being fenced are left alone") {
  Forged f;
  f.outcome.actions.push_back(PowerOff{ActionId("x"), HostId("paris-1")});
  CHECK(f.finds("its power was cut while VMs may run there"));
  f.outcome.actions = {RevokeLease{ActionId("x"), f.at("paris-1")}};
  CHECK(f.finds("its lease was revoked while VMs may run there"));
  f.outcome.actions = {RevokeLease{ActionId("x"), f.at("paris-1"), false}};
  CHECK(f.finds("its lease was withheld without a stored decision"));
  HostRecord& paris = f.outcome.next.hosts.at(HostId("paris-1")).record;
  paris.revoked = f.at("paris-1").boot_id;
  CHECK(f.finds("its lease was withheld without a stored decision"));
  paris.withheld = true;
  CHECK(f.found() == "");
  f.outcome.actions = {PowerOff{ActionId("x"), HostId("lyon-1")}};
  CHECK(f.found() == "");
}

TEST_CASE("a deletion while it may run is found") {
  Forged f;
  f.outcome.next.vms.erase(f.vm);
  CHECK(f.finds("was deleted while it may run"));
}
