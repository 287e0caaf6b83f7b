// Who gets inside a delivered machine: whatever a manager says, only whom its tenant's key lets in. The
// attacks here are those of somebody who has the manager, the portal and the network, but no host and no key.
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/unit/hostd/custody_fixture.h"

namespace bascule::hostd {
namespace {

TEST_CASE_FIXTURE(Custodial, "whoever the tenant's key lets in gets in, once, until the grant ends") {
  REQUIRE(begin(shop(), true));
  CHECK(says(enter(std::nullopt), "acme alone gets inside"));
  const Grant good = grant();
  CHECK(enter(good) == "");
  CHECK(says(enter(good), "used before"));
  boot();  // the daemon starts anew
  CHECK(says(enter(good), "used before"));
  CHECK(enter(grant()) == "");
}

TEST_CASE_FIXTURE(Custodial, "one of the provider's staff gets in by a grant, and by nobody else's") {
  REQUIRE(begin(shop(), true));
  Grant for_alice = grant();
  for_alice.who = OperatorId("alice");
  for_alice = acme.sign(for_alice);
  CHECK(says(enter(for_alice, "bob"), "for alice, not for bob"));
  CHECK(enter(for_alice, "alice") == "");
}

TEST_CASE_FIXTURE(Custodial, "forged, altered, expired and foreign grants open nothing") {
  REQUIRE(begin(shop(), true));
  Grant bad = grant();
  SUBCASE("altered after it was signed") {
    bad.not_after = {bad.not_after.unix_ms + 1};
    CHECK(says(enter(bad), "not of that text"));
  }
  SUBCASE("signed by another key") { CHECK(says(enter(mallory.sign(bad)), "not of that text")); }
  SUBCASE("signed by a key that vouches for itself") {
    bad.pin = mallory.vouch(mallory, "acme");
    CHECK(says(enter(mallory.sign(bad)), "vouched for neither"));
  }
  SUBCASE("signed by another tenant's key") {
    bad.pin = officer().vouch(mallory, "other");
    CHECK(says(enter(mallory.sign(bad)), "the grant's key is of other"));
  }
  SUBCASE("a pin of which the tenant was changed") {
    bad.pin = officer().vouch(mallory, "other");
    bad.pin.tenant = TenantId("acme");
    CHECK(says(enter(mallory.sign(bad)), "vouched for neither"));
  }
  SUBCASE("expired") {
    bad.not_before = {clock.wall().unix_ms - 7200 * 1000};
    bad.not_after = {clock.wall().unix_ms - 1};
    CHECK(says(enter(acme.sign(bad)), "has expired"));
  }
  SUBCASE("not good yet") {
    bad.not_before = {clock.wall().unix_ms + 3600 * 1000};
    bad.not_after = {bad.not_before.unix_ms + 1000};
    CHECK(says(enter(acme.sign(bad)), "isn't good yet"));
  }
  SUBCASE("for too long") {
    bad.not_after = {bad.not_before.unix_ms + 25LL * 3600 * 1000};
    CHECK(says(enter(acme.sign(bad)), "more than 24 hours"));
  }
  SUBCASE("for ever") {
    bad.not_before = {INT64_MIN};
    bad.not_after = {INT64_MAX};
    CHECK(says(enter(acme.sign(bad)), "more than 24 hours"));
  }
  SUBCASE("where the host knows no officer") {
    trusted.officer.clear();
    boot();
    agent->watch_custody();
    CHECK(says(enter(bad), "names no officer"));
    trusted.officer = officer().key.public_pem();
    boot();
    agent->watch_custody();
  }
  SUBCASE("for another machine") {
    bad.vm = VmId("00000000-0000-4000-8000-000000000001");
    CHECK(says(enter(acme.sign(bad)), "for another machine"));
  }
  SUBCASE("for nothing") {
    bad.operations.clear();
    CHECK(says(enter(acme.sign(bad)), "isn't for console"));
  }
  SUBCASE("without a nonce") {
    bad.nonce = "short";
    CHECK(says(enter(acme.sign(bad)), "nonce"));
  }
  SUBCASE("no key at all") {
    bad.pin.key = "no key";
    CHECK_FALSE(enter(bad).empty());
  }
  CHECK(enter(grant()) == "");  // the machine's own way in is still there
}

TEST_CASE_FIXTURE(Custodial, "a key is followed by one that it vouches for, and counts no more then") {
  REQUIRE(begin(shop(), true));
  CHECK(enter(grant()) == "");
  const KeyHolder second(folder, "second");
  Grant by_second = grant();
  SUBCASE("vouched for by the key before") { by_second.pin = acme.vouch(second, "acme", 2); }
  SUBCASE("vouched for by the officer: the key before was lost") {
    by_second.pin = officer().vouch(second, "acme", 2);
  }
  CHECK(enter(second.sign(by_second)) == "");
  CHECK(says(enter(grant()), "a newer key of acme is known"));
  // Not even when the old one is vouched for again.
  Grant again = grant();
  again.pin = officer().vouch(acme, "acme", 2);
  CHECK(says(enter(acme.sign(again)), "a newer key of acme is known"));
}

TEST_CASE_FIXTURE(Custodial, "a key doesn't follow by its own word, nor by a stranger's") {
  REQUIRE(begin(shop(), true));
  CHECK(enter(grant()) == "");
  Grant by_mallory = grant();
  by_mallory.pin = mallory.vouch(mallory, "acme", 2);
  CHECK(says(enter(mallory.sign(by_mallory)), "vouched for neither"));
}

TEST_CASE_FIXTURE(Custodial, "whoever stole a key can't take the officer's next numbers") {
  REQUIRE(begin(shop(), true));
  CHECK(enter(grant()) == "");
  Grant by_thief = grant();
  by_thief.pin = acme.vouch(mallory, "acme", UINT64_MAX);
  CHECK(says(enter(mallory.sign(by_thief)), "vouched for neither"));
}

TEST_CASE_FIXTURE(Custodial,
                  "what isn't delivered yet is open to whom the manager lets in, and shut from then on") {
  REQUIRE(begin(shop(), false));
  CHECK(enter(std::nullopt, "alice") == "");
  deliver();
  CHECK(says(enter(std::nullopt, "alice"), "acme alone gets inside"));
  CHECK(enter(grant()) == "");
}

TEST_CASE_FIXTURE(Custodial, "it is delivered as it was started, and no other way in is slipped under") {
  REQUIRE(begin(shop(), false));
  wire::Command order = command(1);
  VmSpec other = shop();
  other.seed = Seed{"{}", "#cloud-config", ""};
  order.order = wire::ChangeVolumes{other, wire::Deliver()};
  const auto reply = obey(order);
  REQUIRE(reply);
  REQUIRE(reply->error);
  CHECK(says(reply->error->message, "boot otherwise"));
}

TEST_CASE_FIXTURE(Custodial, "a start that fails changes nothing of what is accepted") {
  REQUIRE(begin(shop(), false));
  hypervisor.crash(kVm);
  boot();
  VmSpec other = shop();
  other.seed = Seed{"{}", "#cloud-config", ""};
  hypervisor.fail_next_start({ErrorCode::internal, "qemu refused"});
  CHECK_FALSE(begin(other, false, 2));
  CHECK((*pools.at("metro")->custody("shop-1"))->boots == digest_of_boot(shop()));
  REQUIRE(begin(other, false, 3));
  CHECK((*pools.at("metro")->custody("shop-1"))->boots == digest_of_boot(other));
}

TEST_CASE_FIXTURE(Custodial, "custody that got lost comes back as the strictest that it may have been") {
  REQUIRE(begin(shop(), false));
  hypervisor.crash(kVm);
  boot();
  std::filesystem::remove(folder.path("pool/.shop-1.custody"));
  REQUIRE(begin(shop(), false, 2));
  CHECK(says(enter(std::nullopt, "alice"), "acme alone gets inside"));
}

TEST_CASE_FIXTURE(Custodial, "a daemon that has just begun opens nothing that it hasn't looked at") {
  REQUIRE(begin(shop(), false));
  boot();
  CHECK(says(enter(std::nullopt, "alice"), "try again"));
  agent->watch_custody();
  CHECK(enter(std::nullopt, "alice") == "");
}

TEST_CASE_FIXTURE(Custodial, "custody without a volume goes with its machine") {
  REQUIRE(pools.at("metro")->set_custody("shop-1", first_custody(shop(), true)));
  REQUIRE(pools.at("metro")->remove("shop-1", VmId("00000000-0000-4000-8000-000000000002")));
  CHECK(std::filesystem::exists(folder.path("pool/.shop-1.custody")));
  REQUIRE(pools.at("metro")->remove("shop-1", kVm));
  CHECK_FALSE(std::filesystem::exists(folder.path("pool/.shop-1.custody")));
}

TEST_CASE_FIXTURE(Custodial, "what was accepted before its first start went well is shut by the next") {
  REQUIRE(begin(shop(), false));
  hypervisor.crash(kVm);
  boot();
  REQUIRE(begin(shop(), true, 2));
  CHECK(says(enter(std::nullopt, "alice"), "acme alone gets inside"));
}

TEST_CASE_FIXTURE(Custodial, "volumes that are made anew under a guest that runs don't open it") {
  REQUIRE(begin(shop(), true));
  std::filesystem::remove(folder.path("pool/.shop-1.custody"));
  REQUIRE(pools.at("metro")->set_custody("shop-1", first_custody(shop(), false)));
  CHECK(says(enter(std::nullopt, "alice"), "it was delivered"));
}

TEST_CASE_FIXTURE(Custodial,
                  "of two hosts that make it, the first has it, and neither takes the other's custody away") {
  test::write_file(folder.path("pool/.shop-1.custody"), text_of(first_custody(shop(), true)));
  VmSpec thief = shop();
  thief.id = VmId("00000000-0000-4000-8000-000000000002");
  CHECK_FALSE(begin(thief, false));
  CHECK(test::read_file(folder.path("pool/.shop-1.custody")) == text_of(first_custody(shop(), true)));
  CHECK(pools.at("metro")->remove("shop-1", thief.id));
}

TEST_CASE_FIXTURE(Custodial, "a grant that is wrong lets nobody in, not even where none is needed") {
  REQUIRE(begin(shop(), false));
  CHECK(says(enter(mallory.sign(grant())), "not of that text"));
}

TEST_CASE_FIXTURE(Custodial, "a manager that sets it back, on a host that never saw it, opens nothing") {
  REQUIRE(begin(shop(), true));
  CHECK(enter(grant()) == "");
  hypervisor.crash(kVm);
  std::filesystem::remove(folder.path("tombstones.json"));
  std::filesystem::remove(folder.path("grants.json"));
  boot();  // a host that joined today
  SUBCASE("as one that is being prepared") {
    REQUIRE(begin(shop(), false, 2));
    CHECK(says(enter(std::nullopt, "alice"), "acme alone gets inside"));
  }
  SUBCASE("as nobody's") {
    VmSpec nobodys = shop();
    nobodys.tenant = TenantId();
    nobodys.name = "shop-1";
    CHECK(says(begin(nobodys, false, 2).error().message, "belongs to tenant acme"));
  }
  SUBCASE("with a kernel of its own") {
    VmSpec other = shop();
    test::write_file(folder.path("pool/boot/evil"), "kernel");
    other.kernel = KernelBoot{"metro", "evil", "", "init=/bin/sh"};
    CHECK(says(begin(other, true, 2).error().message, "boot otherwise"));
  }
  SUBCASE("with first settings of its own") {
    VmSpec other = shop();
    other.seed = Seed{"{}", "#cloud-config\nssh_authorized_keys: [mallory]", ""};
    CHECK(says(begin(other, true, 2).error().message, "boot otherwise"));
  }
  SUBCASE("larger than before, which is its right") {
    VmSpec larger = shop();
    larger.memory_mib = 128;
    larger.disks[0].size_mib = 2;
    CHECK(begin(larger, true, 2));
  }
}

TEST_CASE_FIXTURE(Custodial, "a tenant's volume is no way into another machine") {
  REQUIRE(begin(shop(), true));
  hypervisor.crash(kVm);
  VmSpec thief;
  thief.id = VmId("00000000-0000-4000-8000-000000000002");
  thief.name = "thief";
  thief.home = SiteId("paris");
  thief.memory_mib = 64;
  SUBCASE("as its second disk") {
    thief.disks = {{"metro", "own", 1}, {"metro", "shop-1", 1}};
    CHECK(says(begin(thief, false).error().message, "belongs to VM " + kVm.value));
  }
  SUBCASE("named by the header of its own") {
    thief.disks = {{"metro", "own", 1}};
    REQUIRE(begin(thief, false));
    hypervisor.crash(thief.id);
    boot();
    REQUIRE(std::system(("cd " + folder.path("pool") +
                         " && rm own && qemu-img create -q -f qcow2 -b shop-1 -F raw own")
                            .c_str()) == 0);
    thief.disks[0].format = DiskFormat::qcow2;
    CHECK(says(begin(thief, false, 2).error().message, "refers to another file"));
  }
  SUBCASE("and what machines boot is no volume") {
    test::write_file(folder.path("pool/boot/kernel"), "kernel");
    thief.disks = {{"metro", "boot", 1}};
    CHECK_FALSE(begin(thief, false));
    thief.disks = {{"metro", "kernel", 1}};
    CHECK(begin(thief, false));
    CHECK(test::read_file(folder.path("pool/boot/kernel")) == "kernel");
  }
}

TEST_CASE_FIXTURE(Custodial, "what can't be read of it is no leave to enter") {
  REQUIRE(begin(shop(), true));
  test::write_file(folder.path("pool/.shop-1.custody"), "{\"version\": 1");
  CHECK_FALSE(enter(grant()).empty());
  std::filesystem::remove(folder.path("pool/.shop-1.custody"));
  CHECK(says(enter(grant()), "stays shut"));
}

TEST_CASE_FIXTURE(Custodial, "the provider's own machines have no tenant to ask") {
  VmSpec own = shop();
  own.name = "web-1";
  own.tenant = TenantId();
  REQUIRE(begin(own, false));
  CHECK(enter(std::nullopt, "alice") == "");
}

TEST_CASE_FIXTURE(Custodial, "a host notes so many grants that are used, and no more") {
  REQUIRE(begin(shop(), true));
  std::string spent;
  for (int i = 0; i < 10'000; ++i)
    spent += (i == 0 ? "\"n" : ",\"n") + std::to_string(i) + "\":" + json::encode_text(WallTime{1'000'000});
  test::write_file(folder.path("grants.json"), "{\"version\":1,\"spent\":{" + spent + "}}");
  boot();
  agent->watch_custody();
  CHECK(says(enter(grant()), "too many grants"));
}

TEST_CASE_FIXTURE(Custodial,
                  "a machine that isn't delivered is shut too, once nothing is kept of whose it is") {
  REQUIRE(begin(shop(), false));
  std::filesystem::remove(folder.path("pool/.shop-1.custody"));
  CHECK(says(enter({}, "alice"), "nothing is kept"));
}

TEST_CASE_FIXTURE(Custodial, "a guest with another machine's volume in its definition opens neither") {
  REQUIRE(begin(shop(), false));
  VmSpec other = shop();
  other.id = VmId("00000000-0000-4000-8000-000000000002");
  REQUIRE(pools.at("metro")->set_custody("shop-1", first_custody(other, false)));
  CHECK(says(enter({}, "alice"), "belongs to another machine"));
}

TEST_CASE_FIXTURE(Custodial, "what is delivered is the machine's own, and its custody is there") {
  REQUIRE(begin(shop(), false));
  wire::Command order = command(1);
  VmSpec other = shop();
  SUBCASE("of another tenant") {
    other.tenant = TenantId("other");
    order.order = wire::ChangeVolumes{other, wire::Deliver()};
    CHECK(says(obey(order)->error->message, "belongs to tenant acme"));
  }
  SUBCASE("without its custody") {
    std::filesystem::remove(folder.path("pool/.shop-1.custody"));
    order.order = wire::ChangeVolumes{other, wire::Deliver()};
    CHECK(says(obey(order)->error->message, "from before custody was kept"));
  }
}

TEST_CASE_FIXTURE(Custodial, "a CD in the drive may be taken out after delivery, and no other put in") {
  std::filesystem::create_directories(folder.path("pool/templates"));
  for (const char* name : {"image-1", "image-2"})
    test::write_file(folder.path("pool/templates/") + name, "CD");
  VmSpec with = shop();
  with.cdrom = Cdrom{"metro", "image-1"};
  REQUIRE(begin(with, true));
  hypervisor.crash(kVm);
  boot();
  SUBCASE("taken out, and back in") {
    REQUIRE(begin(shop(), true, 2));
    hypervisor.crash(kVm);
    boot();
    REQUIRE(begin(with, true, 3));
  }
  SUBCASE("another") {
    with.cdrom->image = "image-2";
    CHECK(says(begin(with, true, 2).error().message, "another CD"));
  }
}

TEST_CASE_FIXTURE(Custodial, "who may get inside goes with the volume") {
  REQUIRE(begin(shop(), true));
  hypervisor.crash(kVm);
  REQUIRE(pools.at("metro")->remove("shop-1", kVm));
  CHECK_FALSE(std::filesystem::exists(folder.path("pool/.shop-1.custody")));
}

}  // namespace
}  // namespace bascule::hostd
