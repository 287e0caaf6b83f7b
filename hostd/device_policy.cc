#include "hostd/device_policy.h"

#include <pugixml.hpp>

#include "base/json.h"

namespace bascule::hostd {
namespace {

using Node = pugi::xml_node;

std::string picture(const Node& node) {
  std::string text = std::string("<") + node.name();
  for (const pugi::xml_attribute attribute : node.attributes())
    text += std::string(" ") + attribute.name() + "='" + attribute.value() + "'";
  return text + ">";
}

bool is(const Node& node, const char* attribute, std::string_view value) {
  return node.attribute(attribute).value() == value;
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> choices) {
  for (std::string_view choice : choices)
    if (text == choice) return true;
  return false;
}

// The rule that one element of <devices> breaks by its own kind and type; empty when none.
std::string_view broken_rule(const Node& device) {
  const std::string_view kind = device.name();
  const std::string_view type = device.attribute("type").value();
  if (kind == "controller" && type == "usb" && !is(device, "model", "none")) return "usb-controller";
  if (kind == "hostdev" || (kind == "interface" && is_one_of(type, {"hostdev", "vdpa"})) ||
      (kind == "disk" && is_one_of(type, {"nvme", "vhostvdpa"})) || kind == "mdev")
    return "host-device";
  if (is_one_of(kind, {"redirdev", "redirfilter"})) return "redirected-device";
  if (kind == "smartcard") return "smartcard";
  if (kind == "hub") return "usb-device";
  if (kind == "parallel") return "parallel-port";
  if (is_one_of(kind, {"serial", "console"}) && !is_one_of(type, {"pty", "null"})) return "host-serial";
  if (kind == "channel" && !is_one_of(type, {"unix", "pty", "null"})) return "host-serial";
  if (kind == "disk" && is_one_of(device.attribute("device").value(), {"lun"})) return "scsi-passthrough";
  if (kind == "input" && is_one_of(type, {"passthrough", "evdev"})) return "host-input";
  if (kind == "tpm" && is(device.child("backend"), "type", "passthrough")) return "tpm-passthrough";
  const bool on_usb = is(device, "bus", "usb") || is(device.child("target"), "bus", "usb") ||
                      is(device.child("address"), "type", "usb") ||
                      (kind == "sound" && is(device, "model", "usb"));
  return on_usb ? "usb-device" : "";
}

void check_devices(const Node& devices, std::vector<Violation>& violations) {
  bool usb_named = false;
  for (const Node device : devices) {
    usb_named = usb_named || (std::string_view(device.name()) == "controller" && is(device, "type", "usb"));
    if (const std::string_view rule = broken_rule(device); !rule.empty())
      violations.push_back({std::string(rule), picture(device)});
  }
  if (!usb_named)
    violations.push_back(
        {"usb-controller", "no <controller type='usb' model='none'/>: QEMU would add a USB bus"});
}

// What domain_xml() makes for disks on RBD. Any other override could make any device of any other.
bool only_takes_disk_commands_away(const Node& element) {
  if (std::string_view(element.name()) != "qemu:override") return false;
  for (const Node device : element) {
    const Node frontend = device.first_child();
    const bool disk = std::string_view(device.name()) == "qemu:device" &&
                      std::string_view(device.attribute("alias").value()).starts_with("ua-vd");
    if (!disk || std::string_view(frontend.name()) != "qemu:frontend" || frontend.next_sibling())
      return false;
    for (const Node property : frontend) {
      const std::string_view name = property.attribute("name").value();
      const bool off = std::string_view(property.attribute("type").value()) == "bool" &&
                       std::string_view(property.attribute("value").value()) == "false";
      if (std::string_view(property.name()) != "qemu:property" || !off) return false;
      if (!is_one_of(name, {"discard", "write-zeroes"})) return false;
    }
  }
  return true;
}

// Types of qom-list are "child<qemu-xhci>".
bool is_forbidden_type(std::string_view type) {
  for (std::string_view part : {"usb", "uhci", "ehci", "xhci", "ohci", "vfio", "ccid", "parallel",
                                "pci-assign", "scsi-block", "scsi-generic", "tpm-passthrough", "input-linux"})
    if (type.find(part) != std::string_view::npos) return true;
  return false;
}

using Answer = json::Value;

const Answer* result_of(const Result<Answer>& answer) {
  if (!answer || !answer->is_object()) return nullptr;
  const auto found = answer->find("return");
  return found == answer->end() ? nullptr : &*found;
}

std::string text_of(const Answer& object, const char* name) {
  const bool has = object.is_object() && object.contains(name) && object[name].is_string();
  return has ? object[name].get<std::string>() : "";
}

void check_types(const Answer& list, std::vector<Violation>& violations) {
  if (!list.is_array()) return violations.push_back({"unreadable", "QEMU's list of devices"});
  for (const Answer& entry : list)
    if (const std::string type = text_of(entry, "type"); is_forbidden_type(type))
      violations.push_back(
          {"passthrough-device", "QEMU has " + type + " \"" + text_of(entry, "name") + "\""});
}

void check_chardevs(const Answer& list, std::vector<Violation>& violations) {
  if (!list.is_array()) return violations.push_back({"unreadable", "QEMU's list of character devices"});
  for (const Answer& entry : list) {
    const std::string file = text_of(entry, "filename");
    const bool port = file.starts_with("serial") || file.starts_with("parallel") ||
                      file.starts_with("/dev/") || file.starts_with("braille") ||
                      file.starts_with("spicevmc") || file.starts_with("usbredir");
    if (port) violations.push_back({"host-serial", "QEMU has character device " + file});
  }
}

}  // namespace

std::string describe(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& violation : violations)
    text += (text.empty() ? "" : "; ") + violation.rule + ": " + violation.detail;
  return text;
}

std::vector<Violation> check_device_policy(const std::string& domain_xml) {
  std::vector<Violation> violations;
  pugi::xml_document document;
  if (!document.load_string(domain_xml.c_str()) || !document.child("domain"))
    return {{"unreadable", "the domain's definition is no XML that we understand"}};
  const Node domain = document.child("domain");
  for (const Node child : domain) {
    // libvirt's own elements have no prefix; a prefixed one appends to QEMU's command line.
    const std::string_view name = child.name();
    if (only_takes_disk_commands_away(child)) continue;
    if (name.find(':') != std::string_view::npos) violations.push_back({"qemu-command-line", picture(child)});
    if (is_one_of(name, {"commandline", "override"}))
      violations.push_back({"qemu-command-line", picture(child)});
  }
  check_devices(domain.child("devices"), violations);
  return violations;
}

std::vector<Violation> check_qmp_answers(const std::array<std::string, kPolicyQueries.size()>& answers) {
  std::vector<Violation> violations;
  std::vector<Result<Answer>> parsed;
  for (const std::string& answer : answers) parsed.push_back(json::parse(answer));
  for (const Result<Answer>& answer : parsed)
    if (!result_of(answer))
      violations.push_back({"unreadable", "QEMU didn't answer a question of the policy"});
  if (!violations.empty()) return violations;
  // This sentence is what QEMU says when, and only when, it has no USB bus at all.
  const Answer& usb = *result_of(parsed[0]);
  if (!usb.is_string() || usb.get<std::string>().find("USB support not enabled") == std::string::npos)
    violations.push_back({"usb-bus", "QEMU has a USB bus"});
  check_types(*result_of(parsed[1]), violations);
  check_types(*result_of(parsed[2]), violations);
  check_chardevs(*result_of(parsed[3]), violations);
  return violations;
}

}  // namespace bascule::hostd
