#include "hostd/domain_xml.h"

#include <algorithm>
#include <cstdio>
#include <pugixml.hpp>
#include <sstream>

#include "base/ensure.h"
#include "base/sha256.h"

namespace bascule::hostd {
namespace {

using Node = pugi::xml_node;

Node add(Node parent, const char* name) { return parent.append_child(name); }

Node add(Node parent, const char* name, const std::string& text) {
  Node child = parent.append_child(name);
  child.text().set(text.c_str());
  return child;
}

void set(Node node, const char* attribute, const std::string& value) {
  node.append_attribute(attribute).set_value(value.c_str());
}

Node add_typed(Node parent, const char* name, const std::string& type) {
  Node child = add(parent, name);
  set(child, "type", type);
  return child;
}

void add_metadata(Node domain, const DomainPlan& plan) {
  Node vm = add(add(domain, "metadata"), "bascule:vm");
  set(vm, "xmlns:bascule", std::string(kMetadataNamespace));
  set(vm, "generation", std::to_string(plan.generation.value));
  for (const Disk& disk : plan.spec.disks) {
    Node volume = add(vm, "bascule:volume");
    set(volume, "pool", disk.pool);
    set(volume, "name", disk.volume);
  }
}

void add_boot(Node domain, const DomainPlan& plan) {
  Node os = add(domain, "os");
  Node type = add(os, "type", "hvm");
  set(type, "arch", "x86_64");
  set(type, "machine", "q35");
  if (!plan.spec.kernel) {
    set(add(os, "boot"), "dev", "hd");
    if (plan.cdrom) set(add(os, "boot"), "dev", "cdrom");
    return;
  }
  add(os, "kernel", plan.kernel_path);
  if (!plan.initrd_path.empty()) add(os, "initrd", plan.initrd_path);
  if (!plan.spec.kernel->command_line.empty()) add(os, "cmdline", plan.spec.kernel->command_line);
}

void add_machine(Node domain, const DomainPlan& plan) {
  const bool emulated = plan.domain_type == "qemu";
  Node features = add(domain, "features");
  add(features, "acpi");
  add(features, "apic");
  if (emulated) {
    // Without a bound the translation cache takes a quarter of the guest's memory.
    Node cache = add(add(features, "tcg"), "tb-cache", "16");
    set(cache, "unit", "MiB");
  }
  Node cpu = add(domain, "cpu");
  set(cpu, "mode", emulated ? "custom" : "host-model");
  if (emulated) {
    set(cpu, "match", "exact");
    add(cpu, "model", "qemu64");
  }
  set(add(domain, "clock"), "offset", "utc");
  add(domain, "on_poweroff", "destroy");
  add(domain, "on_reboot", "restart");
  add(domain, "on_crash", "destroy");
}

std::string disk_alias(std::size_t index) { return "ua-" + disk_target(index); }

void add_source(Node disk, const FileSource& file) { set(add(disk, "source"), "file", file.path); }

void add_source(Node disk, const NbdSource& nbd) {
  Node source = add(disk, "source");
  set(source, "protocol", "nbd");
  set(source, "name", nbd.export_name);
  Node host = add(source, "host");
  set(host, "name", nbd.host);
  set(host, "port", std::to_string(nbd.port));
}

// Of one guest's life: a UUID of version 8, made of the client's name.
std::string secret_uuid(const std::string& client) {
  std::string hex = sha256_hex("bascule secret " + client).substr(0, 32);
  hex[12] = '8';
  hex[16] = 'a';
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

void add_source(Node disk, const RbdSource& rbd) {
  Node auth = add(disk, "auth");
  set(auth, "username", rbd.client);
  Node secret = add_typed(auth, "secret", "ceph");
  set(secret, "uuid", secret_uuid(rbd.client));
  Node source = add(disk, "source");
  set(source, "protocol", "rbd");
  set(source, "name", rbd.pool + "/" + rbd.image);
  set(add(source, "config"), "file", rbd.conf);
}

void add_disk(Node devices, const Disk& spec, const DiskSource& source, std::size_t index) {
  Node disk = add_typed(devices, "disk", std::holds_alternative<FileSource>(source) ? "file" : "network");
  set(disk, "device", "disk");
  Node driver = add(disk, "driver");
  set(driver, "name", "qemu");
  set(driver, "type", std::string(name_of(spec.format)));
  set(driver, "cache", "none");
  // A failed write must stop the guest: reported as an error to it, the domain would go on "running".
  set(driver, "error_policy", "stop");
  set(driver, "rerror_policy", "stop");
  std::visit([&disk](const auto& place) { add_source(disk, place); }, source);
  if (spec.format == DiskFormat::qcow2) add(disk, "backingStore");  // none, whatever its header says
  Node target = add(disk, "target");
  set(target, "dev", disk_target(index));
  set(target, "bus", "virtio");
  if (std::holds_alternative<RbdSource>(source)) set(add(disk, "alias"), "name", disk_alias(index));
  if (spec.iops_limit == 0 && spec.mib_per_second_limit == 0) return;
  Node limits = add(disk, "iotune");
  if (spec.mib_per_second_limit > 0)
    add(limits, "total_bytes_sec", std::to_string(spec.mib_per_second_limit << 20));
  if (spec.iops_limit > 0) add(limits, "total_iops_sec", std::to_string(spec.iops_limit));
}

// After the others, so that their names don't depend on it. By virtio: some cloud kernels know no other
// disks.
void add_seed(Node devices, const DomainPlan& plan) {
  Node disk = add_typed(devices, "disk", "file");
  set(disk, "device", "disk");
  Node driver = add(disk, "driver");
  set(driver, "name", "qemu");
  set(driver, "type", "raw");
  set(add(disk, "source"), "file", plan.seed_path);
  Node target = add(disk, "target");
  set(target, "dev", disk_target(plan.disks.size()));
  set(target, "bus", "virtio");
  add(disk, "readonly");
}

// On the bus of the machine itself, which every installer knows.
void add_cdrom(Node devices, const DiskSource& source) {
  Node disk = add_typed(devices, "disk", std::holds_alternative<FileSource>(source) ? "file" : "network");
  set(disk, "device", "cdrom");
  Node driver = add(disk, "driver");
  set(driver, "name", "qemu");
  set(driver, "type", "raw");
  std::visit([&disk](const auto& place) { add_source(disk, place); }, source);
  Node target = add(disk, "target");
  set(target, "dev", "sda");
  set(target, "bus", "sata");
  add(disk, "readonly");
}

// Its pointer is absolute, as the console's is, and is on no USB bus.
void add_screen(Node devices) {
  set(add_typed(devices, "input", "tablet"), "bus", "virtio");
  add_typed(add_typed(devices, "graphics", "vnc"), "listen", "socket");
  add_typed(add(devices, "video"), "model", "vga");
}

// Ceph's rbd-mirror doesn't copy what a guest discards or has zeroed by a command (measured with 16.2.15;
// https://github.com/ceph/ceph/pull/52358): the other site would have old data where the guest relies on
// zeros. A disk without these commands gets zeros written, which are copied. libvirt has no element of its
// own for it.
void add_disk_override(Node domain, const DomainPlan& plan) {
  Node override;
  for (std::size_t i = 0; i < plan.disks.size(); ++i) {
    if (!std::holds_alternative<RbdSource>(plan.disks[i])) continue;
    if (!override) override = add(domain, "qemu:override");
    Node device = add(override, "qemu:device");
    set(device, "alias", disk_alias(i));
    Node frontend = add(device, "qemu:frontend");
    for (const char* command : {"discard", "write-zeroes"}) {
      Node property = add(frontend, "qemu:property");
      set(property, "name", command);
      set(property, "type", "bool");
      set(property, "value", "false");
    }
  }
  if (override) set(domain, "xmlns:qemu", "http://libvirt.org/schemas/domain/qemu/1.0");
}

void add_interface(Node devices, const VmSpec& spec, std::size_t index) {
  Node interface = add_typed(devices, "interface", "bridge");
  set(add(interface, "source"), "bridge", spec.nics[index].bridge);
  set(add(interface, "mac"), "address", mac_of(spec, index));
  set(add(interface, "target"), "dev", tap_name(spec.id, index));
  add_typed(interface, "model", "virtio");
}

void add_devices(Node domain, const DomainPlan& plan) {
  Node devices = add(domain, "devices");
  // Left out, libvirt would add a USB controller by itself.
  set(add_typed(devices, "controller", "usb"), "model", "none");
  for (std::size_t i = 0; i < plan.spec.disks.size(); ++i)
    add_disk(devices, plan.spec.disks[i], plan.disks[i], i);
  if (!plan.seed_path.empty()) add_seed(devices, plan);
  if (plan.cdrom) add_cdrom(devices, *plan.cdrom);
  for (std::size_t i = 0; i < plan.spec.nics.size(); ++i) add_interface(devices, plan.spec, i);
  set(add(add_typed(devices, "serial", "pty"), "target"), "port", "0");
  Node console = add(add_typed(devices, "console", "pty"), "target");
  set(console, "type", "serial");
  set(console, "port", "0");
  Node agent = add(add_typed(devices, "channel", "unix"), "target");
  set(agent, "type", "virtio");
  set(agent, "name", "org.qemu.guest_agent.0");
  set(add(devices, "memballoon"), "model", "virtio");
  if (plan.spec.screen)
    add_screen(devices);
  else
    add_typed(add(devices, "video"), "model", "none");
}

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace

std::string derived_mac(const VmId& vm, std::size_t index) {
  const std::uint64_t hash = fnv1a(vm.value + "/" + std::to_string(index));
  char text[24];
  std::snprintf(text, sizeof text, "52:%02x:%02x:%02x:%02x:%02x", static_cast<unsigned>(hash >> 32) & 0xff,
                static_cast<unsigned>(hash >> 24) & 0xff, static_cast<unsigned>(hash >> 16) & 0xff,
                static_cast<unsigned>(hash >> 8) & 0xff, static_cast<unsigned>(hash) & 0xff);
  return text;
}

std::string mac_of(const VmSpec& spec, std::size_t index) {
  const std::string& mac = spec.nics[index].mac;
  return mac.empty() ? derived_mac(spec.id, index) : mac;
}

std::string tap_name(const VmId& vm, std::size_t index) {
  char text[16];
  std::snprintf(text, sizeof text, "bt%012llx",
                static_cast<unsigned long long>(fnv1a(vm.value + "/" + std::to_string(index)) >> 16));
  return text;
}

std::string domain_name(const VmSpec& spec) {
  return name_in_tenant(spec) + (spec.tenant.empty() ? "" : "@" + spec.tenant.value);
}

std::string disk_target(std::size_t index) { return std::string("vd") + static_cast<char>('a' + index); }

std::string domain_xml(const DomainPlan& plan) {
  ensure(plan.disks.size() == plan.spec.disks.size(), "every disk of the plan has a source");
  pugi::xml_document document;
  Node domain = document.append_child("domain");
  set(domain, "type", plan.domain_type);
  add(domain, "name", std::string(kProtectedPrefix) + domain_name(plan.spec));
  add(domain, "uuid", plan.spec.id.value);
  add_metadata(domain, plan);
  set(add(domain, "memory", std::to_string(plan.spec.memory_mib)), "unit", "MiB");
  add(domain, "vcpu", std::to_string(plan.spec.vcpus));
  add_boot(domain, plan);
  add_machine(domain, plan);
  add_devices(domain, plan);
  add_disk_override(domain, plan);
  std::ostringstream text;
  document.save(text, "  ", pugi::format_indent | pugi::format_no_declaration);
  return text.str();
}

std::vector<DiskSecret> disk_secrets(const DomainPlan& plan) {
  std::vector<DiskSecret> secrets;
  std::vector<DiskSource> sources = plan.disks;
  if (plan.cdrom) sources.push_back(*plan.cdrom);
  for (const DiskSource& disk : sources)
    if (const auto* rbd = std::get_if<RbdSource>(&disk))
      if (secrets.empty() || secrets.back().usage != rbd->client)  // one client for all disks of a pool
        secrets.push_back({secret_uuid(rbd->client), rbd->client, rbd->key});
  return secrets;
}

namespace {
bool is_ours(const Node& element) {
  for (const pugi::xml_attribute attribute : element.attributes()) {
    const std::string_view name = attribute.name();
    if (name.starts_with("xmlns") && attribute.value() == kMetadataNamespace) return true;
  }
  return false;
}
}  // namespace

DomainIdentity identity_of(const std::string& xml) {
  DomainIdentity identity;
  pugi::xml_document document;
  if (!document.load_string(xml.c_str())) return identity;
  const Node domain = document.child("domain");
  identity.vm = VmId(domain.child_value("uuid"));
  identity.name = domain.child_value("name");
  for (const Node element : domain.child("metadata")) {
    if (!is_ours(element)) continue;
    identity.generation =
        std::max(identity.generation, Generation(element.attribute("generation").as_ullong()));
    for (const Node volume : element)
      identity.volumes.push_back({volume.attribute("pool").value(), volume.attribute("name").value()});
  }
  return identity;
}

Generation generation_of_metadata(const std::string& element) {
  pugi::xml_document document;
  if (!document.load_string(element.c_str())) return {};
  return Generation(document.first_child().attribute("generation").as_ullong());
}

}  // namespace bascule::hostd
