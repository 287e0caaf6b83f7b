// What a tenant says about the way home, and what plans make of it.
#include "failover/return_wish.h"

#include <doctest/doctest.h>

#include "tests/unit/failover/away.h"

using namespace bascule;
using bascule::test::Away;

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
  const Asked alice = asked("alice", bascule::test::kWhy);
  CHECK_FALSE(said(alice, WishReturn{alice, shop, {}}).empty());
  CHECK_FALSE(state.vms.at(shop).record.return_wish);
  REQUIRE(plan({shop}) == "");
  CHECK(approve() == "");
  run(60s);
  CHECK(wish(shop, 1h) == "shop is at home");
}
