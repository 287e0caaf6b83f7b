// What a tenant says about the way home, and what plans make of it.
#include "failover/return_wish.h"

#include <doctest/doctest.h>

#include "tests/unit/failover/tenancy.h"

namespace {

using namespace bascule;

constexpr const char* kWhy = "paris is repaired and quiet";

// Two of anna's machines that were switched to lyon, whose home is repaired.
struct Away : bascule::test::Tenancy {
  Away() : bascule::test::Tenancy({"paris-1", "lyon-1"}) {
    shop = create("shop", "paris");
    mail = create("mail", "paris");
    run(5s);
    for (const VmId& id : {shop, mail})
      state.vms.at(id).record.spec.tenant = bascule::test::kTenant;  // as if made for it
    crash(HostId("paris-1"));
    run(30s);
    boot(HostId("paris-1"));
    run(30s);
    const Asked clear = asked();
    REQUIRE(said(clear, ClearHost{clear, HostId("paris-1")}) == "");
    run(5s);
    REQUIRE(state.vms.at(shop).record.away);
  }
  std::string wish(const VmId& vm, Duration later) {
    const Asked by = by_anna();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(later).count();
    return said(by, WishReturn{by, vm, {wall().unix_ms + ms}});
  }
  // What is left out, or why there is no plan.
  std::string plan(const std::vector<VmId>& vms = {}) {
    const Asked by = asked();
    const std::string refused = said(by, PlanFailback{by, vms});
    if (!refused.empty()) return refused;
    newest = PlanId(answers.at(by.request.value).subject);
    return "";
  }
  const FailbackPlan& made() const { return state.plans.at(newest); }
  std::string approve() {
    const Asked by = asked("bob", kWhy);
    return said(by, ApproveFailback{by, newest, made().digest});
  }
  bool is_home(const VmId& vm) const { return !state.vms.at(vm).record.away; }

  VmId shop, mail;
  PlanId newest;
};

}  // namespace

TEST_CASE_FIXTURE(Away, "a plan for all leaves out what its tenant has postponed, until then") {
  CHECK(wish(shop, 2h) == "");
  REQUIRE(plan() == "");
  REQUIRE(made().items.size() == 1);
  CHECK(made().items[0].vm == mail);
  CHECK(approve() == "");
  run(60s);
  CHECK(is_home(mail));
  CHECK_FALSE(is_home(shop));
  CHECK(plan().find("its tenant (acme/anna) asks that it isn't moved before") != std::string::npos);
  run(2h);
  REQUIRE(plan() == "");
  CHECK(made().items[0].despite.empty());
}

TEST_CASE_FIXTURE(Away, "a plan that names it takes it, and says what its tenant asked") {
  CHECK(wish(shop, 2h) == "");
  REQUIRE(plan({shop}) == "");
  CHECK(made().items[0].despite.find("acme/anna") != std::string::npos);
  CHECK(approve() == "");
  run(60s);
  CHECK(is_home(shop));
  CHECK_FALSE(state.vms.at(shop).record.return_wish);
}

TEST_CASE_FIXTURE(Away, "what is postponed after a plan was made isn't carried by it") {
  REQUIRE(plan() == "");
  CHECK(wish(shop, 2h) == "");
  CHECK(approve().find("shop: its tenant (acme/anna) asks") != std::string::npos);
  CHECK(wish(shop, -1s) == "");  // at any time, after all
  CHECK(approve() == "");
  run(60s);
  CHECK(is_home(shop));
}

TEST_CASE_FIXTURE(Away, "wishes are the tenant's, within a month, about what is away") {
  CHECK(wish(shop, std::chrono::hours(32 * 24)) == "not_before: must be within 31 days");
  const Asked alice = asked("alice", kWhy);
  CHECK_FALSE(said(alice, WishReturn{alice, shop, {}}).empty());
  CHECK_FALSE(state.vms.at(shop).record.return_wish);
  REQUIRE(plan({shop}) == "");
  CHECK(approve() == "");
  run(60s);
  CHECK(wish(shop, 1h) == "shop is at home");
}
