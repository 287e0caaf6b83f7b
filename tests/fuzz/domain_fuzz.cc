// What libvirt and QEMU say of domains, and what we make of a specification.
#include <doctest/doctest.h>

#include "base/json.h"
#include "base/model.h"
#include "hostd/device_policy.h"
#include "hostd/domain_xml.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace bascule::hostd {
namespace {

const std::vector<std::string> kXmlWords = {"<",
                                            ">",
                                            "/>",
                                            "</",
                                            "\"",
                                            "&",
                                            "&#0;",
                                            "&lt;",
                                            "<!--",
                                            "-->",
                                            "<![CDATA[",
                                            "<?xml",
                                            "<!DOCTYPE a [",
                                            "xmlns",
                                            "<devices>",
                                            "<domain>",
                                            "<hostdev/>",
                                            "<hub type='usb'/>",
                                            "generation=\"",
                                            " type='usb'",
                                            std::string(1, '\0'),
                                            "\xff"};

std::string golden(const std::string& name) {
  return test::read_file(std::string(BASCULE_SOURCE_DIR) + "/tests/golden/domain_xml/" + name + ".xml");
}

TEST_CASE("domain XML, damaged") {
  const std::vector<std::string> good = {golden("kernel"), golden("nbd")};
  for (const std::string& xml : good) REQUIRE(check_device_policy(xml).empty());
  fuzz::run({good, kXmlWords}, 6000, [](const std::string& xml) {
    (void)identity_of(xml);
    (void)generation_of_metadata(xml);
    for (const Violation& violation : check_device_policy(xml))
      if (violation.rule.empty() || violation.detail.empty()) FAIL_CHECK("a violation without a name: ", xml);
  });
}

// A forbidden device is found wherever it stands among the devices, whatever else was damaged, as long as
// what libvirt would read is still XML with these devices.
TEST_CASE("domain XML with a forbidden device among damaged ones") {
  const std::string clean = golden("kernel");
  const std::string mark = "<memballoon model=\"virtio\" />";
  const std::size_t place = clean.find(mark);
  REQUIRE(place != std::string::npos);
  for (const std::string device :
       {"<hostdev mode='subsystem' type='usb'/>", "<redirdev bus='usb' type='spicevmc'/>",
        "<controller type='usb' model='qemu-xhci'/>", "<input type='tablet' bus='usb'/>",
        "<parallel type='dev'/>"}) {
    const std::string guilty = clean.substr(0, place) + device + clean.substr(place);
    CHECK_FALSE(check_device_policy(guilty).empty());
    fuzz::Dice dice;
    const fuzz::Corpus before{{clean.substr(0, place)},
                              {" ", "<!-- -->", "\n", "<sound model='ich9'/>", "x"}};
    for (int left = fuzz::times(400); left > 0; --left) {
      const std::string xml = fuzz::damage(before, dice) + device + clean.substr(place);
      const bool has_devices = identity_of(xml).vm == VmId("2f0a3c1e-8c55-4d0c-9d4e-0a1b2c3d4e5f");
      if (has_devices && check_device_policy(xml).empty()) {
        // Damage may have made it part of something else, such as a comment.
        const bool visible = xml.find("<!--") == std::string::npos && xml.find("<![") == std::string::npos &&
                             xml.find("<?") == std::string::npos;
        if (visible) FAIL_CHECK("not found: ", xml);
      }
    }
  }
}

TEST_CASE("QMP answers, damaged") {
  const std::array<std::string, 4> clean = {
      R"({"return":"USB support not enabled\r\n"})", R"({"return":[{"name":"type","type":"string"}]})",
      R"({"return":[{"name":"device[0]","type":"child<virtio-blk-pci>"}]})",
      R"({"return":[{"filename":"pty:/dev/pts/3","label":"charserial0","frontend-open":true}]})"};
  REQUIRE(check_qmp_answers(clean).empty());
  const fuzz::Corpus corpus{{clean.begin(), clean.end()},
                            {"{", "}", "[", "]", "null", "\"return\":", "usb", "\"", "child<", ",", "[["}};
  std::size_t turn = 0;
  fuzz::run(corpus, 4000, [&](const std::string& text) {
    auto answers = clean;
    answers[turn++ % answers.size()] = text;
    for (const Violation& violation : check_qmp_answers(answers))
      if (violation.rule.empty()) FAIL_CHECK("a violation without a name: ", text);
  });
}

DomainPlan plan_of(const VmSpec& spec) {
  DomainPlan plan;
  plan.spec = spec;
  plan.generation = Generation(7);
  for (std::size_t i = 0; i < spec.disks.size(); ++i)
    plan.disks.emplace_back(FileSource{"/srv/" + spec.disks[i].volume});
  if (spec.kernel) plan.kernel_path = "/srv/" + spec.kernel->kernel;
  return plan;
}

std::string sound_spec() {
  VmSpec spec;
  spec.id = VmId("2f0a3c1e-8c55-4d0c-9d4e-0a1b2c3d4e5f");
  spec.name = "web-1";
  spec.home = SiteId("paris");
  spec.memory_mib = 96;
  spec.disks = {{"metro", "web-1-root", 64, DiskFormat::raw}};
  spec.nics = {{"br0", "52:54:00:00:00:07"}, {"br1", ""}};
  spec.kernel = KernelBoot{"metro", "vmlinuz", "", "console=ttyS0"};
  return json::encode_text(spec);
}

void check_definition(const VmSpec& spec) {
  const std::string xml = domain_xml(plan_of(spec));
  const std::vector<Violation> violations = check_device_policy(xml);
  if (!violations.empty()) FAIL_CHECK(describe(violations), " in ", xml);
  const DomainIdentity identity = identity_of(xml);
  if (identity.vm != spec.id || identity.generation != Generation(7) ||
      identity.name != "bascule-" + spec.name)
    FAIL_CHECK("another VM's definition: ", xml);
  // libvirt refuses references to control characters, as XML does.
  if (xml.find("&#") != std::string::npos) FAIL_CHECK("no XML 1.0: ", xml);
  for (const Nic& nic : spec.nics)
    if (!nic.mac.empty() && (std::stoi(nic.mac.substr(0, 2), nullptr, 16) & 1) != 0)
      FAIL_CHECK("a multicast address: ", nic.mac);
}

// However hostile, a specification that passes makes a definition of that VM that keeps the policy.
TEST_CASE("VM specifications, damaged") {
  const fuzz::Corpus corpus{{sound_spec()},
                            {"\"",
                             "{",
                             "}",
                             ",",
                             "<hostdev/>",
                             "</cmdline>",
                             "</os><devices>",
                             "&",
                             "<",
                             ">",
                             "'",
                             "é",
                             "\\n",
                             "\\u0001",
                             "\"command_line\":\"",
                             "\"mac\":\"53:",
                             "../",
                             "a",
                             "b",
                             "d",
                             "f",
                             ":",
                             "-",
                             "]]>",
                             "\"protected\":false"}};
  int sound = 0;
  fuzz::run(corpus, 8000, [&](const std::string& text) {
    const Result<VmSpec> spec = json::decode_text<VmSpec>(text, json::Unknown::refuse);
    if (!spec || !problems_of(*spec).empty()) return;
    ++sound;
    if (!spec->id.empty()) check_definition(*spec);
  });
  CHECK(sound > 50);  // otherwise nothing was tested
}

}  // namespace
}  // namespace bascule::hostd
