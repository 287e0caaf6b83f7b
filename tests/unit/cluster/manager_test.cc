#include "cluster/manager.h"

#include "tests/unit/cluster/pump.h"

using namespace ::test;

TEST_CASE("nothing is done before the decision behind it is stored") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.actions.clear();

  pump.post(create_vm("web-1"));
  Effects effects = pump.turn();
  REQUIRE(effects.commit);
  CHECK(effects.actions.empty());
  CHECK(pump.manager->in_flight());
  CHECK_FALSE(pump.stored("vm/" + std::get<CreateVm>(create_vm("web-1")).spec.id.value));

  effects = pump.manager->on_commit(pump.store.commit(*effects.commit));
  CHECK_FALSE(pump.manager->in_flight());
  const auto commands = only<SendCommand>(effects.actions);
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].to == copy_of("paris-1"));
  CHECK(commands[0].generation == Generation(1));
  REQUIRE_FALSE(effects.audit.empty());
  CHECK(effects.audit.back().number == pump.manager->audit_head().number);

  // What is stored says where it may run.
  const auto loaded = load(pump.store);
  REQUIRE(loaded.has_value());
  REQUIRE(loaded->records.vms.size() == 1);
  CHECK(loaded->records.vms[0].placement.may_run == std::vector<Copy>{copy_of("paris-1")});
}

TEST_CASE("events that arrive during a commit wait, and are stepped together afterwards") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.post(create_vm("web-1", "r1"));
  const Effects first = pump.turn();
  REQUIRE(first.commit);
  for (int i = 2; i <= 10; ++i) pump.post(create_vm("web-" + std::to_string(i), "r" + std::to_string(i)));
  CHECK_FALSE(pump.turn().commit);
  CHECK(pump.manager->waiting() == 9);
  CHECK_FALSE(pump.manager->next_turn());

  pump.follow(pump.manager->on_commit(pump.store.commit(*first.commit)));
  CHECK(pump.manager->waiting() == 0);
  CHECK(only<SendCommand>(pump.actions).size() == 10);
}

TEST_CASE("a commit that can't be made now is made later, unchanged") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.post(create_vm("web-1"));
  const Effects first = pump.turn();
  REQUIRE(first.commit);
  const Effects again = pump.manager->on_commit(failure(ErrorCode::unavailable, "disk full"));
  REQUIRE(again.commit);
  CHECK(again.wait > Duration{0});
  CHECK(again.actions.empty());
  CHECK(again.commit->puts.size() == first.commit->puts.size());
  pump.follow(pump.manager->on_commit(pump.store.commit(*again.commit)));
  CHECK(only<SendCommand>(pump.actions).size() == 1);
}

TEST_CASE("a commit whose answer got lost is read again, never assumed") {
  for (const StoreFault fault : {StoreFault::lost_answer, StoreFault::lost_request}) {
    CAPTURE(static_cast<int>(fault));
    Pump pump;
    pump.begin_manager();
    pump.hosts_up();
    pump.actions.clear();
    bool once = true;
    pump.store.inject(
        [&](const Transaction&) { return std::exchange(once, false) ? fault : StoreFault::none; });
    pump.post(create_vm("web-1"));
    Effects effects = pump.turn();
    REQUIRE(effects.commit);
    effects = pump.manager->on_commit(pump.store.commit(*effects.commit));
    CHECK(effects.reread);
    CHECK(effects.actions.empty());
    effects = pump.manager->on_marker(pump.marker());
    CHECK(effects.commit.has_value() == (fault == StoreFault::lost_request));
    pump.follow(effects);
    CHECK(only<SendCommand>(pump.actions).size() == 1);
    CHECK_FALSE(pump.manager->stopped());
    const auto chain = verify_chain(pump.store);
    CHECK_MESSAGE(chain.has_value(), (chain ? "" : chain.error().message));
  }
}

TEST_CASE("a late commit of our own is no other manager") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.post(create_vm("web-1"));
  const Effects first = pump.turn();
  REQUIRE(first.commit);
  CHECK(pump.manager->on_commit(failure(ErrorCode::unknown_outcome, "lost")).reread);
  const Effects again = pump.manager->on_marker(pump.marker());  // not there yet
  REQUIRE(again.commit);
  REQUIRE(pump.store.commit(*first.commit).has_value());  // it comes after all
  pump.follow(pump.manager->on_commit(pump.store.commit(*again.commit)));
  CHECK_FALSE(pump.manager->stopped());
  CHECK(only<SendCommand>(pump.actions).size() == 1);
}

TEST_CASE("a manager whose term was taken stops, and takes no action") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.actions.clear();
  REQUIRE(take_leadership(pump.store, ClusterId("demo"), {}, pump.random).has_value());
  pump.post(create_vm("web-1"));
  pump.settle();
  REQUIRE(pump.manager->stopped());
  CHECK(pump.manager->stopped()->code == ErrorCode::conflict);
  CHECK(pump.actions.empty());
  pump.post(hello("paris-1"));
  CHECK(pump.turn().actions.empty());
  CHECK_FALSE(pump.manager->next_turn());
}

TEST_CASE("a store that stays away stops the manager in the end") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.store.set_away(true);
  pump.post(create_vm("web-1"));
  Effects effects = pump.turn();
  int attempts = 0;
  for (; effects.commit && attempts < 1000; ++attempts)
    effects = pump.manager->on_commit(pump.store.commit(*effects.commit));
  CHECK(attempts == Manager::kMostAttempts);
  CHECK(pump.manager->stopped());
}

TEST_CASE("a commit that takes three seconds makes no host suspect") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.pass(20s, {"paris-1", "lyon-1"});
  pump.post(create_vm("web-1"));
  const Effects slow = pump.turn();
  REQUIRE(slow.commit);
  for (int i = 0; i < 8; ++i) {
    pump.clock.at = pump.clock.at + 500ms;
    for (const char* host : {"paris-1", "lyon-1"}) pump.post(heartbeat(host));
    CHECK_FALSE(pump.turn().commit);
  }
  pump.follow(pump.manager->on_commit(pump.store.commit(*slow.commit)));
  pump.settle();
  CHECK(pump.phase("paris-1") == HostPhase::up);
  CHECK(pump.phase("lyon-1") == HostPhase::up);
  CHECK(only<PowerOff>(pump.actions).empty());
  // The same silence without heartbeats is seen: the line above can fail.
  pump.pass(6s, {"lyon-1"});
  CHECK(pump.phase("paris-1") != HostPhase::up);
}

TEST_CASE("notices stand in the outbox in the same transaction") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.post(TestNotices{{RequestId("r1"), OperatorId("alice"), ""}});
  const Effects effects = pump.turn();
  REQUIRE(effects.commit);
  std::vector<OutboxRecord> found;
  for (const KeyValue& put : effects.commit->puts) {
    if (!put.key.starts_with(keys::kOutbox)) continue;
    const auto record = decode_outbox(put.value);
    REQUIRE(record.has_value());
    found.push_back(*record);
  }
  REQUIRE_FALSE(found.empty());
  CHECK(found[0].kind == NoticeKind::test);
  CHECK(found[0].id == "memory-1");
}

TEST_CASE("more records than fit one transaction are stored in several, and acted on after the last") {
  Pump pump;
  Policy policy;
  policy.brake_hosts = 5;
  pump.begin_manager(policy);
  pump.hosts_up();
  for (int i = 0; i < 300; ++i) pump.post(create_vm("web-" + std::to_string(i), "r" + std::to_string(i)));
  std::size_t largest = 0;
  Effects effects = pump.turn();
  for (int rounds = 0; rounds < 1000 && (effects.commit || pump.manager->waiting() > 0); ++rounds) {
    if (effects.commit) {
      largest = std::max(largest, effects.commit->puts.size() + effects.commit->deletes.size());
      effects = pump.manager->on_commit(pump.store.commit(*effects.commit));
      REQUIRE_FALSE(pump.manager->stopped());
    } else {
      effects = pump.turn();
    }
  }
  CHECK(largest > 20);
  CHECK(largest <= kMostOperations);
  // A host with 300 VMs is heard with none of them: one step touches many.
  pump.post(hello("paris-1"));
  pump.settle();
  CHECK_FALSE(pump.manager->stopped());
  CHECK(load(pump.store)->records.vms.size() == 300);
  const auto chain = verify_chain(pump.store);
  REQUIRE_MESSAGE(chain.has_value(), (chain ? "" : chain.error().message));
  CHECK(*chain == pump.manager->audit_head().number);
}

TEST_CASE("a successor begins from what was stored, under a higher term") {
  Pump pump;
  pump.begin_manager();
  pump.hosts_up();
  pump.post(create_vm("web-1"));
  pump.settle();
  const Term before = pump.manager->leadership().term;
  const AuditHead head = pump.manager->audit_head();
  pump.begin_manager();
  CHECK(pump.manager->leadership().term == before.next());
  CHECK(pump.manager->audit_head().hash == head.hash);
  CHECK(pump.manager->state().vms.size() == 1);
  pump.hosts_up();
  pump.post(create_vm("web-2", "r2"));
  pump.settle();
  CHECK_FALSE(pump.manager->stopped());
  CHECK(verify_chain(pump.store).has_value());
}
