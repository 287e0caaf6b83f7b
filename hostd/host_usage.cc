#include "hostd/host_usage.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace bascule::hostd {
namespace {

constexpr std::uint64_t kMegabit = 1'000'000 / 8;  // in bytes
constexpr std::uint64_t kSector = 512;             // of /sys/block/*/stat, whatever the disk's own is

// proc(5), /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; in ticks. What guests run
// counts as user.
Duration cpu_of(const std::string& root) {
  std::ifstream file(root + "/proc/stat");
  std::string cpu;
  std::uint64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0;
  file >> cpu >> user >> nice >> system >> idle >> iowait >> irq >> softirq;
  const std::uint64_t busy = user + nice + system + irq + softirq;
  return std::chrono::milliseconds(busy * 1000 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
}

std::uint64_t memory_of(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  std::uint64_t total = 0, available = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t kib = 0;
    words >> name >> kib;
    if (name == "MemTotal:") total = kib;
    if (name == "MemAvailable:") available = kib;
  }
  return total > available ? (total - available) * 1024 : 0;
}

// Disks, without their parts, and without what stands for others (device mapper, loops, RAM).
void add_disks(const std::string& root, wire::Counters& counters) {
  std::error_code error;
  for (const auto& disk : std::filesystem::directory_iterator(root + "/sys/block", error)) {
    if (!std::filesystem::exists(disk.path() / "device", error)) continue;
    std::ifstream file(disk.path() / "stat");
    std::uint64_t reads = 0, merged = 0, read = 0, time = 0, writes = 0, merged_writes = 0, written = 0;
    file >> reads >> merged >> read >> time >> writes >> merged_writes >> written;
    counters.reads += reads;
    counters.writes += writes;
    counters.read += read * kSector;
    counters.written += written * kSector;
  }
}

// Everything that passes them goes through the others: bridges, taps, bonds, VLANs.
bool is_own_interface(const std::filesystem::path& path) {
  std::error_code error;
  for (const char* sign : {"bridge", "tun_flags", "bonding"})
    if (std::filesystem::exists(path / sign, error)) return false;
  std::ifstream file(path / "uevent");
  for (std::string line; std::getline(file, line);)
    if (line == "DEVTYPE=vlan") return false;
  return path.filename() != "lo";
}

std::uint64_t number_in(const std::filesystem::path& path) {
  std::uint64_t number = 0;
  std::ifstream(path) >> number;
  return number;
}

void add_network(const std::string& root, wire::Counters& counters) {
  std::error_code error;
  for (const auto& interface : std::filesystem::directory_iterator(root + "/sys/class/net", error)) {
    if (!is_own_interface(interface.path())) continue;
    counters.received += number_in(interface.path() / "statistics/rx_bytes");
    counters.sent += number_in(interface.path() / "statistics/tx_bytes");
  }
}

}  // namespace

wire::Counters host_usage(const std::string& root) {
  wire::Counters counters;
  counters.cpu = cpu_of(root);
  counters.memory = memory_of(root);
  add_disks(root, counters);
  add_network(root, counters);
  return counters;
}

// An interface that is down says -1, or that it can't be read.
std::uint64_t link_speed(const std::string& root) {
  std::error_code error;
  std::uint64_t all = 0;
  for (const auto& interface : std::filesystem::directory_iterator(root + "/sys/class/net", error)) {
    if (!is_own_interface(interface.path())) continue;
    std::int64_t megabits = 0;
    std::ifstream(interface.path() / "speed") >> megabits;
    if (megabits > 0) all += static_cast<std::uint64_t>(megabits) * kMegabit;
  }
  return all;
}

}  // namespace bascule::hostd
