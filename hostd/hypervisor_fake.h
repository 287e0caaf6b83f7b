// A hypervisor in memory, for tests: domains are entries of a map, QEMU processes those of a FakeProcesses.
// Faults are switches: away (libvirtd killed), stalled (libvirtd stopped: calls wait until it continues).
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "hostd/hypervisor.h"
#include "hostd/qemu_processes.h"

namespace bascule::hostd {

class FakeProcesses final : public QemuProcesses {
 public:
  Result<std::vector<QemuProcess>> scan() override;
  bool kill(const QemuProcess& process) override;
  void wait(const std::vector<QemuProcess>& watched, Duration time) override;

  QemuProcess add(const VmId& vm, const std::string& name);
  void remove(const VmId& vm);
  void make_unkillable(const VmId& vm);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, QemuProcess> processes_;
  std::set<VmId> unkillable_;
  int next_pid_ = 1000;
};

class FakeHypervisor final : public Hypervisor {
 public:
  explicit FakeHypervisor(FakeProcesses& processes) : processes_(processes) {}

  void subscribe(HypervisorEvents events) override;
  bool connected() const override;
  Result<std::vector<Domain>> list() override;
  Result<std::string> xml(const VmId& vm) override;
  Status start_paused(const std::string& xml, const std::vector<DiskSecret>& secrets) override;
  Status resume(const VmId& vm) override;
  Status shutdown(const VmId& vm) override;
  Status kill(const VmId& vm) override;
  Status grow(const VmId& vm, std::size_t disk, std::uint64_t bytes) override;  // of disks it knows nothing
  Result<std::map<VmId, GuestUse>> usage(Uses what) override;                   // none
  Result<std::string> qmp(const VmId& vm, const std::string& command) override;
  Result<std::vector<std::string>> autostarted() override;

  void set_away(bool away);
  void set_stalled(bool stalled);
  void set_ignores_shutdown(bool ignores);
  void fail_next_start(Error error);
  void set_qmp_answer(const std::string& command, const std::string& answer);  // of every domain
  void replace_xml(const VmId& vm, const std::string& xml);
  void pause(const VmId& vm, RunState how);
  void crash(const VmId& vm);                  // qemu killed
  void crash_quietly(const VmId& vm);          // the same, and no event comes
  std::function<void(const VmId&)> on_paused;  // called between start_paused and its return

 private:
  struct Entry {
    Domain domain;
    std::string xml;
  };
  Status ready(std::unique_lock<std::mutex>& lock);
  Status stop(const VmId& vm, DomainEventKind kind, bool with_event);
  void tell(const VmId& vm, DomainEventKind kind);

  FakeProcesses& processes_;
  mutable std::mutex mutex_;
  std::condition_variable continued_;
  HypervisorEvents events_;
  std::map<VmId, Entry> domains_;
  std::map<std::string, std::string> answers_;
  std::optional<Error> start_error_;
  bool away_ = false;
  bool stalled_ = false;
  bool ignores_shutdown_ = false;
};

}  // namespace bascule::hostd
