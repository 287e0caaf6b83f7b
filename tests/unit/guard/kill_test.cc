#include "hostd/guard/kill.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/guard/scratch.h"

using namespace bascule;
using namespace bascule::guard;
using namespace bascule::guard::test;

namespace {

// A view of /proc that holds the test's own processes only: nothing else on the machine may be killed by a
// test.
class Machine {
 public:
  Machine() {
    std::filesystem::create_directory(proc());
    std::filesystem::copy_file("/bin/bash", qemu());
    std::filesystem::copy_file("/bin/bash", other());
  }
  std::string qemu() const { return folder_ / "qemu-system-x86_64"; }
  std::string other() const { return folder_ / "other"; }
  std::string proc() const { return folder_ / "proc"; }
  void show(const Process& process) const {
    const std::string pid = std::to_string(process.pid());
    std::filesystem::create_directory_symlink("/proc/" + pid, proc() + "/" + pid);
  }

 private:
  Folder folder_;
};

constexpr const char* kWait = "read line";

}  // namespace

TEST_CASE("protected guests are killed, all at once; others live") {
  const Machine machine;
  Process guest(machine.qemu(), kWait, "guest=bascule-web-1,debug-threads=on");
  Process second(machine.qemu(), "trap '' TERM INT HUP; read line", "guest=bascule-web-2");
  Process stranger(machine.qemu(), kWait, "guest=mine");
  Process other(machine.other(), kWait, "guest=bascule-web-3");
  for (const Process* process : {&guest, &second, &stranger, &other}) machine.show(*process);

  GuestSearch search = find_protected_guests(machine.proc());
  CHECK(search.readable);
  std::sort(search.guests.begin(), search.guests.end());
  std::vector<pid_t> expected{guest.pid(), second.pid()};
  std::sort(expected.begin(), expected.end());
  CHECK(search.guests == expected);

  const KillReport report = kill_protected_guests(10s, SystemClock(), machine.proc());
  CHECK(report.all_gone);
  CHECK(report.killed == 2);
  CHECK(report.alive == 0);
  CHECK_FALSE(guest.lives());
  CHECK_FALSE(second.lives());
  CHECK(stranger.lives());
  CHECK(other.lives());
}

TEST_CASE("a guest that waits stopped is killed too") {
  const Machine machine;
  Process guest(machine.qemu(), kWait, "guest=bascule-web-1");
  machine.show(guest);
  ::kill(guest.pid(), SIGSTOP);
  CHECK(kill_protected_guests(10s, SystemClock(), machine.proc()).all_gone);
  CHECK_FALSE(guest.lives());
}

TEST_CASE("no guests: done at once; no /proc: nobody says so") {
  const Machine machine;
  CHECK(kill_protected_guests(10s, SystemClock(), machine.proc()).all_gone);
  const KillReport blind = kill_protected_guests(0s, SystemClock(), machine.proc() + "/missing");
  CHECK_FALSE(blind.all_gone);
  CHECK_FALSE(find_protected_guests(machine.proc() + "/missing").readable);
}

TEST_CASE("without any budget the signal is still sent") {
  const Machine machine;
  Process guest(machine.qemu(), kWait, "guest=bascule-web-1");
  machine.show(guest);
  kill_protected_guests(0s, SystemClock(), machine.proc());
  guest.reap();  // returns only because it was killed
  CHECK(kill_protected_guests(0s, SystemClock(), machine.proc()).all_gone);
}

TEST_CASE("a guest whose first thread has exited still is one while another thread lives") {
  const Machine machine;
  // A made-up process: what the kernel shows of a killed QEMU with a thread that hangs in a write.
  const std::string dying = machine.proc() + "/4000000";
  std::filesystem::create_directories(dying + "/task/4000000");
  std::filesystem::create_directories(dying + "/task/4000001");
  std::FILE* comm = std::fopen((dying + "/comm").c_str(), "w");
  REQUIRE(comm != nullptr);
  std::fputs("qemu-system-x86\n", comm);
  std::fclose(comm);
  CHECK(find_protected_guests(machine.proc()).guests == std::vector<pid_t>{4000000});
  const KillReport report = kill_protected_guests(20ms, SystemClock(), machine.proc());
  CHECK_FALSE(report.all_gone);
  CHECK(report.alive == 1);

  std::filesystem::remove(dying + "/task/4000001");  // now it only waits to be reaped
  CHECK(find_protected_guests(machine.proc()).guests.empty());
}
