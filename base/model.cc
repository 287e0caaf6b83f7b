#include "base/model.h"

#include <arpa/inet.h>

namespace bascule {
namespace {

constexpr std::size_t kMostSeed = 64 * 1024;  // bytes, all files together: it is part of every snapshot
constexpr std::size_t kMostAddresses = 16;

bool is_valid_address(const std::string& text) {
  in6_addr bytes{};  // large enough for either
  return inet_pton(AF_INET, text.c_str(), &bytes) == 1 || inet_pton(AF_INET6, text.c_str(), &bytes) == 1;
}

void check_component(std::vector<std::string>& problems, const std::string& path, const std::string& value) {
  if (!is_valid_name(value))
    problems.push_back(path +
                       ": must be 1 to 63 letters, digits, '-', '_' or '.', starting with a letter or digit");
}

bool is_valid_mac(const std::string& mac) {
  if (mac.size() != 17) return false;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const char c = mac[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (i % 3 == 2 ? c != ':' : !hex) return false;
  }
  return std::string_view("02468ace").find(mac[1]) != std::string_view::npos;  // the lowest bit: multicast
}

bool is_printable(const std::string& text) {
  for (char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return true;
}

void check_kernel(std::vector<std::string>& problems, const KernelBoot& kernel) {
  check_component(problems, "kernel.pool", kernel.pool);
  check_component(problems, "kernel.kernel", kernel.kernel);
  if (!kernel.initrd.empty()) check_component(problems, "kernel.initrd", kernel.initrd);
  if (kernel.command_line.size() > 1024 || !is_printable(kernel.command_line))
    problems.push_back("kernel.command_line: must be at most 1024 printable characters");
}

void check_disk(std::vector<std::string>& problems, const std::string& path, const Disk& disk) {
  check_component(problems, path + ".pool", disk.pool);
  check_component(problems, path + ".volume", disk.volume);
  if (disk.size_mib < 1 || disk.size_mib > 64ULL * 1024 * 1024)
    problems.push_back(path + ".size_mib: must be from 1 to 67108864");
  if (!disk.from.empty()) check_component(problems, path + ".from", disk.from);
  if (disk.iops_limit > 10'000'000) problems.push_back(path + ".iops_limit: must be at most 10000000");
  if (disk.mib_per_second_limit > 1'000'000)
    problems.push_back(path + ".mib_per_second_limit: must be at most 1000000");
}

void check_nic(std::vector<std::string>& problems, const std::string& path, const Nic& nic) {
  if (!is_valid_name(nic.bridge) || nic.bridge.size() > 15)
    problems.push_back(path + ".bridge: must be the name of a bridge, at most 15 characters");
  if (!nic.mac.empty() && !is_valid_mac(nic.mac))
    problems.push_back(path + ".mac: must be a lower-case unicast address such as 52:54:00:12:34:56");
  if (nic.addresses.size() > kMostAddresses) problems.push_back(path + ".addresses: at most 16");
  for (const std::string& address : nic.addresses)
    if (!is_valid_address(address)) problems.push_back(path + ".addresses: must be numeric addresses");
}

}  // namespace

std::string name_in_tenant(const VmSpec& spec) {
  const std::string prefix = spec.tenant.empty() ? "" : spec.tenant.value + "/";
  return spec.name.starts_with(prefix) ? spec.name.substr(prefix.size()) : spec.name;
}

std::vector<std::string> problems_of(const VmSpec& spec) {
  std::vector<std::string> problems;
  if (!spec.id.empty() && !is_valid_uuid(spec.id.value)) problems.push_back("id: must be a lower-case UUID");
  const std::string prefix = spec.tenant.empty() ? "" : spec.tenant.value + "/";
  if (!spec.name.starts_with(prefix)) problems.push_back("name: must begin with the tenant's and '/'");
  const std::string name = name_in_tenant(spec);
  check_component(problems, "name", name);
  if (name.size() > 40) problems.push_back("name: must be at most 40 characters");
  check_component(problems, "home", spec.home.value);
  if (!spec.tenant.empty()) check_component(problems, "tenant", spec.tenant.value);
  if (spec.memory_mib < 16 || spec.memory_mib > 16 * 1024 * 1024)
    problems.push_back("memory_mib: must be from 16 to 16777216");
  if (spec.vcpus < 1 || spec.vcpus > 512) problems.push_back("vcpus: must be from 1 to 512");
  if (spec.disks.size() > 16) problems.push_back("disks: at most 16");
  for (std::size_t i = 0; i < spec.disks.size(); ++i)
    check_disk(problems, "disks[" + std::to_string(i) + "]", spec.disks[i]);
  if (spec.nics.size() > 8) problems.push_back("nics: at most 8");
  for (std::size_t i = 0; i < spec.nics.size(); ++i)
    check_nic(problems, "nics[" + std::to_string(i) + "]", spec.nics[i]);
  if (spec.kernel) check_kernel(problems, *spec.kernel);
  if (spec.cdrom) {
    check_component(problems, "cdrom.pool", spec.cdrom->pool);
    check_component(problems, "cdrom.image", spec.cdrom->image);
  }
  if (spec.seed &&
      spec.seed->meta_data.size() + spec.seed->user_data.size() + spec.seed->network_config.size() >
          kMostSeed)
    problems.push_back("seed: must be at most 64 KiB");
  if (spec.priority < 0 || spec.priority > 1000) problems.push_back("priority: must be from 0 to 1000");
  return problems;
}

}  // namespace bascule
