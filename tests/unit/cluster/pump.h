// A manager over a memory store, pumped by hand on a clock by hand.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/sha256.h"
#include "cluster/keys.h"
#include "cluster/leadership.h"
#include "cluster/manager.h"
#include "cluster/records.h"
#include "cluster/store_memory.h"
#include "failover/step.h"

namespace test {

using namespace bascule;

struct HandClock final : Clock {
  Instant now() const override { return at; }
  WallTime wall() const override { return {1'700'000'000'000 + at.since_start / 1ms}; }
  Instant at{1000s};
};

struct Sequence final : Random {
  std::uint64_t next() override { return ++last * 0x9e3779b97f4a7c15ULL; }
  std::uint64_t last = 0;
};

inline Inventory two_sites() {
  Inventory inventory;
  inventory.sites = {{SiteId("paris"), true}, {SiteId("lyon"), false}};
  for (const char* name : {"alice", "bob"}) inventory.staff[OperatorId(name)] = {StaffRole::administrator};
  inventory.hosts = {{HostId("paris-1"), SiteId("paris"), true}, {HostId("lyon-1"), SiteId("lyon"), true}};
  return inventory;
}

inline BootId boot_of(const std::string& host) {
  return BootId(host == "paris-1" ? "11111111-1111-4111-8111-111111111111"
                                  : "22222222-2222-4222-8222-222222222222");
}
inline Copy copy_of(const std::string& host) { return {HostId(host), boot_of(host)}; }

inline EventBody hello(const std::string& host) {
  wire::Hello hello;
  hello.cluster = ClusterId("demo");
  hello.host = HostId(host);
  hello.boot_id = boot_of(host);
  hello.capacity = {65536, 64};
  return HostHello{hello};
}
inline EventBody heartbeat(const std::string& host) {
  wire::Heartbeat beat;
  const std::string peer = host == "paris-1" ? "lyon-1" : "paris-1";
  beat.peers = {{HostId(peer), Duration(100ms)}};
  return HostHeartbeat{copy_of(host), beat};
}
inline EventBody create_vm(const std::string& name, const std::string& request = "r1") {
  CreateVm create;
  create.asked = {RequestId(request), OperatorId("alice"), "because"};
  const std::string hash = sha256_hex(name);
  create.spec.id = VmId(hash.substr(0, 8) + "-" + hash.substr(8, 4) + "-4" + hash.substr(13, 3) + "-8" +
                        hash.substr(17, 3) + "-" + hash.substr(20, 12));
  create.spec.name = name;
  create.spec.home = SiteId("paris");
  create.spec.memory_mib = 128;
  return create;
}

template <class T>
std::vector<T> only(const std::vector<Action>& actions) {
  std::vector<T> found;
  for (const Action& action : actions)
    if (const auto* one = std::get_if<T>(&action)) found.push_back(*one);
  return found;
}

struct Pump {
  HandClock clock;
  Sequence random;
  MemoryStore store{clock};
  std::optional<Manager> manager;
  std::vector<Action> actions;  // taken so far
  std::function<void(const std::vector<Stepped>&)> tell_stepped;

  void begin_manager(Policy policy = {}) {
    const auto inauguration = take_leadership(store, ClusterId("demo"), policy, random);
    REQUIRE_MESSAGE(inauguration.has_value(), inauguration.error().message);
    manager.emplace(begin(inauguration->records, two_sites(), inauguration->leadership.manager, clock.at),
                    policy, *inauguration);
  }
  void post(EventBody body) { REQUIRE(manager->accept({std::move(body), clock.wall()}, clock.at)); }
  Effects turn() {
    Effects effects = manager->turn(clock.at, clock.wall());
    if (tell_stepped && !effects.stepped.empty()) tell_stepped(effects.stepped);
    return effects;
  }
  void take(const Effects& effects) {
    actions.insert(actions.end(), effects.actions.begin(), effects.actions.end());
  }
  // Does what the effects say until nothing is left.
  void follow(Effects effects) {
    for (int rounds = 0; rounds < 1000; ++rounds) {
      take(effects);
      if (effects.commit)
        effects = manager->on_commit(store.commit(*effects.commit));
      else if (effects.reread)
        effects = manager->on_marker(marker());
      else if (manager->waiting() > 0 && !manager->in_flight() && !manager->stopped())
        effects = turn();
      else
        return;
    }
    FAIL("the manager doesn't come to rest");
  }
  void settle() { follow(turn()); }
  Result<std::optional<StoredPair>> marker() { return stored(std::string(keys::kMarker)); }
  std::optional<StoredPair> stored(const std::string& key) {
    const auto snapshot = store.read(key);
    REQUIRE(snapshot.has_value());
    for (const StoredPair& pair : snapshot->pairs)
      if (pair.key == key) return pair;
    return std::nullopt;
  }
  void hosts_up() {
    for (const char* host : {"paris-1", "lyon-1"}) post(hello(host));
    settle();
  }
  // Time passes; hosts that live send heartbeats.
  void pass(Duration time, const std::vector<std::string>& alive, Duration beat = 500ms) {
    for (const Instant end = clock.at + time; clock.at < end;) {
      clock.at = clock.at + beat;
      for (const std::string& host : alive) post(heartbeat(host));
      settle();
    }
  }
  HostPhase phase(const std::string& host) const {
    return manager->state().hosts.at(HostId(host)).record.phase;
  }
};

}  // namespace test
