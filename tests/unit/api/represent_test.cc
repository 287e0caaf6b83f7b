#include "api/represent.h"

#include <doctest/doctest.h>

#include "base/json.h"
#include "tests/unit/api/example_state.h"

using namespace bascule;
using namespace bascule::api;

namespace {

const Principal kAlice{OperatorId("alice"), TokenId()};
const std::vector<std::string> kChannels{"mail", "sms"};

VmView view_of(const Snapshot& snapshot) {
  return vm_view(snapshot.state, snapshot.policy, snapshot.state.vms.begin()->second);
}

}  // namespace

TEST_CASE("all well is NOMINAL, and says what is not automatic") {
  const Snapshot snapshot = example_snapshot();
  const StatusView status = status_view(snapshot.state, snapshot.policy, kChannels, kAlice);
  CHECK(status.word == "NOMINAL");
  CHECK(status.attention.empty());
  CHECK(status.counts.vms_running == 1);
  REQUIRE(status.not_automatic.size() == 3);
  CHECK(status.not_automatic[0].find("bascule host attest-down") != std::string::npos);
  const StatusView silent = status_view(snapshot.state, snapshot.policy, {}, kAlice);
  REQUIRE(silent.not_automatic.size() == 4);
  CHECK(silent.not_automatic[3].starts_with("Nobody is told"));
}

TEST_CASE("the word counts everything that is not nominal") {
  Snapshot snapshot = example_snapshot();
  Host& paris = snapshot.state.hosts.at(HostId("paris-1"));
  Vm& vm = snapshot.state.vms.begin()->second;
  SUBCASE("away") {
    vm.record.placement.owner = HostId("lyon-1");
    vm.record.away = true;
    snapshot.state.hosts[HostId("lyon-2")] = example_host("lyon-2", "lyon");
    CHECK(status_view(snapshot.state, snapshot.policy, kChannels, kAlice).word == "1 AWAY");
  }
  SUBCASE("held") {
    paris.record.phase = HostPhase::held;
    vm.record.phase = VmPhase::recovering;
    const StatusView status = status_view(snapshot.state, snapshot.policy, kChannels, kAlice);
    CHECK(status.word == "1 HELD, 1 RECOVERING");
    CHECK(status.attention.at(0).find("bascule host attest-down paris-1") != std::string::npos);
  }
  SUBCASE("held because a peer sees it: nobody is asked to attest its death") {
    paris.record.phase = HostPhase::held;
    paris.record.phase_reason = Reason::peer_sees_it;
    const StatusView status = status_view(snapshot.state, snapshot.policy, kChannels, kAlice);
    CHECK(status.attention.at(0).find("attest-down") == std::string::npos);
    CHECK(status.attention.at(0).find("check its links") != std::string::npos);
  }
  SUBCASE("unprotected: never drilled") {
    paris.record.bmc.reset();
    CHECK(status_view(snapshot.state, snapshot.policy, kChannels, kAlice).word == "1 UNPROTECTED");
  }
  SUBCASE("a host that is just absent") {
    snapshot.state.hosts.at(HostId("lyon-1")).record.phase = HostPhase::absent;
    CHECK(status_view(snapshot.state, snapshot.policy, kChannels, kAlice).word == "1 DOWN, 1 UNPROTECTED");
  }
  SUBCASE("a dead notice channel is a fault") {
    snapshot.state.channels["sms"] = "HTTP 500";
    const StatusView status = status_view(snapshot.state, snapshot.policy, kChannels, kAlice);
    CHECK(status.word == "1 FAULT");
    REQUIRE(status.channels.size() == 2);
    CHECK(status.channels[0].problem.empty());
    CHECK(status.channels[1].problem == "HTTP 500");
  }
  SUBCASE("what is carried to the other site, and how far that is behind") {
    wire::VolumeSeen volume;
    volume.there = "follows";
    volume.well = true;
    volume.behind = 3s;
    vm.live.volumes = {volume, volume, wire::VolumeSeen()};
    vm.live.volumes[1].well = false;
    vm.live.volumes[1].behind = 90s;
    const StatusView status = status_view(snapshot.state, snapshot.policy, kChannels, kAlice);
    REQUIRE(status.replication.size() == 1);
    CHECK(status.replication[0].from == SiteId("paris"));
    CHECK(status.replication[0].volumes == 2);
    CHECK(status.replication[0].following == 1);
    CHECK(status.replication[0].behind == Duration(90s));
  }
  SUBCASE("quarantine and a restored database") {
    paris.record.quarantined = true;
    snapshot.state.cluster.recovering = true;
    CHECK(status_view(snapshot.state, snapshot.policy, kChannels, kAlice).word ==
          "1 UNPROTECTED, 1 QUARANTINED");
  }
}

TEST_CASE("fencing: ready, failing, never tested") {
  const Policy policy;
  Host host = example_host("paris-1", "paris");
  CHECK(fencing_view(policy, host).state == FencingState::ready);
  host.live.bmc_ok = false;
  host.live.bmc_problem = "no answer";
  CHECK(fencing_view(policy, host).state == FencingState::failing);
  CHECK(fencing_view(policy, host).because == "no answer");
  host.record.bmc.reset();
  CHECK(fencing_view(policy, host).state == FencingState::never_tested);
}

TEST_CASE("an armed guard makes a host ready in mode stop only") {
  Host host = example_host("paris-1", "paris");
  host.record.has_bmc = false;
  host.record.bmc.reset();
  host.live.lease_armed = host.record.boot_id;
  Policy policy;
  CHECK(fencing_view(policy, host).state == FencingState::never_tested);
  policy.on_lease_loss = LeaseMode::stop;
  CHECK(fencing_view(policy, host).state == FencingState::ready);
}

TEST_CASE("switchable now: yes, or no and why") {
  Snapshot snapshot = example_snapshot();
  CHECK(view_of(snapshot).switchable_now.value);
  SUBCASE("no room at the other site") {
    snapshot.state.hosts.at(HostId("lyon-1")).record.capacity.memory_mib = 255;
    CHECK_FALSE(view_of(snapshot).switchable_now.value);
  }
  SUBCASE("quarantined hosts are no landing place") {
    snapshot.state.hosts.at(HostId("lyon-1")).record.quarantined = true;
    CHECK_FALSE(view_of(snapshot).switchable_now.value);
    CHECK(view_of(snapshot).switchable_now.because.starts_with("no host can carry web-1"));
  }
  SUBCASE("not protected") {
    snapshot.state.vms.begin()->second.record.spec.protected_ = false;
    CHECK(view_of(snapshot).switchable_now.because == "it is not protected");
  }
}

TEST_CASE("a VM shows at least name, state, host, site, home, reason; nowhere is null") {
  Snapshot snapshot = example_snapshot();
  json::Value shown = json::encode(view_of(snapshot));
  CHECK(shown["name"] == "web-1");
  CHECK(shown["state"] == "running");
  CHECK(shown["host"] == "paris-1");
  CHECK(shown["site"] == "paris");
  CHECK(shown["home"] == "paris");
  CHECK(shown["reason"] == "requested");
  CHECK(shown["switchable_now"]["value"] == true);
  snapshot.state.vms.begin()->second.record.placement.owner.reset();
  shown = json::encode(view_of(snapshot));
  CHECK(shown["host"].is_null());
  CHECK(shown["site"].is_null());
}

TEST_CASE("a tenant's machines have no names for who may not see them") {
  Snapshot snapshot = example_snapshot();
  State& state = snapshot.state;
  Vm& vm = state.vms.begin()->second;
  vm.record.spec.tenant = TenantId("acme");
  vm.record.explanation = "web-1 of acme's shop";
  const std::string id = vm.record.spec.id.value;
  CHECK_FALSE(may_see(state, kAlice, vm));
  const std::string shown = json::encode_text(without_names(vm_view(state, snapshot.policy, vm)));
  CHECK(shown.find("web-1") == std::string::npos);
  CHECK(host_view(state, snapshot.policy, state.hosts.at(HostId("paris-1")), kAlice).vms ==
        std::vector<std::string>{id});

  AccessSession session;
  session.id = AccessId("a1");
  session.by = kAlice.id;
  session.tenant = TenantId("acme");
  state.directory.access[session.id] = session;
  CHECK(may_see(state, kAlice, vm));
  CHECK(host_view(state, snapshot.policy, state.hosts.at(HostId("paris-1")), kAlice).vms ==
        std::vector<std::string>{"web-1"});
}

TEST_CASE("a host shows its use, and what starts elsewhere once it is proved dead") {
  const Snapshot snapshot = example_snapshot();
  const State& state = snapshot.state;
  const HostView paris = host_view(state, snapshot.policy, state.hosts.at(HostId("paris-1")), kAlice);
  CHECK(paris.used.memory_mib == 256);
  CHECK(paris.would_start == std::vector<std::string>{"web-1"});
  const HostView lyon = host_view(state, snapshot.policy, state.hosts.at(HostId("lyon-1")), kAlice);
  CHECK(lyon.used.vms == 0);
  CHECK(lyon.would_start.empty());
}

TEST_CASE("a VM is found by id and by name") {
  const Snapshot snapshot = example_snapshot();
  CHECK(find_vm(snapshot.state, "web-1"));
  CHECK(find_vm(snapshot.state, "aaaaaaaa-0000-4000-8000-000000000001"));
  CHECK_FALSE(find_vm(snapshot.state, "web-2"));
}
