// hostd.toml: what one hypervisor knows of itself. ARCHITECTURE.md shows the file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/model.h"
#include "base/net/tls.h"
#include "base/result.h"
#include "hostd/ceph.h"
#include "hostd/storage.h"

namespace bascule::hostd {

struct PoolConfig {
  std::string name;
  std::string kind;                     // "dir", "nbd" or "rbd"
  std::string path;                     // of a dir
  std::string url;                      // of an nbd: "nbd://address:port"
  std::optional<CephAddress> local;     // of an rbd: the cluster of this site
  std::optional<CephAddress> remote;    // and of the other, which follows
  std::uint32_t snapshot_every_s = 10;  // of an rbd: how old the other site's copy may get
  std::uint32_t copies = 0;             // of an rbd: that each site's cluster is to keep; 0: any number
};

struct HostConfig {
  ClusterId cluster;
  HostId host;
  std::string state_dir = "/var/lib/bascule";
  std::string run_dir = "/run/bascule";
  std::vector<std::string> manager;  // "address:port", dialled in turn
  std::string probe_address;         // where peers probe this host, UDP; empty: it answers no probes
  std::string libvirt_uri = "qemu:///system";
  bool packet_filter = true;        // false: the network keeps tenants' guests apart by itself
  std::string domain_type = "kvm";  // "qemu" emulates: for tests only
  net::TlsFiles tls;
  std::string
      officer;  // a file with the security officer's public key, PEM; empty: nobody vouches for tenants' keys
  std::vector<std::string>
      break_glass;               // files like that, of the provider's people: two of them break the glass
  int break_glass_wait_s = 300;  // between the tenant's being told and the console
  Capacity capacity;             // zeros: from the machine
  std::vector<PoolConfig> pool;
};

Result<HostConfig> load_host_config(const std::string& path);

// What guests may use when the configuration doesn't say: all but 2 GiB or a tenth of memory, all processors.
Capacity machine_capacity(const std::string& meminfo_path = "/proc/meminfo");

StoragePools make_pools(const std::vector<PoolConfig>& pools, const Clock& clock);

}  // namespace bascule::hostd
