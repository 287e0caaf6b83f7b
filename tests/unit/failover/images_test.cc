// Tenants' own images: announced within the quota, stored or refused by a host, removed by one of their site.
#include "failover/images.h"

#include <doctest/doctest.h>

#include "tests/unit/failover/tenancy.h"

namespace {

using namespace bascule;
using bascule::test::kHer;
using bascule::test::kTenant;

const ImageId kMine("aaaaaaaa-0000-4000-8000-0000000000b1");

struct Images : bascule::test::Tenancy {
  Images() : bascule::test::Tenancy({"paris-1", "lyon-1"}) {
    Tenant& tenant = state.directory.tenants.at(kTenant);
    tenant.quota = Quota{10, 1 << 20, 64, 100};
  }
  static TenantImage mine() {
    TenantImage image;
    image.id = kMine;
    image.tenant = kTenant;
    image.name = "mine";
    image.pool = "metro";
    image.bytes = 40 << 20;
    image.sha256 = std::string(64, 'a');
    return image;
  }
  std::string announce(const TenantImage& image) {
    const Asked by = by_anna();
    return said(by, AnnounceImage{by, image});
  }
  std::string remove() {
    const Asked by = by_anna();
    return said(by, RemoveImageAsked{by, kMine});
  }
  void seen(wire::ImageEnd end, const std::string& why = "") {
    send(HostImageSeen{copy_of(HostId("lyon-1")),
                       {kMine, end, why, end == wire::ImageEnd::stored ? 64u : 0u}});
  }
  const TenantImage* image() { return image_of(state, kTenant, "mine"); }
};

}  // namespace

TEST_CASE_FIXTURE(Images, "an image is announced, stored by a host, and removed by one of its site") {
  REQUIRE(announce(mine()) == "");
  CHECK(image()->phase == ImagePhase::announced);
  CHECK(keeper_of_image(state, *image())->record.id == HostId("paris-1"));  // the primary site's
  seen(wire::ImageEnd::refused, "it broke off");
  CHECK(image()->phase == ImagePhase::announced);
  CHECK(image()->problem == "it broke off");
  seen(wire::ImageEnd::stored);
  CHECK(image()->phase == ImagePhase::ready);
  CHECK(image()->size_mib == 64);
  CHECK(image()->problem == "");
  CHECK(keeper_of_image(state, *image())->record.id == HostId("lyon-1"));
  REQUIRE(remove() == "");
  CHECK(image()->phase == ImagePhase::removing);
  seen(wire::ImageEnd::kept, "3 volumes are clones of it");
  CHECK(image()->phase == ImagePhase::ready);
  CHECK(image()->problem == "3 volumes are clones of it");
  REQUIRE(remove() == "");
  seen(wire::ImageEnd::removed);
  CHECK(image() == nullptr);
}

TEST_CASE_FIXTURE(Images, "images are of the quota, have names of their own, and are announced whole") {
  TenantImage image = mine();
  SUBCASE("too large for the quota") {
    image.bytes = 101 << 20;
    CHECK(announce(image).find("storage in MiB") != std::string::npos);
  }
  SUBCASE("together too large") {
    REQUIRE(announce(image) == "");
    image.id = ImageId("aaaaaaaa-0000-4000-8000-0000000000b2");
    image.name = "other";
    image.bytes = 61 << 20;
    CHECK(announce(image).find("storage in MiB") != std::string::npos);
    image.bytes = 60 << 20;
    CHECK(announce(image) == "");
  }
  SUBCASE("a name twice") {
    REQUIRE(announce(image) == "");
    image.id = ImageId("aaaaaaaa-0000-4000-8000-0000000000b2");
    CHECK(announce(image).find("exists, choose another") != std::string::npos);
  }
  SUBCASE("no name") { CHECK(announce((image.name = "../evil", image)).starts_with("name: ")); }
  SUBCASE("no digest") { CHECK(announce((image.sha256 = "abc", image)).starts_with("sha256: ")); }
  SUBCASE("empty") { CHECK(announce((image.bytes = 0, image)).starts_with("bytes: ")); }
}

TEST_CASE_FIXTURE(Images, "a CD that is in a drive stays, and only CDs go into one") {
  TenantImage image = mine();
  image.kind = wire::ImageKind::iso;
  REQUIRE(announce(image) == "");
  CHECK_FALSE(cdrom_of(state, kTenant, "mine"));  // not sent yet
  seen(wire::ImageEnd::stored);
  REQUIRE(cdrom_of(state, kTenant, "mine"));
  CHECK_FALSE(cdrom_of(state, TenantId("other"), "mine"));
  create("shop", "paris");
  const VmId vm = state.vm_names.at("shop");
  state.vms.at(vm).record.spec.cdrom = cdrom_of(state, kTenant, "mine");
  CHECK(remove() == "shop has it in its drive");
}

TEST_CASE_FIXTURE(Images,
                  "what was announced and isn't sent within a day is removed; a new manager knows the rest") {
  REQUIRE(announce(mine()) == "");
  Records stored = records;
  stored.images = {*image()};
  const State again = begin(stored, inventory, ManagerId("another"), now);
  REQUIRE(image_of(again, kTenant, "mine"));
  state.directory.images.at(kMine).created.unix_ms -= 24LL * 3600 * 1000 + 1;
  run(5s);
  CHECK(image()->phase == ImagePhase::removing);
  seen(wire::ImageEnd::removed);
  CHECK(image() == nullptr);
}

TEST_CASE_FIXTURE(Images, "what hosts say of images that nobody asked them about changes nothing") {
  seen(wire::ImageEnd::stored);
  CHECK(image() == nullptr);
  REQUIRE(announce(mine()) == "");
  seen(wire::ImageEnd::removed);
  REQUIRE(image());
  seen(wire::ImageEnd::stored);
  seen(wire::ImageEnd::refused, "late");
  CHECK(image()->phase == ImagePhase::ready);
}
