#include "hostd/agent.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "hostd/domain_xml.h"
#include "hostd/hypervisor_fake.h"
#include "hostd/storage_dir.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace bascule::hostd {
namespace {

const VmId kVm("2f0a3c1e-8c55-4d0c-9d4e-0a1b2c3d4e5f");
const BootId kBoot("boot-1");

// Moves only when told to, except that waits inside the agent must come to an end: so each look costs 20 ms.
class TestClock final : public Clock {
 public:
  Instant now() const override { return Instant{Duration(now_.fetch_add(20'000'000))}; }
  WallTime wall() const override { return {}; }
  void advance(Duration time) { now_ += time.count(); }

 private:
  mutable std::atomic<std::int64_t> now_{100'000'000'000};
};

struct Host {
  test::TemporaryFolder folder;
  TestClock clock;
  FakeProcesses processes;
  FakeHypervisor hypervisor{processes};
  std::unique_ptr<Tombstones> tombstones;
  StoragePools pools;
  std::mutex mutex;
  Result<wire::LeaseFile> lease = failure(ErrorCode::not_found, "no lease file");
  std::atomic<bool> devices_allowed{false};
  std::vector<wire::FromHost> told;
  std::unique_ptr<Agent> agent;
  int actions = 0;

  Host() {
    std::filesystem::create_directory(folder.path() + "/pool");
    pools.emplace("metro", make_dir_pool("metro", folder.path() + "/pool"));
    boot();
  }

  // A new life of the daemon; the guests live on.
  void boot(const BootId& boot = kBoot) {
    tombstones = std::move(*Tombstones::open(folder.path() + "/tombstones.json", boot));
    agent =
        std::make_unique<Agent>(HostIdentity{ClusterId("demo"), HostId("paris-1"), boot, {4096, 8}, "qemu"},
                                AgentParts{hypervisor, processes, *tombstones, pools, clock,
                                           [this] {
                                             const std::lock_guard lock(mutex);
                                             return lease;
                                           },
                                           [this] { return devices_allowed.load(); },
                                           [this](wire::FromHost message) {
                                             const std::lock_guard lock(mutex);
                                             told.push_back(std::move(message));
                                           }});
    hypervisor.subscribe({[this](const DomainEvent& event) { agent->on_domain(event); },
                          [this](bool connected, const std::string&) { agent->on_connection(connected); }});
    agent->adopt();
  }

  wire::Command command(std::uint64_t generation) {
    wire::Command order;
    order.action = ActionId("action-" + std::to_string(++actions));
    order.cluster = ClusterId("demo");
    order.epoch = {"e", EpochNumber(1)};
    order.term = Term(1);
    order.manager = ManagerId("m");
    order.boot_id = kBoot;
    order.generation = Generation(generation);
    order.not_after = 1'000'000s;
    return order;
  }
  static VmSpec spec() {
    VmSpec spec;
    spec.id = kVm;
    spec.name = "web-1";
    spec.home = SiteId("paris");
    spec.memory_mib = 64;
    spec.disks = {{"metro", "web-1", 1, DiskFormat::raw}};
    return spec;
  }
  wire::Command start(std::uint64_t generation) {
    wire::Command order = command(generation);
    order.order = wire::StartVm{spec()};
    return order;
  }
  wire::Command stop(std::uint64_t generation, wire::StopHow how, Duration grace = 10s) {
    wire::Command order = command(generation);
    order.order = wire::StopVm{kVm, how, grace};
    return order;
  }
  wire::Command forbid(std::uint64_t generation) {
    wire::Command order = command(generation);
    order.order = wire::ForbidVm{kVm};
    return order;
  }

  template <class Message>
  std::vector<Message> all() {
    const std::lock_guard lock(mutex);
    std::vector<Message> found;
    for (const wire::FromHost& message : told)
      if (const auto* match = std::get_if<Message>(&message)) found.push_back(*match);
    return found;
  }
  // Obeys, and gives the last reply; nothing when none came.
  std::optional<wire::CommandReply> obey(const wire::Command& order) {
    const std::size_t before = all<wire::CommandReply>().size();
    agent->obey(order);
    const std::vector<wire::CommandReply> replies = all<wire::CommandReply>();
    return replies.size() == before ? std::nullopt : std::optional(replies.back());
  }
  ErrorCode refusal(const wire::Command& order) {
    const auto reply = obey(order);
    REQUIRE(reply.has_value());
    REQUIRE(reply->error.has_value());
    CHECK_FALSE(reply->error->message.empty());
    return reply->error->code;
  }
  void must(const wire::Command& order) {
    const auto reply = obey(order);
    REQUIRE(reply.has_value());
    REQUIRE_MESSAGE(!reply->error.has_value(), reply->error->message);
  }
  std::vector<wire::DomainReport> domains() { return agent->hello().domains; }
  bool runs() { return domains().size() == 1 && domains()[0].state == wire::DomainState::running; }
  void lease_mode_stop(bool held, Duration stop_at, std::uint64_t stops = 0) {
    const std::lock_guard lock(mutex);
    wire::LeaseFile file;
    file.boot_id = kBoot;
    file.mode = LeaseMode::stop;
    file.held = held;
    file.stop_at = stop_at;
    file.stops = stops;
    lease = file;
  }
};

// ---- Start ----

TEST_CASE_FIXTURE(Host, "a start makes the volume, runs the guest and reports it") {
  const auto reply = obey(start(1));
  REQUIRE(reply.has_value());
  REQUIRE_MESSAGE(!reply->error, reply->error->message);
  CHECK(reply->domain->state == wire::DomainState::running);
  CHECK(reply->domain->generation == Generation(1));
  CHECK(std::filesystem::exists(folder.path() + "/pool/web-1"));
  CHECK(runs());
  CHECK(identity_of(*hypervisor.xml(kVm)).name == "bascule-web-1");
}

TEST_CASE_FIXTURE(Host, "a start that is repeated is obeyed once and answered again") {
  const wire::Command order = start(1);
  must(order);
  agent->obey(order);
  CHECK(all<wire::CommandReply>().size() == 2);
  CHECK_FALSE(obey(start(1))->error.has_value());  // the same generation by a new action: it runs already
  CHECK(processes.scan()->size() == 1);
  CHECK(refusal(start(2)) == ErrorCode::conflict);
}

TEST_CASE_FIXTURE(Host, "a volume that is missing later is no reason to make an empty one") {
  CHECK(refusal(start(2)) == ErrorCode::unavailable);
  CHECK_FALSE(std::filesystem::exists(folder.path() + "/pool/web-1"));
}

TEST_CASE_FIXTURE(Host, "commands of another cluster, boot, time or manager are refused") {
  wire::Command order = start(1);
  order.cluster = ClusterId("other");
  CHECK(refusal(order) == ErrorCode::denied);
  order = start(1);
  order.boot_id = BootId("boot-0");
  CHECK(refusal(order) == ErrorCode::conflict);
  order = start(1);
  order.not_after = 1s;
  CHECK(refusal(order) == ErrorCode::timeout);
  order = start(1);
  order.term = Term(0);
  CHECK(refusal(order) == ErrorCode::conflict);
  order = start(1);
  order.manager = ManagerId("second");
  CHECK(refusal(order) == ErrorCode::conflict);
  order = start(1);
  order.epoch = {"older", EpochNumber(0)};
  CHECK(refusal(order) == ErrorCode::conflict);
  CHECK(processes.scan()->empty());
}

TEST_CASE_FIXTURE(Host, "a newer term is obeyed from then on, over restarts of the daemon") {
  wire::Command order = start(1);
  order.term = Term(9);
  must(order);
  boot();
  CHECK(agent->hello().term == Term(9));
  CHECK(refusal(stop(1, wire::StopHow::kill)) == ErrorCode::conflict);
  wire::Welcome welcome;
  welcome.cluster = ClusterId("demo");
  welcome.epoch = {"e", EpochNumber(1)};
  welcome.term = Term(8);
  CHECK_FALSE(agent->acceptable(welcome).has_value());
}

TEST_CASE_FIXTURE(Host, "without a lease in mode stop nothing starts") {
  lease_mode_stop(false, 0s);
  CHECK(refusal(start(1)) == ErrorCode::unavailable);
  CHECK(processes.scan()->empty());
  lease_mode_stop(true, 1000s);
  must(start(1));
}

TEST_CASE_FIXTURE(Host, "a lease that is lost while libvirt starts the guest stops it before it runs") {
  lease_mode_stop(true, 1000s);
  hypervisor.on_paused = [this](const VmId&) { lease_mode_stop(false, 0s); };
  CHECK(refusal(start(1)) == ErrorCode::unavailable);
  CHECK(processes.scan()->empty());
  CHECK(tombstones->record(kVm).held == Generation());
  lease_mode_stop(true, 1000s);
  hypervisor.on_paused = nullptr;
  must(start(1));  // nothing of it ran: the generation may be tried again
}

TEST_CASE_FIXTURE(Host, "a start that took too long is stopped before it runs") {
  wire::Command order = start(1);
  order.not_after = 200s;
  hypervisor.on_paused = [this](const VmId&) { clock.advance(150s); };
  CHECK(refusal(order) == ErrorCode::timeout);
  CHECK(processes.scan()->empty());
}

TEST_CASE_FIXTURE(Host, "a QEMU with a USB bus that the definition hides never runs") {
  hypervisor.set_qmp_answer(std::string(kPolicyQueries[0]), R"({"return":""})");
  const auto reply = obey(start(1));
  REQUIRE(reply->error.has_value());
  CHECK(reply->error->code == ErrorCode::policy);
  CHECK(reply->error->message.find("usb-bus") != std::string::npos);
  CHECK(processes.scan()->empty());
}

TEST_CASE_FIXTURE(Host, "libvirtd away: an order fails, what runs is still reported") {
  must(start(1));
  hypervisor.set_away(true);
  CHECK(refusal(stop(1, wire::StopHow::shutdown)) == ErrorCode::unavailable);
  agent->watch_processes();
  CHECK(runs());
}

// ---- Stop and forbid ----

TEST_CASE_FIXTURE(Host, "a stopped generation never starts again") {
  must(start(1));
  must(stop(1, wire::StopHow::kill));
  CHECK(domains().empty());
  CHECK(refusal(start(1)) == ErrorCode::conflict);
  must(start(2));
}

TEST_CASE_FIXTURE(Host, "a graceful stop answers when the guest is gone") {
  must(start(1));
  agent->obey(stop(1, wire::StopHow::shutdown));
  agent->watch_processes();
  const auto replies = all<wire::CommandReply>();
  REQUIRE(replies.size() == 2);
  CHECK_FALSE(replies.back().error.has_value());
  CHECK(replies.back().domain->state == wire::DomainState::gone);
  CHECK(all<wire::DomainChanged>().empty());
}

TEST_CASE_FIXTURE(Host, "a guest that ignores the shutdown is told of after the grace, and can be killed") {
  must(start(1));
  hypervisor.set_ignores_shutdown(true);
  CHECK_FALSE(obey(stop(1, wire::StopHow::shutdown, 10s)).has_value());
  clock.advance(11s);
  agent->watch_processes();
  CHECK(all<wire::CommandReply>().back().error->code == ErrorCode::timeout);
  CHECK(runs());
  must(stop(1, wire::StopHow::kill));
}

TEST_CASE_FIXTURE(Host, "a kill answers the graceful stop that it overtakes") {
  must(start(1));
  hypervisor.set_ignores_shutdown(true);
  CHECK_FALSE(obey(stop(1, wire::StopHow::shutdown, 60s)).has_value());
  must(forbid(1));
  CHECK(all<wire::CommandReply>().size() == 3);
}

TEST_CASE_FIXTURE(Host, "an old order doesn't stop a newer generation") {
  must(start(5 - 4));
  must(stop(1, wire::StopHow::kill));
  must(start(5));
  CHECK(refusal(stop(4, wire::StopHow::kill)) == ErrorCode::conflict);
  must(forbid(4));
  CHECK(runs());
}

TEST_CASE_FIXTURE(Host, "a forbidden generation is gone, and stays forbidden over restarts and boots") {
  must(start(1));
  const auto reply = obey(forbid(3));
  CHECK(reply->domain->state == wire::DomainState::gone);
  CHECK(processes.scan()->empty());
  boot();
  CHECK(refusal(start(3)) == ErrorCode::conflict);
  REQUIRE(agent->hello().tombstones.size() == 1);
  CHECK(agent->hello().tombstones[0].generation == Generation(3));
}

TEST_CASE_FIXTURE(Host, "forbid is not answered as done while a process of the VM can't be killed") {
  must(start(1));
  processes.make_unkillable(kVm);
  hypervisor.crash(kVm);
  processes.add(kVm, "bascule-web-1");
  CHECK(refusal(forbid(1)) == ErrorCode::unknown_outcome);
  CHECK(tombstones->record(kVm).forbidden == Generation(1));  // stored all the same
}

TEST_CASE_FIXTURE(Host, "forbid kills a process that libvirt doesn't know") {
  processes.add(kVm, "bascule-web-1");
  must(forbid(1));
  CHECK(processes.scan()->empty());
}

TEST_CASE_FIXTURE(Host, "forbid needs both witnesses: with libvirtd away it is not answered as done") {
  must(start(1));
  hypervisor.set_away(true);
  CHECK(refusal(forbid(1)) == ErrorCode::unknown_outcome);
  CHECK(processes.scan()->empty());  // killed all the same
}

TEST_CASE_FIXTURE(Host, "a deleted VM leaves nothing behind") {
  must(start(1));
  wire::Command order = command(1);
  order.order = wire::ForgetVm{spec(), true};
  must(order);
  CHECK_FALSE(std::filesystem::exists(folder.path() + "/pool/web-1"));
  CHECK(agent->hello().tombstones.empty());
}

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
  REQUIRE(hypervisor.start_paused(old).has_value());
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
