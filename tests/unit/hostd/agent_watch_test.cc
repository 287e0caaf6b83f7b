// What the agent finds on its host: ends, strangers, changes behind its back, forbidden devices.
#include <thread>

#include "tests/unit/hostd/agent_fixture.h"

namespace bascule::hostd {
namespace {

// ---- What happens on the host ----

struct RunningHost : Host {
  RunningHost() { must(start(1)); }
  wire::DomainChanged change() {
    const auto changes = all<wire::DomainChanged>();
    REQUIRE(changes.size() == 1);
    return changes.front();
  }
};

TEST_CASE_FIXTURE(RunningHost, "a killed QEMU is reported as crashed, and its generation is over") {
  hypervisor.crash(kVm);
  agent->watch_processes();
  CHECK(change().cause == wire::DomainCause::crashed);
  CHECK(change().domain.state == wire::DomainState::gone);
  CHECK(change().domain.generation == Generation(1));
  CHECK(refusal(start(1)) == ErrorCode::conflict);
  must(start(2));
}

TEST_CASE_FIXTURE(RunningHost, "a QEMU killed while libvirtd is away is noticed too") {
  hypervisor.set_away(true);
  processes.remove(kVm);
  agent->watch_processes();
  CHECK(change().cause == wire::DomainCause::crashed);
}

TEST_CASE_FIXTURE(RunningHost, "without a word of libvirt the end is a crash, after a moment") {
  hypervisor.crash_quietly(kVm);
  agent->watch_processes();
  CHECK(all<wire::DomainChanged>().empty());
  clock.advance(1s);
  agent->watch_processes();
  CHECK(change().cause == wire::DomainCause::crashed);
}

TEST_CASE_FIXTURE(RunningHost, "guest shutdown, virsh destroy and the guard are told apart") {
  SUBCASE("guest") {
    REQUIRE(hypervisor.shutdown(kVm).has_value());
    agent->watch_processes();
    CHECK(change().cause == wire::DomainCause::shutdown_by_guest);
  }
  SUBCASE("virsh") {
    REQUIRE(hypervisor.kill(kVm).has_value());
    agent->watch_processes();
    CHECK(change().cause == wire::DomainCause::out_of_band);
  }
  SUBCASE("guard") {
    lease_mode_stop(false, 0s, 1);
    hypervisor.crash(kVm);
    agent->watch_processes();
    CHECK(change().cause == wire::DomainCause::stopped_by_guard);
  }
}

TEST_CASE_FIXTURE(RunningHost, "a pause and a resume behind our back are told") {
  hypervisor.pause(kVm, RunState::paused);
  agent->survey();
  CHECK(change().cause == wire::DomainCause::out_of_band);
  CHECK(change().domain.state == wire::DomainState::paused);
  REQUIRE(hypervisor.resume(kVm).has_value());
  agent->survey();
  CHECK(all<wire::DomainChanged>().back().domain.state == wire::DomainState::running);
}

TEST_CASE_FIXTURE(RunningHost, "a guest that QEMU paused because its disk failed is a fault of the storage") {
  hypervisor.pause(kVm, RunState::paused_io_error);
  agent->survey();
  REQUIRE(all<wire::HostFault>().size() == 1);
  CHECK(all<wire::HostFault>()[0].kind == "storage");
  REQUIRE(hypervisor.resume(kVm).has_value());
  agent->survey();
  CHECK(all<wire::HostFault>().back().cleared);
}

TEST_CASE_FIXTURE(RunningHost, "the next life of the daemon adopts what runs") {
  boot();
  CHECK(runs());
  agent->survey();
  agent->watch_processes();
  CHECK(runs());
  CHECK(all<wire::DomainChanged>().empty());
}

TEST_CASE_FIXTURE(RunningHost, "the next life of the daemon adopts by /proc while libvirtd is away") {
  hypervisor.set_away(true);
  boot();
  agent->watch_processes();
  CHECK(runs());
}

TEST_CASE_FIXTURE(RunningHost, "what ended while no daemon ran is told by the next one") {
  hypervisor.crash(kVm);
  boot();
  CHECK(domains().empty());
  CHECK(change().cause == wire::DomainCause::crashed);
}

TEST_CASE_FIXTURE(RunningHost, "a start of a generation that isn't held is stopped and told") {
  const std::string old = *hypervisor.xml(kVm);
  must(forbid(1));
  REQUIRE(hypervisor.start_paused(old, {}).has_value());
  REQUIRE(hypervisor.resume(kVm).has_value());
  agent->survey();
  CHECK(processes.scan()->empty());
  CHECK(change().cause == wire::DomainCause::out_of_band);
  CHECK(change().domain.state == wire::DomainState::gone);
  CHECK(all<wire::HostFault>().size() == 1);
}

TEST_CASE_FIXTURE(Host, "a protected QEMU that nobody holds dies, with libvirtd and without") {
  processes.add(kVm, "bascule-web-1");
  processes.add(VmId("other"), "somebody-else");
  SUBCASE("with") {
    agent->watch_processes();
    clock.advance(2s);
    agent->watch_processes();
  }
  SUBCASE("without") {
    hypervisor.set_away(true);
    agent->watch_processes();
  }
  REQUIRE(processes.scan()->size() == 1);
  CHECK(processes.scan()->front().name == "somebody-else");
}

TEST_CASE_FIXTURE(RunningHost, "of two processes of one VM the older dies") {
  const QemuProcess newer = processes.add(kVm, "bascule-web-1");
  agent->watch_processes();
  REQUIRE(processes.scan()->size() == 1);
  CHECK(processes.scan()->front() == newer);
  CHECK(all<wire::HostFault>().size() == 1);
}

TEST_CASE_FIXTURE(RunningHost, "a device that appears at run time stops the guest and is told") {
  SUBCASE("shown by the definition") {
    std::string xml = *hypervisor.xml(kVm);
    xml.replace(xml.find("model=\"none\""), 12, "model=\"qemu-xhci\"");
    hypervisor.replace_xml(kVm, xml);
  }
  SUBCASE("known to QEMU only") {
    hypervisor.set_qmp_answer(std::string(kPolicyQueries[1]),
                              R"({"return":[{"name":"evil","type":"child<usb-tablet>"}]})");
  }
  agent->enforce_policy();
  CHECK(processes.scan()->empty());
  REQUIRE(all<wire::HostFault>().size() == 1);
  CHECK(all<wire::HostFault>()[0].kind == "device");
  CHECK(all<wire::HostFault>()[0].vm == kVm);
  CHECK(change().cause == wire::DomainCause::policy);
}

TEST_CASE_FIXTURE(RunningHost, "under the exception the guest lives and the alarm stands") {
  devices_allowed = true;
  hypervisor.set_qmp_answer(std::string(kPolicyQueries[0]), R"({"return":""})");
  agent->enforce_policy();
  CHECK(processes.scan()->size() == 1);
  CHECK(agent->active_faults().size() == 1);
}

TEST_CASE_FIXTURE(RunningHost, "libvirtd away is a fault only after a while, and clears when it is back") {
  hypervisor.set_away(true);
  agent->watch_processes();
  CHECK(all<wire::HostFault>().empty());
  clock.advance(6s);
  agent->watch_processes();
  REQUIRE(agent->active_faults().size() == 1);
  hypervisor.set_away(false);
  CHECK(agent->active_faults().empty());
  CHECK(all<wire::HostFault>().back().cleared);
}

TEST_CASE_FIXTURE(RunningHost, "while libvirtd hangs, Hello and the guard's state are answered at once") {
  hypervisor.set_stalled(true);
  std::thread survey([this] { agent->survey(); });
  std::thread worker([this] { agent->obey(stop(1, wire::StopHow::kill)); });
  CHECK(domains().size() == 1);
  CHECK_FALSE(agent->guard().running);
  agent->watch_processes();
  hypervisor.set_stalled(false);
  survey.join();
  worker.join();
  CHECK(domains().empty());
}

}  // namespace
}  // namespace bascule::hostd
