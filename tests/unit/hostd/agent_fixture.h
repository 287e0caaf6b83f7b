// A host in memory: the agent with a fake hypervisor, fake processes and a clock of its own.
#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "hostd/agent.h"
#include "hostd/hypervisor_fake.h"
#include "hostd/storage_dir.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace bascule::hostd {

inline const VmId kVm("2f0a3c1e-8c55-4d0c-9d4e-0a1b2c3d4e5f");
inline const BootId kBoot("boot-1");

// Moves only when told to, except that waits inside the agent must come to an end: so each look costs 20 ms.
class TestClock final : public Clock {
 public:
  Instant now() const override { return Instant{Duration(now_.fetch_add(20'000'000))}; }
  WallTime wall() const override { return {wall_ms_.load()}; }
  void advance(Duration time) { now_ += time.count(); }
  void advance_wall(std::int64_t ms) { wall_ms_ += ms; }

 private:
  std::atomic<std::int64_t> wall_ms_{0};
  mutable std::atomic<std::int64_t> now_{100'000'000'000};
};

struct Host {
  test::TemporaryFolder folder;
  TestClock clock;
  FakeProcesses processes;
  FakeHypervisor hypervisor{processes};
  std::unique_ptr<Tombstones> tombstones;
  StoragePools pools;
  TrustedKeys trusted;  // from the next boot() on
  std::unique_ptr<Custodian> custodian;
  std::unique_ptr<PacketFilter> filter = make_open_filter();
  std::mutex mutex;
  Result<wire::LeaseFile> lease = failure(ErrorCode::not_found, "no lease file");
  std::atomic<bool> devices_allowed{false};
  std::vector<wire::FromHost> told;
  std::function<void(const wire::FromHost&)> forward;  // set before threads begin
  std::unique_ptr<Agent> agent;
  int actions = 0;

  Host() {
    std::filesystem::create_directory(folder.path() + "/pool");
    pools.emplace("metro", make_dir_pool("metro", folder.path() + "/pool"));
    boot();
  }

  // A new life of the daemon; the guests live on.
  void boot(const BootId& boot = kBoot) {
    custodian = std::move(*Custodian::open(folder.path() + "/grants.json", trusted));
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
                                             if (forward) forward(message);
                                             told.push_back(std::move(message));
                                           },
                                           folder.path(), *custodian, *filter});
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
  // The generation before it ran.
  wire::Command start(std::uint64_t generation) {
    wire::Command order = command(generation);
    order.order = wire::StartVm{spec(), {}, Generation(generation - 1)};
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

}  // namespace bascule::hostd
