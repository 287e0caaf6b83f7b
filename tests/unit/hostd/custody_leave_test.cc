// Ways inside a delivered machine beside its tenant's console: broken glass, keys of cards, and back to a
// snapshot.
#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>

#include "tests/unit/hostd/custody_fixture.h"

namespace bascule::hostd {
namespace {

constexpr std::int64_t kGlassWait_ms = 5 * 60'000;

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
  SUBCASE("by a stranger") { bad = glass({&bob, &mallory}), words = "isn't among those of break_glass"; }
  SUBCASE("by the officer") { bad = glass({&bob, &officer()}), words = "isn't among those of break_glass"; }
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
  SUBCASE("without a reason") {
    bad.reason.clear();
    bad = sign(bad, {&bob, &carol});
    words = "no reason";
  }
  SUBCASE("by the same two over and over") {
    for (int i = 0; i < 500; ++i) bad.signatures.push_back(bad.signatures[i % 2]);
    words = "two different keys";
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
    words = "no break_glass is configured";
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
  std::filesystem::remove(folder.path("grants.json"));
  boot();  // and yet another: what was used is used
  agent->watch_custody();
  CHECK(says(enter({}, "bob", broken), "used before"));
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
  Grant for_back(const std::string& who, const std::string& snapshot = "before") {
    Grant made = grant();
    made.who = OperatorId(who);
    made.operations = {Inside::roll_back};
    made.snapshot = snapshot;
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
  SUBCASE("to another snapshot") {
    CHECK(says(back(for_back("alice", "after"), "alice"), "for snapshot \"after\", not for before"));
  }
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

TEST_CASE_FIXTURE(WithSnapshot, "what can't be told is no leave to go back") {
  stopped(true);
  end();
  SUBCASE("a snapshot that the storage doesn't show") { pool->snapshots.clear(); }
  SUBCASE("a delivery that nobody noted the time of") {
    Custody kept = **pool->custody("shop-1");
    kept.delivered_at.reset();
    REQUIRE(pool->set_custody("shop-1", kept));
  }
  SUBCASE("custody that is gone") { std::filesystem::remove(folder.path("pool/.shop-1.custody")); }
  CHECK_FALSE(back({}).empty());
}

TEST_CASE_FIXTURE(WithSnapshot, "what isn't delivered goes back as the manager says") {
  stopped(false);
  end();
  CHECK(back({}, "alice") == "");
}

}  // namespace
}  // namespace bascule::hostd
