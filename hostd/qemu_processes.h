// The QEMU processes of this host as the kernel shows them: the second witness beside libvirt.
//
// Works while libvirtd is away. A process counts as long as it is not a zombie: a zombie holds no disk, no
// network and no memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/time.h"

namespace bascule::hostd {

struct QemuProcess {
  int pid = 0;
  std::uint64_t started = 0;  // kernel ticks since boot: tells a reused pid, and which of two is the older
  VmId vm;                    // of "-uuid"
  std::string name;           // of "-name guest=…"
  bool is_protected() const { return name.starts_with("bascule-"); }
  bool operator==(const QemuProcess&) const = default;
};

class QemuProcesses {
 public:
  virtual ~QemuProcesses() = default;
  // Fails when the process table can't be read: then nobody may conclude that a process is gone.
  virtual Result<std::vector<QemuProcess>> scan() = 0;
  // SIGKILL through a pidfd, after checking that the pid still is this process; false when it already went.
  virtual bool kill(const QemuProcess& process) = 0;
  // Returns when one of `watched` has ended, or after `time`.
  virtual void wait(const std::vector<QemuProcess>& watched, Duration time) = 0;
};

std::unique_ptr<QemuProcesses> make_qemu_processes(const std::string& proc_root = "/proc");

}  // namespace bascule::hostd
