// Two of anna's machines that were switched to lyon, whose home is repaired; and what is asked of plans.
#pragma once

#include "tests/unit/failover/tenancy.h"

namespace bascule::test {

inline constexpr const char* kWhy = "paris is repaired and quiet";

struct Away : Tenancy {
  Away() : Tenancy({"paris-1", "lyon-1"}) {
    shop = create("shop", "paris");
    mail = create("mail", "paris");
    run(5s);
    for (const VmId& id : {shop, mail}) state.vms.at(id).record.spec.tenant = kTenant;  // as if made for it
    lose_and_repair_home();
    REQUIRE(state.vms.at(shop).record.away);
  }
  void lose_and_repair_home() {
    crash(HostId("paris-1"));
    run(30s);
    boot(HostId("paris-1"));
    run(30s);
    const Asked clear = asked();
    REQUIRE(said(clear, ClearHost{clear, HostId("paris-1")}) == "");
    run(5s);
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
  std::string approve(Duration later = {}) {
    const Asked by = asked("bob", kWhy);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(later).count();
    return said(by, ApproveFailback{by, newest, made().digest, {later > 0s ? wall().unix_ms + ms : 0}});
  }
  bool is_home(const VmId& vm) const { return !state.vms.at(vm).record.away; }

  VmId shop, mail;
  PlanId newest;
};

}  // namespace bascule::test
