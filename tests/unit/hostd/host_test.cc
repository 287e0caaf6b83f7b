// The small parts that look at the host: lease file, USB ports, processes, checks, workers, configuration.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "hostd/config.h"
#include "hostd/host_checks.h"
#include "hostd/lease_view.h"
#include "hostd/qemu_processes.h"
#include "hostd/usb_host.h"
#include "hostd/workers.h"
#include "tests/unit/hostd/temporary_folder.h"

namespace bascule::hostd {
namespace {

const BootId kThisBoot("boot-1");

wire::LeaseFile lease(LeaseMode mode, bool held, Duration stop_at) {
  wire::LeaseFile file;
  file.boot_id = kThisBoot;
  file.mode = mode;
  file.held = held;
  file.stop_at = stop_at;
  file.written = 100s;
  file.watchdog_armed = true;
  return file;
}

TEST_CASE("in mode stop a guest may begin only under a held lease of this boot") {
  const auto allowed = [](const Result<wire::LeaseFile>& file, Duration now) {
    return lease_allows_start(file, kThisBoot, now).has_value();
  };
  CHECK(allowed(lease(LeaseMode::stop, true, 110s), 109s));
  CHECK_FALSE(allowed(lease(LeaseMode::stop, true, 110s), 110s));
  CHECK_FALSE(allowed(lease(LeaseMode::stop, false, 110s), 100s));
  CHECK_FALSE(lease_allows_start(lease(LeaseMode::stop, true, 110s), BootId("other"), 100s).has_value());
  CHECK(allowed(lease(LeaseMode::keep, false, 0s), 100s));
  CHECK(allowed(failure(ErrorCode::not_found, "none"), 100s));
  CHECK_FALSE(allowed(failure(ErrorCode::invalid, "damaged"), 100s));
}

TEST_CASE("a guard that stopped writing doesn't run") {
  CHECK(guard_status(lease(LeaseMode::stop, true, 110s), kThisBoot, 101s).running);
  CHECK(guard_status(lease(LeaseMode::stop, true, 110s), kThisBoot, 101s).watchdog_armed);
  const wire::GuardStatus stale = guard_status(lease(LeaseMode::stop, true, 110s), kThisBoot, 106s);
  CHECK_FALSE(stale.running);
  CHECK_FALSE(stale.watchdog_armed);
  CHECK_FALSE(stale.problem.empty());
  CHECK_FALSE(guard_status(lease(LeaseMode::stop, true, 110s), BootId("other"), 101s).running);
  CHECK_FALSE(guard_status(failure(ErrorCode::not_found, "none"), kThisBoot, 101s).running);
}

TEST_CASE("USB buses are locked and what is plugged in is told with vendor and serial number") {
  test::TemporaryFolder root;
  const std::string devices = root.path() + "/sys/bus/usb/devices/";
  test::write_file(devices + "usb1/authorized_default", "1\n");
  test::write_file(devices + "usb1/idVendor", "1d6b\n");
  test::write_file(devices + "1-1/idVendor", "0781\n");
  test::write_file(devices + "1-1/idProduct", "5581\n");
  test::write_file(devices + "1-1/serial",
                   "4C5300\x01"
                   "1\n");
  test::write_file(devices + "1-1/manufacturer", "SanDisk\n");
  test::write_file(devices + "1-1/product", "Ultra\n");
  test::write_file(devices + "1-1/authorized", "0\n");
  test::write_file(devices + "1-1:1.0/bInterfaceClass", "08\n");
  test::write_file(devices + "1-2/bDeviceClass", "09\n");
  test::write_file(devices + "1-2/idVendor", "8087\n");
  const UsbPorts ports(root.path());
  REQUIRE(ports.lock().has_value());
  CHECK(test::read_file(devices + "usb1/authorized_default") == "0");
  const std::vector<UsbDevice> found = ports.devices();
  REQUIRE(found.size() == 1);
  CHECK(found[0] == UsbDevice{"1-1", "0781", "5581", "4C5300?1", "SanDisk Ultra", false});
  CHECK(UsbPorts("/nonexistent").devices().empty());
  CHECK(UsbPorts("/nonexistent").lock().has_value());
}

TEST_CASE("the exception counts only if root owns it and nobody else may write it") {
  test::TemporaryFolder folder;
  const std::string path = folder.path() + "/allow-devices";
  CHECK_FALSE(exception_in_force(path));
  test::write_file(path, "");
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  CHECK(exception_in_force(path) == (geteuid() == 0));
  std::filesystem::permissions(path, std::filesystem::perms(0666));
  CHECK_FALSE(exception_in_force(path));
  std::filesystem::remove(path);
  std::filesystem::create_symlink("/etc/passwd", path);
  CHECK_FALSE(exception_in_force(path));
}

TEST_CASE("autostart and libvirt-guests are refused") {
  test::TemporaryFolder root;
  CHECK(check_nothing_else_starts_guests(root.path()).has_value());
  const std::string guests =
      root.path() + "/etc/systemd/system/multi-user.target.wants/libvirt-guests.service";
  std::filesystem::create_directories(std::filesystem::path(guests).parent_path());
  std::filesystem::create_symlink("/lib/systemd/system/libvirt-guests.service", guests);
  CHECK(check_nothing_else_starts_guests(root.path()).has_value());  // no systemd runs here
  std::filesystem::create_directories(root.path() + "/run/systemd/system");
  CHECK_FALSE(check_nothing_else_starts_guests(root.path()).has_value());
  std::filesystem::remove(guests);
  test::write_file(root.path() + "/etc/libvirt/qemu/autostart/old.xml", "<domain/>");
  const Status refused = check_nothing_else_starts_guests(root.path());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("virsh autostart --disable old") != std::string::npos);
}

// A process table in a folder, whose one entry is a real child of ours.
struct ProcessTable {
  test::TemporaryFolder folder;
  pid_t child = fork_sleeper();
  ~ProcessTable() {
    ::kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  static pid_t fork_sleeper() {
    const pid_t pid = fork();
    if (pid == 0) {
      pause();
      _exit(0);
    }
    return pid;
  }
  void write(const std::string& state) {
    const std::string entry = folder.path() + "/" + std::to_string(child);
    const std::string words[] = {"/usr/bin/qemu-system-x86_64", "-name", "guest=bascule-web,debug-threads=on",
                                 "-uuid", "vm-1"};
    std::string line;
    for (const std::string& word : words) line += word + '\0';
    test::write_file(entry + "/cmdline", line);
    std::string stat = std::to_string(child) + " (qemu (x) y) " + state;
    for (int i = 0; i < 18; ++i) stat += " 0";
    test::write_file(entry + "/stat", stat + " 4711 0 0\n");
    test::write_file(folder.path() + "/1/cmdline", std::string("init\0", 5));
  }
};

TEST_CASE_FIXTURE(ProcessTable, "QEMU processes are found by their command line and killed through a pidfd") {
  write("S");
  const auto processes = make_qemu_processes(folder.path());
  const auto found = processes->scan();
  REQUIRE(found.has_value());
  REQUIRE(found->size() == 1);
  CHECK(found->front() == QemuProcess{child, 4711, VmId("vm-1"), "bascule-web"});
  CHECK(found->front().is_protected());
  QemuProcess another = found->front();
  another.started = 1;
  CHECK_FALSE(processes->kill(another));  // the pid was used again
  CHECK(waitpid(child, nullptr, WNOHANG) == 0);
  CHECK(processes->kill(found->front()));
  processes->wait(*found, 30s);
  CHECK(waitpid(child, nullptr, 0) == child);
  child = fork_sleeper();
}

TEST_CASE_FIXTURE(ProcessTable, "a zombie is gone, and a table that can't be read is an error") {
  write("Z");
  CHECK(make_qemu_processes(folder.path())->scan()->empty());
  CHECK_FALSE(make_qemu_processes("/nonexistent")->scan().has_value());
}

TEST_CASE("jobs of one key keep their order while other keys go on") {
  std::mutex mutex;
  std::string order;
  std::atomic<bool> release{false};
  std::atomic<bool> other{false};
  {
    Workers workers(2, 8);
    const auto note = [&](char c) {
      const std::lock_guard lock(mutex);
      order += c;
    };
    REQUIRE(workers.submit("a", [&] {
      while (!release) std::this_thread::yield();
      note('1');
    }));
    REQUIRE(workers.submit("a", [&] { note('2'); }));
    REQUIRE(workers.submit("b", [&] { other = true; }));
    while (!other) std::this_thread::yield();
    CHECK(order.empty());
    REQUIRE(workers.submit("a", [&] { note('3'); }));
    release = true;
    while (true) {
      const std::lock_guard lock(mutex);
      if (order.size() == 3) break;
    }
  }
  CHECK(order == "123");
}

TEST_CASE("workers refuse what they can't hold") {
  std::atomic<bool> release{false};
  Workers workers(1, 1);
  REQUIRE(workers.submit("a", [&] {
    while (!release) std::this_thread::yield();
  }));
  int accepted = 0;
  while (accepted < 10 && workers.submit("a", [] {})) ++accepted;
  CHECK(accepted <= 2);  // one waits, one more if the first had been taken already
  release = true;
}

TEST_CASE("hostd.toml: defaults, capacity, and every problem at once") {
  test::TemporaryFolder folder;
  const std::string path = folder.path() + "/hostd.toml";
  const std::string sound =
      "cluster = \"demo\"\nhost = \"paris-1\"\nmanager = [\"198.18.0.2:7444\"]\n"
      "[tls]\nca = \"a\"\ncertificate = \"b\"\nkey = \"c\"\n"
      "[[pool]]\nname = \"metro\"\nkind = \"dir\"\npath = \"/srv\"\n";
  test::write_file(path, sound);
  const Result<HostConfig> config = load_host_config(path);
  REQUIRE_MESSAGE(config.has_value(), config.error().message);
  CHECK(config->state_dir == "/var/lib/bascule");
  CHECK(config->domain_type == "kvm");
  CHECK(config->tls.certificate == "b");
  CHECK(config->capacity.memory_mib > 0);
  CHECK(make_pools(config->pool, SystemClock()).contains("metro"));

  test::write_file(
      path,
      "cluster = \"demo\"\nhost = \"a b\"\nmanager = []\n[tls]\nca = \"a\"\ncertificate = \"b\"\n"
      "key = \"c\"\n[[pool]]\nname = \"x\"\nkind = \"nfs\"\n");
  const Result<HostConfig> wrong = load_host_config(path);
  REQUIRE_FALSE(wrong.has_value());
  for (const char* key : {"host", "manager", "pool[0].kind"})
    CHECK_MESSAGE(wrong.error().message.find(key) != std::string::npos, wrong.error().message);
  test::write_file(path, "hots = 1\n" + sound);
  CHECK(load_host_config(path).error().message.find("hots") != std::string::npos);
}

}  // namespace
}  // namespace bascule::hostd
