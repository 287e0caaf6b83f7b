// Who gets inside a delivered machine: whatever a manager says, only whom its tenant's key lets in. The
// attacks here are those of somebody who has the manager, the portal and the network, but no host and no key.
#include <doctest/doctest.h>

#include <cstdlib>

#include "base/json.h"
#include "base/signing.h"
#include "hostd/domain_xml.h"
#include "tests/unit/hostd/agent_fixture.h"

namespace bascule::hostd {
namespace {

// Whoever has a key: the tenant, the security officer, an attacker.
struct KeyHolder {
  KeyHolder(const test::TemporaryFolder& folder, const std::string& name)
      : key(*SigningKey::make(folder.path(name + ".key"))) {}
  explicit KeyHolder(SigningKey loaded) : key(std::move(loaded)) {}

  Pin vouch(const KeyHolder& whose, const std::string& tenant, std::uint64_t serial = 1) const {
    Pin pin{TenantId(tenant), serial, whose.key.public_pem(), ""};
    pin.signature = *key.sign(signed_text(pin));
    return pin;
  }
  Grant sign(Grant grant) const {
    grant.signature = *key.sign(signed_text(grant));
    return grant;
  }
  SigningKey key;
};

// A host with a machine of acme's; time is real where grants are judged.
struct Custodial : Host {
  KeyHolder acme{folder, "acme"}, mallory{folder, "mallory"};
  KeyHolder bob{folder, "bob"}, carol{folder, "carol"};  // of the provider: together they break the glass
  Pin pin = officer().vouch(acme, "acme");
  int nonces = 0;

  Custodial() {
    trusted.officer = officer().key.public_pem();
    trusted.glass = {bob.key.public_pem(), carol.key.public_pem()};
    boot();
  }
  const KeyHolder& officer() {
    static const test::TemporaryFolder office;
    static const KeyHolder holder(office, "officer");
    return holder;
  }

  VmSpec shop() const {
    VmSpec made;
    made.id = kVm;
    made.name = "acme/shop-1";
    made.tenant = TenantId("acme");
    made.home = SiteId("paris");
    made.memory_mib = 64;
    made.disks = {{"metro", "shop-1", 1}};
    return made;
  }
  Status begin(const VmSpec& wanted, bool delivered, std::uint64_t generation = 1) {
    wire::Command order = command(generation);
    order.order = wire::StartVm{wanted, {}, Generation(generation - 1), delivered};
    const auto reply = obey(order);
    REQUIRE(reply);
    return reply->error ? Status(failure(*reply->error)) : Status();
  }
  void deliver() {
    wire::Command order = command(1);
    order.order = wire::ChangeVolumes{shop(), wire::Deliver()};
    must(order);
  }
  Grant grant() {
    const WallTime now = clock.wall();
    Grant made;
    made.vm = kVm;
    made.operations = {Inside::console};
    made.who = OperatorId("acme/anna");
    made.reason = "it hangs since noon";
    made.not_before = now;
    made.not_after = {now.unix_ms + 3600 * 1000};
    made.nonce = "nonce" + std::to_string(1'000'000'000'000 + ++nonces);
    made.pin = pin;
    return acme.sign(made);
  }
  BrokenGlass glass(const std::vector<const KeyHolder*>& signers) {
    const WallTime now = clock.wall();
    BrokenGlass made;
    made.vm = kVm;
    made.tenant = TenantId("acme");
    made.who = OperatorId("bob");
    made.reason = "it spreads malware now";
    made.not_before = now;
    made.not_after = {now.unix_ms + 3600 * 1000};
    made.nonce = "glass" + std::to_string(1'000'000'000'000 + ++nonces);
    return sign(made, signers);
  }
  static BrokenGlass sign(BrokenGlass made, const std::vector<const KeyHolder*>& signers) {
    made.signatures.clear();
    for (const KeyHolder* each : signers)
      made.signatures.push_back({each->key.public_pem(), *each->key.sign(signed_text(made))});
    return made;
  }
  // Why they don't get in; empty: they do.
  std::string enter(const std::optional<Grant>& with, const std::string& who = "acme/anna",
                    const std::optional<BrokenGlass>& broken = {}) {
    const wire::OpenStream order{"s",  kVm,   Generation(1), wire::ConsoleKind::serial, OperatorId(who),
                                 with, broken};
    const auto xml = hypervisor.xml(kVm);
    REQUIRE(xml);
    const auto entered = agent->enter(order, identity_of(*xml));
    return entered ? "" : entered.error().message;
  }
};

constexpr std::int64_t kGlassWait_ms = 5 * 60'000;

bool says(const std::string& text, const std::string& words) {
  CAPTURE(text);
  return text.find(words) != std::string::npos;
}

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

TEST_CASE_FIXTURE(Custodial,
                  "two of the provider break the glass: the tenant has a while, and the mark stays") {
  REQUIRE(begin(shop(), true));
  const BrokenGlass broken = glass({&bob, &carol});
  CHECK(says(enter({}, "bob", broken), "acme is told now"));
  CHECK(says(enter({}, "bob", broken), "acme was told"));
  clock.advance_wall(kGlassWait_ms - 1);
  CHECK(says(enter({}, "bob", broken), "acme was told"));
  clock.advance_wall(1);
  CHECK(enter({}, "bob", broken) == "");
  CHECK(says(enter({}, "bob", broken), "used before"));
  CHECK(says(enter({}, "bob"), "acme alone gets inside"));
  const Custody kept = **pools.at("metro")->custody("shop-1");
  REQUIRE(kept.glass.size() == 1);
  CHECK(kept.glass[0].who == OperatorId("bob"));
  CHECK(kept.glass[0].reason == "it spreads malware now");
  CHECK(kept.glass[0].keys.size() == 2);
  CHECK(enter(grant()) == "");
  CHECK((*pools.at("metro")->custody("shop-1"))->glass.size() == 1);
}

TEST_CASE_FIXTURE(Custodial, "the glass isn't broken by one, by strangers, for others, for long or twice") {
  REQUIRE(begin(shop(), true));
  BrokenGlass bad = glass({&bob, &carol});
  std::string who = "bob";
  std::string words;
  SUBCASE("by nobody") { bad.signatures.clear(), words = "two different keys"; }
  SUBCASE("by one") { bad = glass({&bob}), words = "two different keys"; }
  SUBCASE("by one twice") { bad = glass({&bob, &bob}), words = "two different keys"; }
  SUBCASE("by a stranger") { bad = glass({&bob, &mallory}), words = "isn't among break_glass"; }
  SUBCASE("by the officer") { bad = glass({&bob, &officer()}), words = "isn't among break_glass"; }
  SUBCASE("altered after it was signed") {
    bad.not_after.unix_ms += 1;
    words = "two different keys";
  }
  SUBCASE("for somebody else") { who = "carol", words = "for bob, not for carol"; }
  SUBCASE("of another machine") {
    bad.vm = VmId("00000000-0000-4000-8000-000000000001");
    bad = sign(bad, {&bob, &carol});
    words = "another machine's";
  }
  SUBCASE("of another tenant") {
    bad.tenant = TenantId("other");
    bad = sign(bad, {&bob, &carol});
    words = "another machine's";
  }
  SUBCASE("for too long") {
    bad.not_after.unix_ms += 4LL * 3600 * 1000;
    bad = sign(bad, {&bob, &carol});
    words = "more than 4 hours";
  }
  SUBCASE("without a nonce") {
    bad.nonce.clear();
    bad = sign(bad, {&bob, &carol});
    words = "nonce";
  }
  SUBCASE("when its time is over") {
    CHECK(says(enter({}, "bob", bad), "acme is told now"));
    clock.advance_wall(3600 * 1000);
    words = "has expired";
  }
  SUBCASE("where the host names nobody who may") {
    trusted.glass.clear();
    boot();
    agent->watch_custody();
    words = "names no break_glass";
  }
  CHECK(says(enter({}, who, bad), words));
}

TEST_CASE_FIXTURE(Custodial,
                  "whoever moves it after the glass was broken waits no less, and the mark goes along") {
  REQUIRE(begin(shop(), true));
  const BrokenGlass broken = glass({&carol, &bob});
  CHECK(says(enter({}, "bob", broken), "acme is told now"));
  std::filesystem::remove(folder.path("grants.json"));
  boot();  // another host, with the same storage
  agent->watch_custody();
  CHECK(says(enter({}, "bob", broken), "acme was told"));
  clock.advance_wall(kGlassWait_ms);
  CHECK(enter({}, "bob", broken) == "");
}

TEST_CASE_FIXTURE(Custodial, "a card's key vouches, signs grants and breaks glass as well") {
  const auto make = [this](const std::string& name) {
    const std::string path = folder.path(name + ".key");
    REQUIRE(std::system(("umask 077 && openssl ecparam -name prime256v1 -genkey -noout 2>/dev/null | "
                         "openssl pkcs8 -topk8 -nocrypt -out " +
                         path)
                            .c_str()) == 0);
    return KeyHolder(*SigningKey::load(path));
  };
  const KeyHolder card = make("card"), second = make("second");
  trusted.officer = second.key.public_pem();
  trusted.glass = {second.key.public_pem(), bob.key.public_pem()};
  boot();
  REQUIRE(begin(shop(), true));
  Grant by_card = grant();
  by_card.pin = second.vouch(card, "acme");
  by_card = card.sign(by_card);
  CHECK(enter(by_card) == "");
  Grant forged = grant();
  forged.pin = by_card.pin;
  CHECK(says(enter(second.sign(forged)), "not of that text"));
  CHECK(says(enter({}, "bob", glass({&bob, &second})), "acme is told now"));
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

// A pool that has snapshots, which a directory hasn't; all else is the directory's, unless told otherwise.
class WithSnapshots final : public StoragePool {
 public:
  std::function<void()> on_open;  // the other site's storage may bring what nobody saw before
  bool keeps = true;

  explicit WithSnapshots(std::unique_ptr<StoragePool> pool) : pool_(std::move(pool)) {}
  std::vector<wire::SnapshotSeen> snapshots;
  int rolled_back = 0;

  const std::string& name() const override { return pool_->name(); }
  Status ready() const override { return pool_->ready(); }
  Result<bool> exists(const std::string& volume) const override { return pool_->exists(volume); }
  Status create(const NewVolume& volume) override { return pool_->create(volume); }
  Status remove(const std::string& volume, const VmId& owner) override {
    return pool_->remove(volume, owner);
  }
  Result<OpenedVolume> open(const std::string& volume, const Taking& taking) override {
    if (on_open) on_open();
    return pool_->open(volume, taking);
  }
  bool keeps_custody() const override { return keeps; }
  Result<std::optional<Custody>> custody(const std::string& volume) const override {
    return pool_->custody(volume);
  }
  Status set_custody(const std::string& volume, const Custody& custody) override {
    return pool_->set_custody(volume, custody);
  }
  Result<std::string> file_path(const std::string& volume) const override { return pool_->file_path(volume); }
  std::optional<wire::VolumeSeen> tend(const std::string& volume, const Tending&) override {
    wire::VolumeSeen seen;
    seen.pool = name();
    seen.volume = volume;
    seen.snapshots = snapshots;
    return seen;
  }
  void close(const std::string&, const VmId&, Generation) override {}
  Status follow(const std::string&, const VmId&) override { return {}; }
  Status check_change(const std::string&, const Changing&) const override { return {}; }
  Status change(const std::string&, const Changing&) override {
    ++rolled_back;
    return {};
  }

 private:
  const std::unique_ptr<StoragePool> pool_;
};

struct WithSnapshot : Custodial {
  WithSnapshots* pool = nullptr;
  WithSnapshot() {
    auto made = std::make_unique<WithSnapshots>(std::move(pools.at("metro")));
    pool = made.get();
    pools["metro"] = std::move(made);
  }
  // Stopped, with a snapshot of then.
  void stopped(bool delivered) {
    REQUIRE(begin(shop(), delivered));
    clock.advance_wall(1000);
    pool->snapshots = {{"before", clock.wall()}};
    clock.advance_wall(1000);
  }
  void end() {
    hypervisor.crash(kVm);
    boot();
  }
  // Why it isn't taken back; empty: it is.
  std::string back(const std::optional<Grant>& with, const std::string& who = "acme/anna") {
    wire::Command order = command(1);
    order.order = wire::ChangeVolumes{shop(), wire::RollBack{"before", OperatorId(who), with}};
    const auto reply = obey(order);
    REQUIRE(reply);
    CHECK(pool->rolled_back == (reply->error ? 0 : 1));
    return reply->error ? reply->error->message : "";
  }
  Grant for_back(const std::string& who) {
    Grant made = grant();
    made.who = OperatorId(who);
    made.operations = {Inside::roll_back};
    return acme.sign(made);
  }
};

TEST_CASE_FIXTURE(WithSnapshot,
                  "back to a snapshot of its own time a machine goes without a key that was never used") {
  stopped(true);
  end();
  CHECK(back({}) == "");
}

TEST_CASE_FIXTURE(WithSnapshot, "back to a snapshot: whoever has used a key must say so with it") {
  stopped(true);
  REQUIRE(enter(grant()) == "");
  end();
  SUBCASE("without it") { CHECK(says(back({}), "which must say so")); }
  SUBCASE("with a grant for something else") { CHECK(says(back(grant()), "isn't for roll_back")); }
  SUBCASE("with another's") { CHECK(says(back(for_back("alice"), "bob"), "for alice, not for bob")); }
  SUBCASE("with it") { CHECK(back(for_back("alice"), "alice") == ""); }
}

TEST_CASE_FIXTURE(WithSnapshot, "back to before it was delivered is back to what the provider put into it") {
  stopped(false);
  deliver();
  end();
  SUBCASE("without its tenant's leave") { CHECK(says(back({}), "before the machine was delivered")); }
  SUBCASE("with it") { CHECK(back(for_back("acme/anna")) == ""); }
}

TEST_CASE_FIXTURE(WithSnapshot,
                  "a volume that turns out to be another's once it is here isn't started from") {
  REQUIRE(begin(shop(), true));
  hypervisor.crash(kVm);
  boot();
  VmSpec other = shop();
  other.id = VmId("00000000-0000-4000-8000-000000000002");
  pool->on_open = [&] { REQUIRE(pool->set_custody("shop-1", first_custody(other, true))); };
  CHECK(says(begin(shop(), true, 2).error().message, "belongs to VM " + other.id.value));
}

TEST_CASE_FIXTURE(WithSnapshot, "nothing is kept where nothing can be, nor of what is nobody's") {
  VmSpec spec = shop();
  SUBCASE("a pool that keeps none") { pool->keeps = false; }
  SUBCASE("a machine of the provider's own") {
    spec.tenant = TenantId();
    spec.name = "shop-1";
  }
  std::filesystem::create_directories(folder.path("pool"));
  test::write_file(folder.path("pool/shop-1"), "a volume that was there");
  REQUIRE(begin(spec, false));
  CHECK_FALSE(std::filesystem::exists(folder.path("pool/.shop-1.custody")));
}

TEST_CASE_FIXTURE(WithSnapshot, "what isn't delivered goes back as the manager says") {
  stopped(false);
  end();
  CHECK(back({}, "alice") == "");
}

TEST_CASE_FIXTURE(Custodial, "who may get inside goes with the volume") {
  REQUIRE(begin(shop(), true));
  hypervisor.crash(kVm);
  REQUIRE(pools.at("metro")->remove("shop-1", kVm));
  CHECK_FALSE(std::filesystem::exists(folder.path("pool/.shop-1.custody")));
}

}  // namespace
}  // namespace bascule::hostd
