#include "hostd/domain_xml.h"

#include <doctest/doctest.h>

#include "hostd/device_policy.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace bascule::hostd {
namespace {

VmSpec small_vm() {
  VmSpec spec;
  spec.id = VmId("2f0a3c1e-8c55-4d0c-9d4e-0a1b2c3d4e5f");
  spec.name = "web-1";
  spec.home = SiteId("paris");
  spec.memory_mib = 96;
  return spec;
}

DomainPlan kernel_plan() {
  DomainPlan plan;
  plan.spec = small_vm();
  plan.generation = Generation(7);
  plan.spec.disks = {{"metro", "web-1-root", 64, DiskFormat::raw},
                     {"metro", "web-1-data", 64, DiskFormat::qcow2}};
  plan.disks = {FileSource{"/srv/metro/web-1-root"}, FileSource{"/srv/metro/web-1-data"}};
  plan.spec.nics = {{"br0", "52:54:00:00:00:07"}, {"br1", ""}};
  plan.spec.kernel = KernelBoot{"metro", "vmlinuz", "initrd", "console=ttyS0 name=<web & co>"};
  plan.kernel_path = "/srv/metro/vmlinuz";
  plan.initrd_path = "/srv/metro/initrd";
  return plan;
}

DomainPlan nbd_plan() {
  DomainPlan plan;
  plan.spec = small_vm();
  plan.spec.vcpus = 2;
  plan.generation = Generation(1);
  plan.domain_type = "kvm";
  plan.spec.disks = {{"san", "web-1", 64, DiskFormat::raw, "", 500, 40}};
  plan.disks = {NbdSource{"198.18.0.4", 10809, "web-1"}};
  return plan;
}

DomainPlan rbd_plan() {
  DomainPlan plan;
  plan.spec = small_vm();
  plan.generation = Generation(3);
  plan.spec.disks = {{"gold", "web-1-root", 64, DiskFormat::raw},
                     {"gold", "web-1-data", 64, DiskFormat::raw}};
  const std::string client = "bascule." + plan.spec.id.value + ".3";
  for (const Disk& disk : plan.spec.disks)
    plan.disks.push_back(RbdSource{"/etc/ceph/paris.conf", "vms", disk.volume, client, Secret("c2VjcmV0")});
  return plan;
}

// As a tenant makes one.
DomainPlan tenant_plan() {
  DomainPlan plan;
  plan.spec = small_vm();
  plan.spec.name = "acme/shop-1";
  plan.spec.tenant = TenantId("acme");
  plan.spec.screen = true;
  plan.spec.seed = Seed{"{}", "", ""};
  plan.generation = Generation(1);
  plan.spec.disks = {{"metro", "shop-1", 64}};
  plan.disks = {FileSource{"/srv/metro/shop-1"}};
  plan.seed_path = "/run/bascule/seeds/2f0a3c1e.iso";
  return plan;
}

// BASCULE_UPDATE_GOLDEN=1 writes the files anew; look at the difference before committing it.
void check_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(BASCULE_SOURCE_DIR) + "/tests/golden/domain_xml/" + name + ".xml";
  if (getenv("BASCULE_UPDATE_GOLDEN")) test::write_file(path, text);
  CHECK_MESSAGE(test::read_file(path) == text, path << " differs from what domain_xml() makes");
}

TEST_CASE("definitions are those of the golden files") {
  check_golden("kernel", domain_xml(kernel_plan()));
  check_golden("nbd", domain_xml(nbd_plan()));
  check_golden("rbd", domain_xml(rbd_plan()));
  check_golden("tenant", domain_xml(tenant_plan()));
}

TEST_CASE("a disk's key is handed over apart from the definition, once per client") {
  const std::string xml = domain_xml(rbd_plan());
  const std::vector<DiskSecret> secrets = disk_secrets(rbd_plan());
  REQUIRE(secrets.size() == 1);
  CHECK(secrets[0].key.reveal() == "c2VjcmV0");
  CHECK(xml.find("c2VjcmV0") == std::string::npos);
  CHECK(xml.find("uuid=\"" + secrets[0].uuid + "\"") != std::string::npos);
  CHECK(disk_secrets(nbd_plan()).empty());
}

TEST_CASE("a definition of ours keeps the device policy") {
  CHECK(check_device_policy(domain_xml(kernel_plan())).empty());
  CHECK(check_device_policy(domain_xml(nbd_plan())).empty());
  CHECK(check_device_policy(domain_xml(rbd_plan())).empty());
  CHECK(check_device_policy(domain_xml(tenant_plan())).empty());
}

TEST_CASE("a definition says who it is") {
  const DomainIdentity identity = identity_of(domain_xml(kernel_plan()));
  CHECK(identity.vm == small_vm().id);
  CHECK(identity.name == "bascule-web-1");
  CHECK(identity.generation == Generation(7));
  REQUIRE(identity.volumes.size() == 2);
  CHECK(identity.volumes[1].pool == "metro");
  CHECK(identity.volumes[1].volume == "web-1-data");
  CHECK(identity_of("<domain><metadata><vm generation='9'/></metadata></domain>").generation == Generation());
  CHECK(identity_of("no xml").vm.empty());
}

TEST_CASE("a derived MAC is stable, unicast, locally administered, and differs between interfaces") {
  const VmId vm = small_vm().id;
  CHECK(derived_mac(vm, 0) == derived_mac(vm, 0));
  CHECK(derived_mac(vm, 0) != derived_mac(vm, 1));
  CHECK(derived_mac(vm, 0).substr(0, 3) == "52:");
  CHECK(derived_mac(vm, 0).size() == 17);
}

}  // namespace
}  // namespace bascule::hostd
