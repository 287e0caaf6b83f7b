// What is asked of a machine, its first settings among it: to the definition that libvirt would get.
#include "hostd/device_policy.h"
#include "hostd/domain_xml.h"
#include "tests/fuzz/hunt/hunt.h"

using namespace bascule;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = hunt::text_of(data, size);
  hunt::understood_or_refused<Seed>(text);
  const auto spec = hunt::understood_or_refused<VmSpec>(text);
  if (!spec || spec->id.empty() || !problems_of(*spec).empty()) return 0;
  hostd::DomainPlan plan;
  plan.spec = *spec;
  for (const Disk& disk : spec->disks) plan.disks.push_back(hostd::FileSource{"/pool/" + disk.volume});
  if (spec->cdrom) plan.cdrom = hostd::FileSource{"/pool/" + spec->cdrom->image};
  if (spec->seed) plan.seed_path = "/run/seed";
  const std::string xml = hostd::domain_xml(plan);
  hunt::must(hostd::check_device_policy(xml).empty());
  hunt::must(hostd::identity_of(xml).vm == spec->id);
  return 0;
}
