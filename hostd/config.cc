#include "hostd/config.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/config_load.h"
#include "hostd/storage_dir.h"
#include "hostd/storage_nbd.h"
#include "hostd/storage_rbd.h"

namespace bascule::hostd {

struct HostFile {
  HostConfig config;
  std::optional<Capacity> capacity;
};
template <class V>
void fields(V& v, CephAddress& x) {
  v("conf", x.conf);
  v("user", x.user);
  v("keyring", x.keyring);
  v("pool", x.pool);
}
template <class V>
void fields(V& v, PoolConfig& x) {
  v("name", x.name);
  v("kind", x.kind);
  v.optional("path", x.path);
  v.optional("url", x.url);
  v.optional("local", x.local);
  v.optional("remote", x.remote);
  v.optional("snapshot_every_s", x.snapshot_every_s);
  v.optional("copies", x.copies);
}

void check_ceph(const CephAddress& ceph, const std::string& path, const ConfigProblem& problem) {
  if (!ceph.conf.starts_with('/')) problem(path + ".conf", "must be an absolute path");
  if (!ceph.keyring.starts_with('/')) problem(path + ".keyring", "must be an absolute path");
  if (!is_valid_name(ceph.user))
    problem(path + ".user", "must be the name of a Ceph client, without \"client.\"");
  if (!is_valid_name(ceph.pool)) problem(path + ".pool", "must be the name of a Ceph pool");
}
template <class V>
void fields(V& v, HostFile& x) {
  v("cluster", x.config.cluster);
  v("host", x.config.host);
  v.optional("state_dir", x.config.state_dir);
  v.optional("run_dir", x.config.run_dir);
  v("manager", x.config.manager);
  v.optional("probe_address", x.config.probe_address);
  v.optional("libvirt_uri", x.config.libvirt_uri);
  v.optional("packet_filter", x.config.packet_filter);
  v.optional("domain_type", x.config.domain_type);
  v("tls", x.config.tls);
  v.optional("officer", x.config.officer);
  v.optional("break_glass", x.config.break_glass);
  v.optional("break_glass_wait_s", x.config.break_glass_wait_s);
  v.optional("capacity", x.capacity);
  v.optional("pool", x.config.pool);
}

void check_pool(const PoolConfig& pool, const std::string& path, const ConfigProblem& problem) {
  if (!is_valid_name(pool.name)) problem(path + ".name", "must be letters, digits, '-', '_' or '.'");
  if (pool.kind == "dir") {
    if (!pool.path.starts_with('/')) problem(path + ".path", "must be an absolute path");
  } else if (pool.kind == "nbd") {
    if (!parse_nbd_url(pool.url)) problem(path + ".url", "must be nbd://address:port");
  } else if (pool.kind == "rbd") {
    if (!pool.local) problem(path + ".local", "is needed: the Ceph cluster of this site");
    if (pool.local) check_ceph(*pool.local, path + ".local", problem);
    if (pool.remote) check_ceph(*pool.remote, path + ".remote", problem);
    if (pool.snapshot_every_s < 1 || pool.snapshot_every_s > 86400)
      problem(path + ".snapshot_every_s", "must be 1 to 86400");
    if (pool.copies > 16) problem(path + ".copies", "must be 0 to 16");
  } else {
    problem(path + ".kind", "must be \"dir\", \"nbd\" or \"rbd\"");
  }
}

void check_config(const HostFile& file, const ConfigProblem& problem) {
  const HostConfig& config = file.config;
  if (!is_valid_name(config.cluster.value)) problem("cluster", "must be letters, digits, '-', '_' or '.'");
  if (!is_valid_name(config.host.value)) problem("host", "must be letters, digits, '-', '_' or '.'");
  if (config.manager.empty() || config.manager.size() > 16) problem("manager", "must name 1 to 16 addresses");
  for (std::size_t i = 0; i < config.manager.size(); ++i)
    if (config.manager[i].rfind(':') == std::string::npos)
      problem("manager[" + std::to_string(i) + "]", "must be \"address:port\"");
  if (config.domain_type != "qemu" && config.domain_type != "kvm")
    problem("domain_type", "must be \"kvm\" or \"qemu\"");
  if (!config.state_dir.starts_with('/')) problem("state_dir", "must be an absolute path");
  if (!config.officer.empty() && !config.officer.starts_with('/'))
    problem("officer", "must be an absolute path");
  if (config.break_glass.size() == 1 || config.break_glass.size() > 16)
    problem("break_glass", "must name 2 to 16 keys: it takes two of them");
  for (std::size_t i = 0; i < config.break_glass.size(); ++i)
    if (!config.break_glass[i].starts_with('/'))
      problem("break_glass[" + std::to_string(i) + "]", "must be an absolute path");
  if (config.break_glass_wait_s < 1 || config.break_glass_wait_s > 3600)
    problem("break_glass_wait_s", "must be 1 to 3600");
  if (!config.run_dir.starts_with('/')) problem("run_dir", "must be an absolute path");
  for (std::size_t i = 0; i < config.pool.size(); ++i) {
    const std::string path = "pool[" + std::to_string(i) + "]";
    check_pool(config.pool[i], path, problem);
    for (std::size_t other = 0; other < i; ++other)
      if (config.pool[other].name == config.pool[i].name) problem(path + ".name", "is the name of two pools");
  }
}

Result<HostConfig> load_host_config(const std::string& path) {
  Result<HostFile> file = load_config<HostFile>(path);
  if (!file) return failure(file.error());
  HostConfig config = std::move(file->config);
  config.capacity = file->capacity.value_or(Capacity{});
  if (config.capacity == Capacity{}) config.capacity = machine_capacity();
  return config;
}

Capacity machine_capacity(const std::string& meminfo_path) {
  Capacity capacity;
  // Not from libvirt, whose answer can be far too small under a memory cgroup.
  std::ifstream meminfo(meminfo_path);
  std::string word;
  std::uint64_t kib = 0;
  while (meminfo >> word)
    if (word == "MemTotal:" && meminfo >> kib) break;
  const std::uint64_t total = kib / 1024;
  const std::uint64_t kept = std::max<std::uint64_t>(2048, total / 10);
  capacity.memory_mib = total > kept ? total - kept : total / 2;
  capacity.vcpus = static_cast<std::uint32_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  return capacity;
}

StoragePools make_pools(const std::vector<PoolConfig>& pools, const Clock& clock) {
  StoragePools made;
  for (const PoolConfig& pool : pools) {
    if (pool.kind == "dir")
      made.emplace(pool.name, make_dir_pool(pool.name, pool.path));
    else if (pool.kind == "rbd")
      made.emplace(pool.name, make_rbd_pool(pool.name,
                                            {*pool.local, pool.remote,
                                             std::chrono::seconds(pool.snapshot_every_s), pool.copies},
                                            clock));
    else if (const std::optional<NbdAddress> address = parse_nbd_url(pool.url))
      made.emplace(pool.name, make_nbd_pool(pool.name, *address));
  }
  return made;
}

}  // namespace bascule::hostd
