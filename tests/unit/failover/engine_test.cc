// Properties of the whole engine: sameness, portions of a commit, a restart in place within a step, records
// only.
#include <doctest/doctest.h>

#include "base/sha256.h"
#include "failover/failback.h"
#include "failover/readiness.h"
#include "failover/volumes.h"
#include "tests/scenarios/world.h"

namespace {

using namespace bascule;
using bascule::test::World;

void four_hosts(World& world, std::uint64_t memory = 4096) {
  world.add_site("paris");
  world.add_site("lyon");
  for (const char* name : {"paris-1", "paris-2"}) world.add_host(name, "paris");
  for (const char* name : {"lyon-1", "lyon-2"}) world.add_host(name, "lyon");
  for (auto& [id, machine] : world.machines) machine.memory_mib = memory;
  world.start();
}

}  // namespace

TEST_CASE("SHA-256") {
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("the same events give the same log") {
  std::vector<std::string> logs[2];
  for (auto& log : logs) {
    World world;
    four_hosts(world);
    for (int i = 0; i < 5; ++i) world.create("web-" + std::to_string(i), i % 2 ? "paris" : "lyon");
    world.run(5s);
    world.crash(HostId("paris-1"));
    world.run(30s);
    log = world.log;
  }
  CHECK(logs[0] == logs[1]);
  CHECK(logs[0].size() > 20);
}

TEST_CASE("a site with 300 VMs is switched in portions of at most 100 records, by priority") {
  World world;
  four_hosts(world, 1'000'000);
  for (int i = 0; i < 300; ++i)
    world.create("web-" + std::to_string(i), "paris", 512,
                 [&](VmSpec& spec) { spec.priority = i < 20 ? 1 : 100; });
  world.run(10s);
  world.log.clear();
  world.crash(HostId("paris-1"));
  world.crash(HostId("paris-2"));
  world.run(40s);
  CHECK(world.wrongs.empty());  // the invariants count the records of each commit
  std::size_t running = 0;
  for (const auto& [id, vm] : world.state.vms)
    running += vm.record.away && vm.record.phase == VmPhase::running;
  CHECK(running == 300);
  std::size_t sites = 0, hosts = 0, digests = 0;
  for (const Notify& notice : world.notices) {
    sites += notice.kind == NoticeKind::site_lost;
    hosts += notice.kind == NoticeKind::host_lost;
    digests += notice.kind == NoticeKind::vms_switched;
  }
  CHECK(sites == 1);
  CHECK(hosts == 0);
  CHECK(digests >= 1);
  CHECK(digests <= 2);
}

TEST_CASE("from crash to the decision to fence: 2 to 4 s at a heartbeat of 1 s, whatever the moment") {
  for (int ms = 0; ms < 1000; ms += 100) {
    World world;
    four_hosts(world);
    world.run(10s + std::chrono::milliseconds(ms));
    const Instant crashed = world.now;
    world.crash(HostId("lyon-1"));
    while (world.host("lyon-1").record.phase != HostPhase::fencing && world.now - crashed < 20s)
      world.run(10ms);
    const Duration took = world.now - crashed;
    CAPTURE(ms);
    CHECK(took >= 2s);
    CHECK(took <= 4s);
  }
}

TEST_CASE("a name or id can't be taken twice, and a bad specification is refused with all problems") {
  World world;
  four_hosts(world);
  world.create("web-1", "paris");
  world.create("web-1", "paris");
  CHECK(world.answers.at("r2").error->message == "name: a VM named web-1 exists, choose another");
  world.create("web-2", "mars");
  CHECK(world.answers.at("r3").error->message == "home: no site is named mars");
  world.create("", "paris", 1);
  CHECK(world.answers.at("r4").error->message.find("memory_mib") != std::string::npos);
  CHECK(world.state.vms.size() == 1);
}

TEST_CASE("a pool's trouble that all hosts of a site see is told once for the site") {
  World world;
  four_hosts(world);
  world.run(5s);
  world.notices.clear();
  const auto report = [&world](const char* host, const char* detail, bool cleared = false) {
    world.send(HostFaultReported{world.copy_of(HostId(host)), {"storage", std::nullopt, cleared, detail}});
  };
  report("paris-1", "pool gold: nearly full");
  report("paris-2", "pool gold: nearly full");
  CHECK(world.notices.size() == 1);
  report("lyon-1", "pool gold: nearly full");
  CHECK(world.notices.size() == 2);
  report("paris-1", "pool silver: nearly full");
  CHECK(world.notices.size() == 3);
  report("paris-1", "pool gold: nearly full", true);
  CHECK(world.host("paris-1").live.faults == std::vector<std::string>{"storage: pool silver: nearly full"});
  CHECK(world.host("paris-2").live.faults.size() == 1);
}

TEST_CASE("a volume is still mirrored while its host's storage can't tell") {
  World world;
  four_hosts(world);
  world.create("web-1", "paris");
  world.run(5s);
  const Vm& vm = world.state.vms.begin()->second;
  const auto look = [&](std::optional<bool> primary) {
    wire::VolumeSeen seen;
    seen.pool = "gold";
    seen.volume = "disk";
    seen.primary = primary;
    world.send(HostVolumesSeen{world.copy_of(*vm.record.placement.owner), {vm.record.spec.id, {seen}}});
  };
  look(std::nullopt);
  CHECK(!vm.record.has_copies);
  look(true);
  CHECK(vm.record.has_copies);
  look(std::nullopt);
  CHECK(vm.record.has_copies);
  look(false);
  CHECK(!vm.record.has_copies);
}

TEST_CASE("what a start took over is told though its answer got lost") {
  World world;
  four_hosts(world);
  world.create("web-1", "paris");
  world.run(5s);
  Vm& vm = world.state.vms.begin()->second;
  const auto look = [&] {
    wire::VolumeSeen seen;
    seen.pool = "gold";
    seen.volume = "disk";
    seen.primary = true;
    seen.taken = wire::VolumeTaken{"gold", "disk", WallTime{7}};
    world.send(HostVolumesSeen{world.copy_of(*vm.record.placement.owner), {vm.record.spec.id, {seen}}});
  };
  look();
  CHECK(!vm.record.lost);  // the answer said that it took over nothing
  vm.record.accounted = Generation();
  world.notices.clear();
  look();
  CHECK(world.notices.size() == 1);
  CHECK(vm.record.lost);
  CHECK(vm.record.complete_until == WallTime{7});
  vm.record.lost.reset();
  look();
  CHECK(!vm.record.lost);
}

TEST_CASE("a start that is answered without a word about the volumes is accounted for by their tags") {
  World world;
  four_hosts(world);
  const VmId id = world.create("web-1", "paris");
  world.run(5s);
  const auto look = [&](std::optional<wire::VolumeTaken> taken) {
    wire::VolumeSeen seen;
    seen.pool = "gold";
    seen.volume = "disk";
    seen.primary = true;
    seen.taken = std::move(taken);
    world.send(HostVolumesSeen{world.copy_of(*world.state.vms.at(id).record.placement.owner), {id, {seen}}});
  };
  look(std::nullopt);
  world.send(StopVmAsked{world.asked("alice"), id});
  world.run(5s);
  world.send(StartVmAsked{world.asked("alice"), id});
  world.run(5s);
  REQUIRE(world.state.vms.at(id).record.phase == VmPhase::running);
  look(wire::VolumeTaken{"gold", "disk", WallTime{7}});
  CHECK(world.state.vms.at(id).record.complete_until == WallTime{7});
  CHECK(world.state.vms.at(id).record.lost > Duration(0));
}

TEST_CASE("a reboot is a stop and a start where it runs, and is answered when it runs again") {
  World world;
  four_hosts(world);
  const VmId id = world.create("web-1", "paris");
  world.run(5s);
  const VmRecord before = world.state.vms.at(id).record;
  Asked request = world.asked("alice");
  SUBCASE("by its guest") { world.send(StopVmAsked{request, id, wire::StopHow::shutdown, true}); }
  SUBCASE("by its power") { world.send(StopVmAsked{request, id, wire::StopHow::kill, true}); }
  CHECK_FALSE(world.answers.contains(request.request.value));
  CHECK(world.state.vms.at(id).record.phase == VmPhase::stopping);
  world.run(10s);
  const VmRecord& after = world.state.vms.at(id).record;
  CHECK(after.phase == VmPhase::running);
  CHECK(after.placement.owner == before.placement.owner);
  CHECK(after.placement.generation == Generation(before.placement.generation.value + 1));
  REQUIRE(world.answers.contains(request.request.value));
  CHECK_FALSE(world.answers.at(request.request.value).error);
}

TEST_CASE("what doesn't run isn't rebooted, and what is away is rebooted there") {
  World world;
  four_hosts(world);
  const VmId id = world.create("web-1", "paris");
  world.run(5s);
  world.crash(*world.state.vms.at(id).record.placement.owner);
  world.run(60s);
  REQUIRE(world.state.vms.at(id).record.away);
  Asked request = world.asked("alice");
  world.send(StopVmAsked{request, id, wire::StopHow::kill, true});
  world.run(10s);
  CHECK(world.state.vms.at(id).record.phase == VmPhase::running);
  CHECK(world.state.vms.at(id).record.away);
  world.send(StopVmAsked{world.asked("alice"), id});
  world.run(10s);
  request = world.asked("alice");
  world.send(StopVmAsked{request, id, wire::StopHow::shutdown, true});
  REQUIRE(world.answers.at(request.request.value).error);
  CHECK(world.answers.at(request.request.value).error->message == "web-1 doesn't run: start it instead");
}

TEST_CASE("a reboot that loses its host leaves a machine that is to run, and says so") {
  World world;
  four_hosts(world);
  const VmId id = world.create("web-1", "paris", 3000);
  for (const char* site : {"paris", "lyon", "lyon"})  // no room is left for another of that size
    world.create(std::string("full-") + std::to_string(world.state.vms.size()), site, 3000);
  world.run(10s);
  const Asked request = world.asked("alice");
  world.crash(*world.state.vms.at(id).record.placement.owner);
  world.send(StopVmAsked{request, id, wire::StopHow::shutdown, true});
  world.run(90s);
  const VmRecord& record = world.state.vms.at(id).record;
  CHECK(record.wanted_running);
  CHECK(record.phase == VmPhase::recovering);
  REQUIRE(world.answers.contains(request.request.value));
  CHECK(world.answers.at(request.request.value).error->code == ErrorCode::exhausted);
}

TEST_CASE("what was stopped long before its site was lost has lost nothing since") {
  World world;
  world.mirrored = true;
  four_hosts(world);
  const VmId id = world.create("web-1", "paris");
  world.run(5s);
  world.send(StopVmAsked{world.asked("alice"), id});
  world.run(600s);
  world.storage_down.insert(SiteId("paris"));
  for (const char* host : {"paris-1", "paris-2"}) world.crash(HostId(host));
  world.run(5s);
  world.send(StartVmAsked{world.asked("alice"), id});
  world.run(10s);
  const VmRecord& record = world.state.vms.at(id).record;
  CHECK(record.phase == VmPhase::running);
  CHECK(record.complete_until);
  CHECK(record.lost == Duration(0));
  CHECK(!record.last_alive);
}

TEST_CASE("the digest covers epoch, generations, boots and places") {
  World world;
  four_hosts(world);
  FailbackPlan plan;
  plan.id = PlanId("p1");
  plan.items.push_back({VmId("v"), "web-1", world.copy_of(HostId("lyon-1")), world.copy_of(HostId("paris-1")),
                        Generation(2), PlanItemPhase::waiting, ""});
  const std::string digest = digest_of(world.state, plan);
  State other = world.state;
  other.cluster.epoch.number = EpochNumber(2);
  CHECK(digest_of(other, plan) != digest);
  FailbackPlan changed = plan;
  changed.items[0].generation = Generation(3);
  CHECK(digest_of(world.state, changed) != digest);
  changed = plan;
  changed.items[0].to.boot_id = BootId("x");
  CHECK(digest_of(world.state, changed) != digest);
  changed = plan;
  changed.items[0].from.host = HostId("lyon-2");
  CHECK(digest_of(world.state, changed) != digest);
}

TEST_CASE("a bound BMC is not called ready before its first check, nor pages when that check is good") {
  World world;
  four_hosts(world);
  const FencingReadiness before = fencing_readiness(world.host("paris-1"), world.policy);
  CHECK(before.state == FencingState::never_tested);
  CHECK(before.words.find("not checked yet") != std::string::npos);
  world.machines[HostId("paris-2")].bmc_alive = false;
  world.run(5s);
  CHECK(fencing_readiness(world.host("paris-1"), world.policy).state == FencingState::ready);
  CHECK(fencing_readiness(world.host("paris-2"), world.policy).state == FencingState::failing);
  REQUIRE(world.notices.size() == 1);
  CHECK(world.notices[0].kind == NoticeKind::fencing_not_ready);
  CHECK(world.notices[0].facts.at("host") == "paris-2");
}

TEST_CASE("readiness says what would not work, and pages once when it was ready before") {
  World world;
  world.add_site("paris");
  world.add_site("lyon");
  world.add_host("paris-1", "paris");
  world.add_host("paris-2", "paris", true, false);
  world.add_host("lyon-1", "lyon");
  world.start();
  world.create("web-1", "paris");
  world.run(5s);
  CHECK(fencing_readiness(world.host("paris-1"), world.policy).state == FencingState::ready);
  CHECK(fencing_readiness(world.host("paris-2"), world.policy).state == FencingState::never_tested);
  CHECK(switchable_now(world.state, world.vm("web-1"), world.policy).yes);
  CHECK(not_automatic(world.state, world.policy).front().find("paris-2") != std::string::npos);

  world.machines.at(HostId("paris-1")).bmc_alive = false;
  world.run(200s);
  CHECK(fencing_readiness(world.host("paris-1"), world.policy).state == FencingState::failing);
  CHECK_FALSE(switchable_now(world.state, world.vm("web-1"), world.policy).yes);
  std::size_t pages = 0;
  for (const Notify& notice : world.notices) pages += notice.kind == NoticeKind::fencing_not_ready;
  CHECK(pages == 1);
}

TEST_CASE("a policy's dangerous values are told") {
  CHECK(problems_of(Policy{}).empty());
  CHECK(problems_of(fast_profile()).empty());
  Policy policy;
  policy.missed_heartbeats = 2;
  policy.brake_hosts = 0;
  CHECK(problems_of(policy).size() == 2);
}

TEST_CASE("next_deadline always names a Tick within a heartbeat") {
  World world;
  four_hosts(world);
  world.run(3s);
  const auto deadline = next_deadline(world.state);
  REQUIRE(deadline.has_value());
  CHECK(*deadline <= world.now + world.policy.heartbeat);
}

TEST_CASE("an off by another BMC, or read twice too quickly, proves nothing") {
  for (const bool wrong_bmc : {true, false}) {
    World world;
    four_hosts(world);
    world.create("web-1", "paris");
    world.run(5s);
    auto& machine = world.machines.at(HostId("paris-1"));
    machine.bmc_mute = true;
    world.crash(HostId("paris-1"));
    world.run(5s);
    REQUIRE(world.host("paris-1").live.power_action.has_value());
    PowerOffDone done{
        *world.host("paris-1").live.power_action, HostId("paris-1"), {}, machine.bmc_guid, 1100ms};
    if (wrong_bmc)
      done.bmc_guid = "guid-of-another";
    else
      done.reads_apart = 900ms;
    world.send(done);
    CHECK(world.host("paris-1").record.phase == HostPhase::fencing);
    CHECK(world.host("paris-1").record.evidence.empty());
    CHECK(world.vm("web-1").record.phase == VmPhase::recovering);
  }
}

TEST_CASE("any message of a boot that was proved dead voids the proof, not only a hello") {
  World world;
  four_hosts(world);
  world.create("web-1", "paris");
  world.run(5s);
  const Copy dead = world.copy_of(HostId("paris-1"));
  world.crash(HostId("paris-1"));
  world.run(20s);
  REQUIRE(world.host("paris-1").record.phase == HostPhase::down);
  world.send(HostHeartbeat{dead, {}});
  CHECK(world.host("paris-1").record.phase == HostPhase::held);
  CHECK(world.host("paris-1").record.phase_reason == Reason::evidence_contradicted);
  CHECK(world.host("paris-1").record.evidence.empty());
  CHECK_FALSE(world.host("paris-1").record.bmc.has_value());
}
