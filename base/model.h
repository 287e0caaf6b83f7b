// The nouns that every layer shares: what a VM is asked to be, and what a host can carry.
//
// Desired (VmSpec), where (failover/state.h: Placement) and seen (wire.h: DomainReport) are three types,
// never merged.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "base/id.h"
#include "base/result.h"
#include "base/time.h"

namespace bascule {

// fields() of the vocabulary headers, which themselves know nothing of JSON.
template <class V>
void fields(V& v, Epoch& x) {
  v("id", x.id);
  v("number", x.number);
}
constexpr auto enum_names(ErrorCode) {
  using C = ErrorCode;
  return std::array{EnumName<C>{C::invalid, "invalid"},
                    EnumName<C>{C::not_found, "not_found"},
                    EnumName<C>{C::conflict, "conflict"},
                    EnumName<C>{C::changed, "changed"},
                    EnumName<C>{C::denied, "denied"},
                    EnumName<C>{C::reason_required, "reason_required"},
                    EnumName<C>{C::unauthenticated, "unauthenticated"},
                    EnumName<C>{C::policy, "policy"},
                    EnumName<C>{C::unavailable, "unavailable"},
                    EnumName<C>{C::timeout, "timeout"},
                    EnumName<C>{C::unknown_outcome, "unknown_outcome"},
                    EnumName<C>{C::exhausted, "exhausted"},
                    EnumName<C>{C::corrupt, "corrupt"},
                    EnumName<C>{C::internal, "internal"}};
}
template <class V>
void fields(V& v, Error& x) {
  v("code", x.code);
  v("message", x.message);
}

enum class DiskFormat { raw, qcow2 };
constexpr auto enum_names(DiskFormat) {
  return std::array{EnumName<DiskFormat>{DiskFormat::raw, "raw"},
                    EnumName<DiskFormat>{DiskFormat::qcow2, "qcow2"}};
}

// A volume in a storage pool. In pool kind `dir` the volume is a file <pool path>/<volume>; in kind `nbd` it
// is an export name. `volume` is one path component.
struct Disk {
  std::string pool;
  std::string volume;
  std::uint64_t size_mib = 0;
  DiskFormat format = DiskFormat::raw;
  std::string from = {};         // the pool's template that it begins as a clone of; empty: blank
  std::uint64_t iops_limit = 0;  // reads and writes a second, together; 0: none. So that one guest can't
  std::uint64_t mib_per_second_limit = 0;  // take a pool's others their share
  bool operator==(const Disk&) const = default;
};
template <class V>
void fields(V& v, Disk& x) {
  v("pool", x.pool);
  v("volume", x.volume);
  v("size_mib", x.size_mib);
  v.optional("format", x.format);
  v.optional("from", x.from);
  v.optional("iops_limit", x.iops_limit);
  v.optional("mib_per_second_limit", x.mib_per_second_limit);
}

struct Nic {
  std::string bridge;
  std::string mac;                          // base/tenant_network.h; stable over every move
  std::vector<std::string> addresses = {};  // numeric, that were given to the guest; empty: not known
  bool operator==(const Nic&) const = default;
};
template <class V>
void fields(V& v, Nic& x) {
  v("bridge", x.bridge);
  v.optional("mac", x.mac);
  v.optional("addresses", x.addresses);
}

// What a guest reads about itself when it first boots: the files of cloud-init's data source NoCloud, which
// it finds on a small disk with the label "cidata". The tenant's own: in no view, log or audit.
struct Seed {
  std::string meta_data;
  std::string user_data;
  std::string network_config;
  bool operator==(const Seed&) const = default;
};
template <class V>
void fields(V& v, Seed& x) {
  v("meta_data", x.meta_data);
  v("user_data", x.user_data);
  v.optional("network_config", x.network_config);
}

// Boots a kernel of the pool directly instead of the firmware's boot order. Paths are single components in
// `pool`.
struct KernelBoot {
  std::string pool;
  std::string kernel;
  std::string initrd;
  std::string command_line;
  bool operator==(const KernelBoot&) const = default;
};
template <class V>
void fields(V& v, KernelBoot& x) {
  v("pool", x.pool);
  v("kernel", x.kernel);
  v.optional("initrd", x.initrd);
  v.optional("command_line", x.command_line);
}

// An image of a pool that the guest reads as a CD; it boots from it when its first disk doesn't.
struct Cdrom {
  std::string pool;
  std::string image;  // a template's name there
  bool operator==(const Cdrom&) const = default;
};
template <class V>
void fields(V& v, Cdrom& x) {
  v("pool", x.pool);
  v("image", x.image);
}

// What happens to the guests of a host whose lease can't be renewed (DESIGN: the table of modes).
enum class LeaseMode { keep, stop };
constexpr auto enum_names(LeaseMode) {
  return std::array{EnumName<LeaseMode>{LeaseMode::keep, "keep"},
                    EnumName<LeaseMode>{LeaseMode::stop, "stop"}};
}

// What a VM is asked to be. Validation: validate() below, all problems at once.
struct VmSpec {
  VmId id;
  std::string name;  // unique in the cluster; of a tenant's machine "tenant/name". Each part is a valid name,
                     // the last has at most 40 characters
  TenantId tenant;   // empty: the provider's own
  SiteId home;
  std::uint32_t memory_mib = 0;
  std::uint32_t vcpus = 1;
  std::vector<Disk> disks;
  std::vector<Nic> nics;
  std::optional<KernelBoot> kernel;
  std::optional<Seed> seed;
  std::optional<Cdrom> cdrom{};
  bool screen = false;     // and a keyboard, for its console
  int priority = 100;      // recovery order: lower first
  bool protected_ = true;  // switched to the other site on a fault
  bool operator==(const VmSpec&) const = default;
};
template <class V>
void fields(V& v, VmSpec& x) {
  v.optional("id", x.id);
  v("name", x.name);
  v.optional("tenant", x.tenant);
  v("home", x.home);
  v("memory_mib", x.memory_mib);
  v.optional("vcpus", x.vcpus);
  v.optional("disks", x.disks);
  v.optional("nics", x.nics);
  v.optional("kernel", x.kernel);
  v.optional("seed", x.seed);
  v.optional("cdrom", x.cdrom);
  v.optional("screen", x.screen);
  v.optional("priority", x.priority);
  v.optional("protected", x.protected_);
}

// "shop-1" of "acme/shop-1".
std::string name_in_tenant(const VmSpec& spec);

// Every problem of a specification, as "path: what is wrong"; empty when it is sound.
std::vector<std::string> problems_of(const VmSpec& spec);

struct Capacity {
  std::uint64_t memory_mib = 0;  // that guests may use
  std::uint32_t vcpus = 0;
  bool operator==(const Capacity&) const = default;
};
template <class V>
void fields(V& v, Capacity& x) {
  v("memory_mib", x.memory_mib);
  v("vcpus", x.vcpus);
}

}  // namespace bascule
