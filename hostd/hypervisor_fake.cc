#include "hostd/hypervisor_fake.h"

#include <algorithm>

#include "hostd/domain_xml.h"

namespace bascule::hostd {

// ---- Processes ----

Result<std::vector<QemuProcess>> FakeProcesses::scan() {
  const std::lock_guard lock(mutex_);
  std::vector<QemuProcess> all;
  for (const auto& [pid, process] : processes_) all.push_back(process);
  return all;
}

bool FakeProcesses::kill(const QemuProcess& process) {
  const std::lock_guard lock(mutex_);
  if (unkillable_.contains(process.vm)) return true;
  changed_.notify_all();
  return processes_.erase(process.pid) == 1;
}

void FakeProcesses::wait(const std::vector<QemuProcess>& watched, Duration time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [&] {
    return std::any_of(watched.begin(), watched.end(),
                       [this](const QemuProcess& process) { return !processes_.contains(process.pid); });
  });
}

QemuProcess FakeProcesses::add(const VmId& vm, const std::string& name) {
  const std::lock_guard lock(mutex_);
  const int pid = next_pid_++;
  QemuProcess process{pid, static_cast<std::uint64_t>(pid), vm, name};
  processes_.emplace(pid, process);
  return process;
}

void FakeProcesses::remove(const VmId& vm) {
  const std::lock_guard lock(mutex_);
  std::erase_if(processes_, [&vm](const auto& entry) { return entry.second.vm == vm; });
  changed_.notify_all();
}

void FakeProcesses::make_unkillable(const VmId& vm) {
  const std::lock_guard lock(mutex_);
  unkillable_.insert(vm);
}

// ---- Hypervisor ----

void FakeHypervisor::subscribe(HypervisorEvents events) {
  events_ = std::move(events);
  events_.on_connection(true, "");
}

bool FakeHypervisor::connected() const {
  const std::lock_guard lock(mutex_);
  return !away_;
}

Status FakeHypervisor::ready(std::unique_lock<std::mutex>& lock) {
  continued_.wait(lock, [this] { return !stalled_; });
  if (away_) return failure(ErrorCode::unavailable, "the fake libvirtd is away");
  return {};
}

void FakeHypervisor::tell(const VmId& vm, DomainEventKind kind) {
  if (events_.on_domain) events_.on_domain({vm, kind});
}

Result<std::vector<Domain>> FakeHypervisor::list() {
  std::unique_lock lock(mutex_);
  if (const Status status = ready(lock); !status) return failure(status.error());
  std::vector<Domain> all;
  for (const auto& [vm, entry] : domains_) all.push_back(entry.domain);
  return all;
}

Result<std::string> FakeHypervisor::xml(const VmId& vm) {
  std::unique_lock lock(mutex_);
  if (const Status status = ready(lock); !status) return failure(status.error());
  const auto found = domains_.find(vm);
  if (found == domains_.end()) return failure(ErrorCode::not_found, "no domain " + vm.value);
  return found->second.xml;
}

Status FakeHypervisor::start_paused(const std::string& xml, const std::vector<DiskSecret>&) {
  const DomainIdentity identity = identity_of(xml);
  {
    std::unique_lock lock(mutex_);
    if (const Status status = ready(lock); !status) return status;
    if (start_error_) {
      const Error error = *start_error_;
      start_error_.reset();
      return failure(error);
    }
    if (identity.vm.empty()) return failure(ErrorCode::invalid, "the fake libvirtd needs a uuid");
    if (domains_.contains(identity.vm))
      return failure(ErrorCode::conflict, "domain " + identity.vm.value + " exists already");
    domains_[identity.vm] = {{identity.vm, identity.name, identity.generation, RunState::paused}, xml};
    processes_.add(identity.vm, identity.name);
  }
  tell(identity.vm, DomainEventKind::started);
  if (on_paused) on_paused(identity.vm);
  return {};
}

Status FakeHypervisor::resume(const VmId& vm) {
  {
    std::unique_lock lock(mutex_);
    if (const Status status = ready(lock); !status) return status;
    const auto found = domains_.find(vm);
    if (found == domains_.end()) return failure(ErrorCode::not_found, "no domain " + vm.value);
    found->second.domain.state = RunState::running;
  }
  tell(vm, DomainEventKind::resumed);
  return {};
}

Status FakeHypervisor::stop(const VmId& vm, DomainEventKind kind, bool with_event) {
  {
    std::unique_lock lock(mutex_);
    if (domains_.erase(vm) == 0) return failure(ErrorCode::not_found, "no domain " + vm.value);
    processes_.remove(vm);
  }
  if (with_event) tell(vm, kind);
  return {};
}

Status FakeHypervisor::shutdown(const VmId& vm) {
  {
    std::unique_lock lock(mutex_);
    if (const Status status = ready(lock); !status) return status;
    if (!domains_.contains(vm)) return failure(ErrorCode::not_found, "no domain " + vm.value);
    if (ignores_shutdown_) return {};
  }
  return stop(vm, DomainEventKind::shutdown_by_guest, true);
}

Status FakeHypervisor::kill(const VmId& vm) {
  {
    std::unique_lock lock(mutex_);
    if (const Status status = ready(lock); !status) return status;
  }
  return stop(vm, DomainEventKind::destroyed, true);
}

Status FakeHypervisor::grow(const VmId& vm, std::size_t, std::uint64_t) {
  std::unique_lock lock(mutex_);
  if (const Status status = ready(lock); !status) return status;
  if (!domains_.contains(vm)) return failure(ErrorCode::not_found, "no domain " + vm.value);
  return {};
}

Result<std::map<VmId, GuestUse>> FakeHypervisor::usage(Uses) {
  std::unique_lock lock(mutex_);
  if (const Status status = ready(lock); !status) return failure(status.error());
  std::map<VmId, GuestUse> all;
  for (const auto& [vm, entry] : domains_) all[vm];
  return all;
}

Result<std::string> FakeHypervisor::qmp(const VmId& vm, const std::string& command) {
  std::unique_lock lock(mutex_);
  if (const Status status = ready(lock); !status) return failure(status.error());
  if (!domains_.contains(vm)) return failure(ErrorCode::not_found, "no domain " + vm.value);
  if (const auto found = answers_.find(command); found != answers_.end()) return found->second;
  if (command.find("info usb") != std::string::npos)
    return std::string(R"({"return":"USB support not enabled\r\n"})");
  if (command.find("query-status") != std::string::npos) {
    const bool running = domains_[vm].domain.state == RunState::running;
    return std::string(R"({"return":{"status":")") + (running ? "running" : "paused") + R"("}})";
  }
  return std::string(R"({"return":[]})");
}

Result<std::vector<std::string>> FakeHypervisor::autostarted() { return std::vector<std::string>(); }

// ---- Faults ----

void FakeHypervisor::set_away(bool away) {
  {
    const std::lock_guard lock(mutex_);
    away_ = away;
  }
  if (events_.on_connection) events_.on_connection(!away, away ? "killed by the test" : "");
}

void FakeHypervisor::set_stalled(bool stalled) {
  const std::lock_guard lock(mutex_);
  stalled_ = stalled;
  continued_.notify_all();
}

void FakeHypervisor::set_ignores_shutdown(bool ignores) {
  const std::lock_guard lock(mutex_);
  ignores_shutdown_ = ignores;
}

void FakeHypervisor::fail_next_start(Error error) {
  const std::lock_guard lock(mutex_);
  start_error_ = std::move(error);
}

void FakeHypervisor::set_qmp_answer(const std::string& command, const std::string& answer) {
  const std::lock_guard lock(mutex_);
  answers_[command] = answer;
}

void FakeHypervisor::replace_xml(const VmId& vm, const std::string& xml) {
  const std::lock_guard lock(mutex_);
  domains_[vm].xml = xml;
}

void FakeHypervisor::pause(const VmId& vm, RunState how) {
  const std::lock_guard lock(mutex_);
  if (const auto found = domains_.find(vm); found != domains_.end()) found->second.domain.state = how;
}

void FakeHypervisor::crash(const VmId& vm) {
  [[maybe_unused]] const Status stopped = stop(vm, DomainEventKind::crashed, true);
}

void FakeHypervisor::crash_quietly(const VmId& vm) {
  [[maybe_unused]] const Status stopped = stop(vm, DomainEventKind::crashed, false);
}

}  // namespace bascule::hostd
