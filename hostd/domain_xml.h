// The libvirt definition of a VM: pure text from a specification, so that golden files can pin it.
#pragma once

#include <string>
#include <vector>

#include "base/model.h"
#include "hostd/hypervisor.h"
#include "hostd/storage.h"

namespace bascule::hostd {

inline constexpr std::string_view kMetadataNamespace = "https://bascule.example/xmlns/1";
// After kProtectedPrefix: "web-1", or "shop-1@acme" for a tenant's, as libvirt takes no '/'.
std::string domain_name(const VmSpec& spec);

inline constexpr std::string_view kProtectedPrefix = "bascule-";  // of the domain's name; the guard knows it

struct DomainPlan {
  VmSpec spec;
  Generation generation;
  std::string domain_type = "qemu";   // or "kvm"
  std::vector<DiskSource> disks;      // one for each of spec.disks
  std::optional<DiskSource> cdrom{};  // where there is one of spec.cdrom
  std::string kernel_path;            // empty: boots from the first disk
  std::string initrd_path;
  std::string seed_path;  // empty: there is none
};

std::string disk_target(std::size_t index);  // "vda"
std::string domain_xml(const DomainPlan& plan);
// The keys that the definition names by uuid: the hypervisor must know them while the guest is started.
std::vector<DiskSecret> disk_secrets(const DomainPlan& plan);

// Of an interface that is specified without one: stable over every move, locally administered.
std::string derived_mac(const VmId& vm, std::size_t index);
std::string mac_of(const VmSpec& spec, std::size_t index);
// The host's end of an interface: "bt" and 12 digits, from the VM's id and the interface's place.
std::string tap_name(const VmId& vm, std::size_t index);

// What a definition says of itself; generation 0 without our metadata.
struct DomainIdentity {
  VmId vm;
  std::string name;
  Generation generation;
  struct Volume {
    std::string pool;
    std::string volume;
  };
  std::vector<Volume> volumes;
};
DomainIdentity identity_of(const std::string& xml);

// Of our metadata element alone, as libvirt hands it out; 0 when it is not ours.
Generation generation_of_metadata(const std::string& element);

}  // namespace bascule::hostd
