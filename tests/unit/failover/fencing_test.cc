// Receipts: for each rule of evidence, a case in which only that rule is broken.
#include "failover/fencing.h"

#include <doctest/doctest.h>

#include "failover/policy.h"
#include "failover/state.h"

namespace {

using namespace bascule;

struct Proof {
  State state;
  Policy policy;
  Instant now{100s};
  const VmId vm{"vm-1"};
  const Copy copy{HostId("paris-1"), BootId("boot-1")};

  Proof() {
    Host& host = state.hosts[copy.host];
    host.record.id = copy.host;
    host.record.boot_id = copy.boot_id;
    host.record.bmc = BmcBinding{"guid-1", {}};
    Vm& v = state.vms[vm];
    v.record.spec.id = vm;
    v.record.spec.name = "web-1";
    v.record.placement = {copy.host, Generation(3), {copy}};
  }
  Host& host() { return state.hosts[copy.host]; }
  VmRecord& record() { return state.vms[vm].record; }
  bool minted() { return mint_receipt(state, vm, copy, now, policy).has_value(); }

  void power(std::string guid = "guid-1", Duration apart = 1100ms, std::string boot = "boot-1") {
    host().record.evidence = {PowerOffEvidence{{copy.host, BootId(boot)}, std::move(guid), apart, {}}};
  }
  void lease(Duration lapse = 18s) {
    host().record.revoked = copy.boot_id;
    host().record.evidence = {LeaseLapsedEvidence{copy, 7, lapse, {}}};
  }
  void word(Generation generation, std::string of = "vm-1") {
    record().words = {HostWordEvidence{copy.host, BootId("boot-2"), VmId(of), generation, {}}};
  }
};

}  // namespace

TEST_CASE("without evidence there is no receipt, and the message names copy and VM") {
  Proof p;
  const auto receipt = mint_receipt(p.state, p.vm, p.copy, p.now, p.policy);
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().message.find("web-1 may still run on paris-1 (boot boot-1)") != std::string::npos);
}

TEST_CASE("power off counts only from the bound BMC, of this boot, read twice a second apart") {
  Proof p;
  p.power();
  CHECK(p.minted());
  p.power("guid-2");
  CHECK_FALSE(p.minted());
  p.power("guid-1", 900ms);
  CHECK_FALSE(p.minted());
  p.power("guid-1", 1100ms, "boot-0");
  CHECK_FALSE(p.minted());
  p.power();
  p.host().record.bmc.reset();
  CHECK_FALSE(p.minted());
}

TEST_CASE("no stored evidence counts against a boot that speaks now") {
  Proof p;
  p.power();
  p.host().live.session = true;
  CHECK_FALSE(p.minted());
  p.host().record.boot_id = BootId("boot-2");
  CHECK(p.minted());
}

TEST_CASE("nothing counts in a recovering epoch") {
  Proof p;
  p.power();
  p.word(Generation(3));
  p.state.cluster.recovering = true;
  CHECK_FALSE(p.minted());
}

TEST_CASE("a lapse counts only while this boot's lease stays revoked, after a wait") {
  Proof p;
  p.lease();
  CHECK(p.minted());
  p.lease(Duration{0});
  CHECK_FALSE(p.minted());
  p.lease();
  p.host().record.withheld = true;
  CHECK_FALSE(p.minted());
  p.host().record.withheld = false;
  p.host().record.revoked.reset();
  CHECK_FALSE(p.minted());
}

TEST_CASE("a host's word counts up to its generation, for its VM") {
  Proof p;
  p.word(Generation(3));
  CHECK(p.minted());
  p.word(Generation(2));
  CHECK_FALSE(p.minted());
  p.word(Generation(3), "vm-2");
  CHECK_FALSE(p.minted());
}

TEST_CASE("an operator's word names a serial and expires") {
  Proof p;
  p.host().record.evidence = {OperatorEvidence{p.copy, OperatorId("alice"), {}, "CZ123", {}}};
  CHECK_FALSE(p.minted());
  p.host().live.attested_until = p.now + 10s;
  CHECK(p.minted());
  p.now = p.now + 11s;
  CHECK_FALSE(p.minted());
  p.now = p.now - 5s;
  p.host().record.evidence = {OperatorEvidence{p.copy, OperatorId("alice"), {}, "", {}}};
  CHECK_FALSE(p.minted());
}

TEST_CASE("a start elsewhere needs a receipt for every copy, of this very VM") {
  Proof p;
  p.power();
  const Copy other{HostId("lyon-1"), BootId("boot-9")};
  p.record().placement.may_run.push_back(other);
  std::vector<Receipt> receipts{*mint_receipt(p.state, p.vm, p.copy, p.now, p.policy)};
  const auto refused = StartElsewhere::prove(p.state, p.vm, receipts);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("lyon-1") != std::string::npos);

  p.record().placement.may_run = {p.copy};
  const auto permit = StartElsewhere::prove(p.state, p.vm, receipts);
  REQUIRE(permit.has_value());
  CHECK(permit->next_generation() == Generation(4));

  const VmId second("vm-2");
  p.state.vms[second].record = p.record();
  p.state.vms[second].record.spec.id = second;
  CHECK_FALSE(StartElsewhere::prove(p.state, second, receipts).has_value());

  p.record().placement.generation = Generation(5);  // the receipt is older than a newer start
  CHECK_FALSE(StartElsewhere::prove(p.state, p.vm, receipts).has_value());
}
