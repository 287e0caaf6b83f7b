// What a host uses, by a /proc and /sys of our own.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "hostd/host_usage.h"

using namespace bascule;
using namespace bascule::hostd;

namespace {

struct Tree {
  Tree() {
    char name[] = "/tmp/bascule-usage-XXXXXX";
    root = mkdtemp(name);
  }
  ~Tree() { std::filesystem::remove_all(root); }
  void put(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string root;
};

}  // namespace

TEST_CASE_FIXTURE(Tree, "a host's counters: idle time, guests' taps and parts of disks don't count") {
  put("/proc/stat", "cpu  100 20 30 5000 600 7 3 9 100 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
  put("/proc/meminfo", "MemTotal:        8000 kB\nMemFree:  100 kB\nMemAvailable:    6000 kB\n");
  put("/sys/block/sda/device/model", "x");
  put("/sys/block/sda/stat", "  10  0  80  5  20  0  160  7  0  9  12 0 0 0 0 0 0\n");
  put("/sys/block/dm-0/stat", " 1000 0 1000 0 1000 0 1000 0 0 0 0\n");
  for (const char* interface : {"eth0", "eth1", "vnet3", "br0", "lo", "eth0.7"}) {
    put(std::string("/sys/class/net/") + interface + "/statistics/rx_bytes", "1000\n");
    put(std::string("/sys/class/net/") + interface + "/statistics/tx_bytes", "300\n");
  }
  put("/sys/class/net/eth0/speed", "10000\n");
  put("/sys/class/net/eth1/speed", "-1\n");
  put("/sys/class/net/vnet3/speed", "10000\n");
  put("/sys/class/net/vnet3/tun_flags", "0x1002\n");
  put("/sys/class/net/br0/bridge/bridge_id", "x");
  put("/sys/class/net/eth0.7/uevent", "DEVTYPE=vlan\nINTERFACE=eth0.7\n");
  const wire::Counters used = host_usage(root);
  CHECK(used.cpu == std::chrono::milliseconds(160 * 1000 / 100));
  CHECK(used.memory == 2000 * 1024);
  CHECK(used.reads == 10);
  CHECK(used.writes == 20);
  CHECK(used.read == 80 * 512);
  CHECK(used.written == 160 * 512);
  CHECK(used.received == 2000);
  CHECK(used.sent == 600);
  CHECK(link_speed(root) == 1'250'000'000);
}

TEST_CASE_FIXTURE(Tree, "what can't be read counts as nothing") {
  const wire::Counters used = host_usage(root);
  CHECK(used.cpu == 0s);
  CHECK(used.received == 0);
  CHECK(link_speed(root) == 0);
}
