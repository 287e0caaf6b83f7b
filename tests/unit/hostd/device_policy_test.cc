#include "hostd/device_policy.h"

#include <doctest/doctest.h>

namespace bascule::hostd {
namespace {

constexpr const char* kNoUsb = "<controller type='usb' model='none'/>";

std::string rule_of(const std::string& device) {
  const std::vector<Violation> violations =
      check_device_policy("<domain><devices>" + std::string(kNoUsb) + device + "</devices></domain>");
  return violations.empty() ? "" : violations.front().rule;
}

TEST_CASE("every forbidden element is refused by its rule's name") {
  const std::pair<const char*, const char*> cases[] = {
      {"<controller type='usb' model='qemu-xhci'/>", "usb-controller"},
      {"<controller type='usb'/>", "usb-controller"},
      {"<input type='tablet' bus='usb'/>", "usb-device"},
      {"<disk type='file' device='disk'><target dev='sda' bus='usb'/></disk>", "usb-device"},
      {"<sound model='usb'/>", "usb-device"},
      {"<hub type='usb'/>", "usb-device"},
      {"<hostdev mode='subsystem' type='usb'/>", "host-device"},
      {"<hostdev mode='subsystem' type='pci'/>", "host-device"},
      {"<interface type='hostdev'/>", "host-device"},
      {"<disk type='nvme' device='disk'/>", "host-device"},
      {"<redirdev bus='usb' type='spicevmc'/>", "redirected-device"},
      {"<smartcard mode='host'/>", "smartcard"},
      {"<serial type='dev'><source path='/dev/ttyS0'/></serial>", "host-serial"},
      {"<console type='tcp'/>", "host-serial"},
      {"<channel type='spicevmc'/>", "host-serial"},
      {"<parallel type='pty'/>", "parallel-port"},
      {"<disk type='block' device='lun'/>", "scsi-passthrough"},
      {"<input type='evdev'/>", "host-input"},
      {"<tpm model='tpm-tis'><backend type='passthrough'/></tpm>", "tpm-passthrough"},
  };
  for (const auto& [device, rule] : cases) CHECK_MESSAGE(rule_of(device) == rule, device);
}

TEST_CASE("what a guest needs is allowed") {
  for (const char* device : {"<serial type='pty'/>", "<console type='pty'/>", "<channel type='unix'/>",
                             "<input type='mouse' bus='ps2'/>",
                             "<disk type='file' device='disk'><target dev='vda' bus='virtio'/></disk>",
                             "<interface type='bridge'/>", "<controller type='pci' model='pcie-root'/>",
                             "<memballoon model='virtio'/>"})
    CHECK_MESSAGE(rule_of(device).empty(), device);
}

TEST_CASE("a definition without the controller that says none would get USB from QEMU") {
  CHECK(check_device_policy("<domain><devices/></domain>").front().rule == "usb-controller");
}

TEST_CASE("anything appended to QEMU's command line is refused, whatever the prefix") {
  const auto rule = [](const std::string& child) {
    return check_device_policy("<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>" + child +
                               "<devices>" + kNoUsb + "</devices></domain>");
  };
  CHECK(rule("<q:commandline/>").front().rule == "qemu-command-line");
  CHECK(rule("<qemu:override><qemu:device alias='ua-vda'><qemu:frontend><qemu:property name='discard' "
             "type='bool' "
             "value='true'/></qemu:frontend></qemu:device></qemu:override>")
            .front()
            .rule == "qemu-command-line");
  CHECK(
      rule(
          "<qemu:override><qemu:device alias='ua-vda'><qemu:frontend><qemu:property name='drive' type='bool' "
          "value='false'/></qemu:frontend></qemu:device></qemu:override>")
          .front()
          .rule == "qemu-command-line");
  CHECK(rule("<qemu:override><qemu:device alias='hostdev0'><qemu:frontend/></qemu:device></qemu:override>")
            .front()
            .rule == "qemu-command-line");
  CHECK(rule("<q:override/>").front().rule == "qemu-command-line");
  CHECK(rule("<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'/>").front().rule ==
        "qemu-command-line");
  CHECK(rule("<metadata><b:vm xmlns:b='x'/></metadata>").empty());
}

TEST_CASE("what can't be read is not allowed") {
  CHECK(check_device_policy("garbage").front().rule == "unreadable");
  CHECK(check_qmp_answers({"", "", "", ""}).front().rule == "unreadable");
}

std::array<std::string, 4> clean_answers() {
  return {
      R"({"return":"USB support not enabled\r\n"})",
      R"({"return":[{"name":"net0","type":"child<virtio-net-pci>"},{"name":"type","type":"string"}]})",
      R"({"return":[]})",
      R"({"return":[{"label":"charserial0","filename":"pty:/dev/pts/3"},{"label":"c","filename":"unix:/x"}]})"};
}

TEST_CASE("QEMU's own answers tell what the definition hides") {
  CHECK(check_qmp_answers(clean_answers()).empty());
  auto answers = clean_answers();
  answers[0] = R"({"return":""})";
  CHECK(check_qmp_answers(answers).front().rule == "usb-bus");
  answers = clean_answers();
  answers[1] = R"({"return":[{"name":"evil","type":"child<qemu-xhci>"}]})";
  CHECK(check_qmp_answers(answers).front().rule == "passthrough-device");
  answers = clean_answers();
  answers[2] = R"({"return":[{"name":"device[0]","type":"child<vfio-pci>"}]})";
  CHECK(check_qmp_answers(answers).front().rule == "passthrough-device");
  answers = clean_answers();
  answers[3] = R"({"return":[{"label":"s","filename":"serial:/dev/ttyS0"}]})";
  CHECK(check_qmp_answers(answers).front().rule == "host-serial");
  answers[3] = R"({"error":{"class":"GenericError"}})";
  CHECK(check_qmp_answers(answers).front().rule == "unreadable");
}

}  // namespace
}  // namespace bascule::hostd
