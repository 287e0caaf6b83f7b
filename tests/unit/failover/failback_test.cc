// The way home later, and called off.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/failover/away.h"

using namespace bascule;
using bascule::test::Away;

namespace {

struct CalledOff : Away {
  std::string abort() {
    const Asked by = asked("bob", "paris has lost a line again");
    return said(by, AbortFailback{by, newest});
  }
};

bool has(const FailbackPlan& plan, PlanItemPhase phase) {
  return std::any_of(plan.items.begin(), plan.items.end(),
                     [phase](const PlanItem& item) { return item.phase == phase; });
}

}  // namespace

TEST_CASE_FIXTURE(Away, "a plan that is approved for later begins then, and not before") {
  REQUIRE(plan() == "");
  CHECK(approve(2h) == "");
  CHECK(made().phase == PlanPhase::approved);
  run(2h - 10s);
  CHECK(made().phase == PlanPhase::approved);
  CHECK_FALSE(is_home(shop));
  run(90s);
  CHECK(made().phase == PlanPhase::done);
  CHECK(is_home(shop));
  CHECK(is_home(mail));
  CHECK(wrongs.empty());
}

TEST_CASE_FIXTURE(Away, "what has changed until then stays away, and people are told") {
  REQUIRE(plan() == "");
  CHECK(approve(1h) == "");
  crash(HostId("paris-1"));
  run(30s);
  boot(HostId("paris-1"));
  run(2h);
  CHECK(made().phase == PlanPhase::refused);
  CHECK_FALSE(is_home(shop));
  CHECK(made().items[0].why_safe.find("was restarted since") != std::string::npos);
  CHECK(wrongs.empty());
}

TEST_CASE_FIXTURE(Away, "an approval for later outlasts its manager, and waits until hosts were heard") {
  REQUIRE(plan() == "");
  CHECK(approve(1h) == "");
  run(1h - 1s);
  restart_manager();
  run(30s);
  CHECK(made().phase == PlanPhase::approved);
  CHECK_FALSE(is_home(shop));
  run(120s);
  CHECK(is_home(shop));
  CHECK(wrongs.empty());
}

TEST_CASE_FIXTURE(Away, "later is within a month") {
  REQUIRE(plan() == "");
  CHECK(approve(std::chrono::hours(32 * 24)) == "not_before: must lie ahead, within 31 days");
  const Asked by = asked("bob", bascule::test::kWhy);
  CHECK(said(by, ApproveFailback{by, newest, made().digest, {wall().unix_ms - 1}}) ==
        "not_before: must lie ahead, within 31 days");
  CHECK(made().phase == PlanPhase::proposed);
}

TEST_CASE_FIXTURE(Away, "who may decide no longer when it is due has decided nothing") {
  REQUIRE(plan() == "");
  CHECK(approve(1h) == "");
  state.directory.staff_own.clear();
  state.directory.staff = {{OperatorId("alice"), {StaffRole::administrator}}};
  run(2h);
  CHECK(made().phase == PlanPhase::refused);
  CHECK(made().items[0].why_safe == "bob, who approved it, may decide such things no longer");
  CHECK_FALSE(is_home(shop));
}

TEST_CASE_FIXTURE(Away, "what one plan carries home, another one leaves alone") {
  REQUIRE(plan() == "");
  const PlanId tonight = newest;
  CHECK(approve(1h) == "");
  run(1h - 1s);
  for (const VmId& id : {shop, mail})
    state.vms.at(id).record.has_copies = true;  // home's are to follow first
  REQUIRE(plan() == "");
  CHECK(approve() == "");
  REQUIRE(has(made(), PlanItemPhase::following));
  state.plans.at(tonight).not_before = wall();
  send(Tick{});
  CHECK(state.vms.at(shop).record.failback == newest);
  CHECK(state.plans.at(tonight).items[0].why_safe == "plan " + newest.value + " carries it home already");
  run(2min);
  CHECK(made().phase == PlanPhase::done);
  CHECK(state.plans.at(tonight).phase == PlanPhase::refused);
  CHECK(is_home(shop));
  CHECK(wrongs.empty());
}

TEST_CASE_FIXTURE(CalledOff, "what is approved for later can be called off, and never begins") {
  REQUIRE(plan() == "");
  CHECK(approve(1h) == "");
  CHECK(abort() == "");
  CHECK(made().phase == PlanPhase::called_off);
  run(2h);
  CHECK_FALSE(is_home(shop));
  CHECK_FALSE(is_home(mail));
  CHECK(abort() == "plan " + newest.value + " is called_off: nothing of it can be called off");
  REQUIRE(plan() == "");  // another may be made
  CHECK(approve() == "");
  run(60s);
  CHECK(is_home(shop));
  CHECK(wrongs.empty());
}

TEST_CASE_FIXTURE(CalledOff, "what is being shut down goes home, what waits for its turn stays") {
  std::vector<VmId> more;
  for (const char* name : {"a", "b", "c", "d", "e"}) more.push_back(create(name, "paris"));
  run(10s);
  lose_and_repair_home();
  REQUIRE(plan() == "");
  REQUIRE(made().items.size() == 7);
  CHECK(approve() == "");
  REQUIRE(has(made(), PlanItemPhase::stopping));
  REQUIRE(has(made(), PlanItemPhase::waiting));
  CHECK(abort() == "");
  CHECK_FALSE(has(made(), PlanItemPhase::waiting));
  CHECK(abort() == "plan " + newest.value + " is carried out already: nothing of it can be called off");
  run(60s);
  CHECK(made().phase == PlanPhase::done);
  const auto home = std::count_if(made().items.begin(), made().items.end(),
                                  [](const PlanItem& item) { return item.phase == PlanItemPhase::home; });
  CHECK(home == 4);
  for (const PlanItem& item : made().items) {
    CHECK(is_home(item.vm) == (item.phase == PlanItemPhase::home));
    CHECK_FALSE(state.vms.at(item.vm).record.failback);
  }
  CHECK(wrongs.empty());
}

TEST_CASE_FIXTURE(CalledOff, "a plan that nobody approved yet can be called off") {
  REQUIRE(plan() == "");
  CHECK(abort() == "");
  CHECK(approve().find("is called_off: make a new one") != std::string::npos);
}
