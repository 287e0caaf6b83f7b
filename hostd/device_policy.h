// Device policy: no guest gets a port of the host or a USB bus, and none can be given one behind our back.
//
// Two pure checks, because a definition can lie (a QEMU command line appended to it shows nothing in its
// devices): one of the XML, one of what QEMU itself answers. Rules, by name:
//   usb-controller usb-device host-device redirected-device smartcard host-serial parallel-port
//   scsi-passthrough host-input tpm-passthrough qemu-command-line usb-bus passthrough-device unreadable
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bascule::hostd {

struct Violation {
  std::string rule;
  std::string detail;  // for people: which element or device
  bool operator==(const Violation&) const = default;
};

// "usb-controller: <controller type='usb' model='qemu-xhci'>; …"
std::string describe(const std::vector<Violation>& violations);

std::vector<Violation> check_device_policy(const std::string& domain_xml);

// What to ask of a domain's QEMU; the answers go, in the same order, into check_qmp_answers.
inline constexpr std::array<std::string_view, 4> kPolicyQueries = {
    R"({"execute":"human-monitor-command","arguments":{"command-line":"info usb"}})",
    R"({"execute":"qom-list","arguments":{"path":"/machine/peripheral"}})",
    R"({"execute":"qom-list","arguments":{"path":"/machine/peripheral-anon"}})",
    R"({"execute":"query-chardev"})"};
std::vector<Violation> check_qmp_answers(const std::array<std::string, kPolicyQueries.size()>& answers);

}  // namespace bascule::hostd
