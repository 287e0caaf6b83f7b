// What a tenant's own users make and look into: quotas, addresses, consoles.
#include <doctest/doctest.h>

#include "base/tenant_network.h"
#include "tests/unit/failover/tenancy.h"

using namespace bascule;
using bascule::test::kHer;
using bascule::test::kTenant;

namespace {

struct Tenancy : bascule::test::Tenancy {
  Tenancy() : bascule::test::Tenancy({"paris-1"}) {}

  VmSpec spec(const std::string& name, std::uint32_t memory = 256, const std::string& address = "") {
    VmSpec made;
    made.id = VmId("00000000-0000-4000-8000-00000000010" + std::to_string(++made_));
    made.name = "acme/" + name;
    made.tenant = kTenant;
    made.home = SiteId("paris");
    made.memory_mib = memory;
    made.disks = {{"metro", made.id.value, 1024}};
    if (!address.empty()) made.nics = {{"br0", mac_prefix_of(kTenant) + "0:01", {address}}};
    return made;
  }
  std::string create(const VmSpec& wanted) {
    const Asked request = by_anna();
    return said(request, CreateVm{request, wanted, false});
  }
  void quota(Quota quota) { send(SetQuota{asked(), kTenant, quota}); }

 private:
  int made_ = 0;
};

}  // namespace

TEST_CASE_FIXTURE(Tenancy, "a tenant's users make machines within its quota; the staff may go beyond it") {
  CHECK(create(spec("a")) == "acme has no quota yet: ask your provider for one");
  quota({2, 600, 4, 4096});
  CHECK(create(spec("a")) == "");
  CHECK(create(spec("b", 345)) == "quota of memory in MiB: 256 of 600 are used, 345 more don't fit");
  CHECK(create(spec("b", 344)) == "");
  CHECK(
      create(spec("c", 16)) ==
      "quota of machines: 2 of 2 are used, 1 more don't fit; of memory in MiB: 600 of 600 are used, 16 more "
      "don't fit");
  send(OpenAccess{asked("alice", "more machines for them"), kTenant, AccessCategory::maintenance, 1h});
  const Asked alice = asked();
  CHECK(said(alice, CreateVm{alice, spec("d"), false}) == "");
  CHECK(state.vms.size() == 3);
}

TEST_CASE_FIXTURE(Tenancy, "volumes that grow at once don't grow beyond the quota together") {
  quota({9, 9000, 9, 2048 + 1024});
  const VmSpec one = spec("a"), two = spec("b");
  for (const VmSpec& each : {one, two}) {
    CHECK(create(each) == "");
    send(StartVmAsked{by_anna(), each.id});
  }
  run(2s);
  const auto grow = [&](const VmSpec& each) {
    const Asked request = by_anna();
    return said(request, ChangeVolumesAsked{request, each.id, wire::Grow{"metro", each.id.value, 2048}});
  };
  CHECK(grow(one) == "");
  CHECK(grow(two) == "quota of storage in MiB: 3072 of 3072 are used, 1024 more don't fit");
}

TEST_CASE_FIXTURE(Tenancy, "a quota is the staff's to give") {
  const Asked request = by_anna();
  CHECK(said(request, SetQuota{request, kTenant, {9, 9, 9, 9}}) == "nothing of that name is yours");
  const Asked alice = asked();
  CHECK(said(alice, SetQuota{alice, TenantId("nobody"), {}}) == "no tenant nobody");
}

TEST_CASE_FIXTURE(Tenancy, "a tenant's machine has a MAC address of its tenant's") {
  quota({9, 9000, 9, 90'000});
  VmSpec forged = spec("a", 64, "198.18.64.9");
  for (const char* mac : {"", "52:54:00:00:00:01", "56:b5:00:01:00:01"}) {
    forged.nics[0].mac = mac;
    CHECK(create(forged).starts_with("nics: a MAC address of acme begins with 56:b5:"));
  }
}

TEST_CASE_FIXTURE(Tenancy, "no two tenants have the same tag on the network") {
  const TenantId one("t611"), two("t1687");
  REQUIRE(tag_of(one) == tag_of(two));
  CHECK(tag_of(TenantId()) == 0);
  CHECK(mac_prefix_of(one) == "56:b5:5f:91:f");
  Asked request = asked();
  CHECK(said(request, CreateTenant{request, one}) == "");
  request = asked();
  CHECK(said(request, CreateTenant{request, two}) ==
        "on the network it couldn't be told from t611 (by chance): choose another name");
}

TEST_CASE_FIXTURE(Tenancy, "no address is given twice") {
  quota({9, 9000, 9, 90'000});
  CHECK(create(spec("a", 64, "198.18.64.9")) == "");
  CHECK(create(spec("b", 64, "198.18.64.9")) == "nics: the address 198.18.64.9 is another's");
  VmSpec twice = spec("c", 64, "198.18.64.10");
  twice.nics.push_back(twice.nics[0]);
  CHECK(create(twice) == "nics: the address 198.18.64.10 is another's");
}

TEST_CASE_FIXTURE(Tenancy,
                  "a console needs a reason of a tenant's user, and a machine that runs and has it") {
  quota({9, 9000, 9, 90'000});
  const VmSpec shop = spec("shop-1");
  const auto open = [&](const std::string& reason, wire::ConsoleKind kind = wire::ConsoleKind::serial) {
    const Asked request = by_anna(reason);
    return said(request, OpenConsole{request, shop.id, kind});
  };
  CHECK(create(shop) == "");
  CHECK(open("") == "reason: must have at least three different words");
  CHECK(open("look look LOOK") == "reason: must have at least three different words");
  CHECK(open("the shop hangs") == "shop-1 is stopped: it must run");
  send(StartVmAsked{by_anna(), shop.id});
  run(2s);
  CHECK(open("the shop hangs") == "");
  CHECK(open("the shop hangs", wire::ConsoleKind::screen) == "shop-1 has no screen, only a serial line");
  // Its tenant made it: nobody of the provider has been inside, and nobody gets there.
  send(OpenAccess{asked("alice", "the shop hangs"), kTenant, AccessCategory::incident, 1h});
  const Asked alice = asked("alice", "the shop hangs");
  CHECK(said(alice, OpenConsole{alice, shop.id, wire::ConsoleKind::serial}) ==
        "it is delivered to acme, who alone gets inside");
}

TEST_CASE_FIXTURE(Tenancy,
                  "a machine that is stopped gets another name and size, within the quota; and may be kept") {
  quota({2, 600, 3, 90'000});
  const VmSpec shop = spec("shop-1");
  CHECK(create(shop) == "");
  CHECK(create(spec("shop-2")) == "");
  const auto change = [&](const std::optional<std::string>& name, std::optional<std::uint32_t> memory,
                          std::optional<std::uint32_t> vcpus, std::optional<bool> keep) {
    const Asked request = by_anna();
    return said(request, ChangeVm{request, shop.id, name, memory, vcpus, keep});
  };
  CHECK(change("shop-2", {}, {}, {}) == "a VM named shop-2 exists, choose another");
  CHECK(change("no/slash", {}, {}, {}).starts_with("name: "));
  CHECK(change({}, 345, {}, {}) == "quota of memory in MiB: 512 of 600 are used, 89 more don't fit");
  CHECK(change("shop-3", 128, 2, true) == "");
  CHECK(vm("acme/shop-3").record.spec.memory_mib == 128);
  CHECK_FALSE(state.vm_names.contains("acme/shop-1"));
  CHECK(change({}, 344, {}, {}) == "");  // what it gave back counts
  const auto remove = [&] {
    const Asked request = by_anna();
    return said(request, DeleteVm{request, shop.id});
  };
  CHECK(remove() == "shop-3 is to be kept: take that back first");
  send(StartVmAsked{by_anna(), shop.id});
  run(2s);
  CHECK(change({}, 64, {}, {}) == "shop-3 must be stopped for that");
  CHECK(change({}, {}, {}, false) == "");
  send(StopVmAsked{by_anna(), shop.id, wire::StopHow::kill});
  run(5s);
  CHECK(remove() == "");
}
