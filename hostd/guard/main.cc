// bascule-guard: renews this host's lease, stops its guests at the deadline, pets its watchdog.
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <iostream>
#include <thread>

#include "base/config.h"
#include "base/daemon_arguments.h"
#include "base/ensure.h"
#include "base/log.h"
#include "hostd/guard/guard.h"
#include "hostd/guard/lease_file.h"
#include "hostd/guard/managers.h"
#include "hostd/guard/process.h"
#include "hostd/guard/settings.h"

namespace bascule::guard {
namespace {

HostClocks read_clocks() {
  const SystemClock clock;
  return {clock.monotonic_raw(), clock.boottime()};
}

// Before any thread is started: all of them leave these signals to the deadline thread.
int take_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  const int fd = ::signalfd(-1, &ending, SFD_CLOEXEC);
  ensure(fd >= 0, "signalfd() needs nothing that can be missing");
  return fd;
}

bool signal_came(int fd, Duration wait) {
  pollfd signals{fd, POLLIN, 0};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
  const timespec time{seconds.count(), (wait - seconds).count()};
  return ::ppoll(&signals, 1, &time, nullptr) > 0;
}

// Without a readable record of this boot the mode is unknown: nothing is killed, and a watchdog that a
// predecessor armed isn't petted, so it bites unless a manager grants the lease in time.
Lease take_up_lease(const Settings& settings, const BootId& boot_id, const std::string& path) {
  Lease lease(ClusterId(settings.cluster), HostId(settings.host), boot_id);
  const Result<wire::LeaseFile> record = read_lease_file(path);
  if (record)
    lease.adopt(*record, read_clocks());
  else if (record.error().code != ErrorCode::not_found)
    log(LogLevel::error, "guard", "record_unreadable", {{"path", path}, {"problem", record.error().message}});
  return lease;
}

int run(const Settings& settings) {
  const int signals = take_signals();
  claim_resources();
  if (const Status alone = be_the_only_guard(settings.run_dir); !alone) {
    std::cerr << "bascule-guard: " << alone.error().message << '\n';
    return 1;
  }
  const Result<BootId> boot_id = read_boot_id();
  if (!boot_id) {
    std::cerr << "bascule-guard: " << boot_id.error().message << '\n';
    return 1;
  }
  const std::string path = settings.run_dir + "/lease.json";
  Watchdog watchdog(settings.watchdog);
  Managers managers(settings.manager, settings.tls);
  GuardHands hands;
  hands.clocks = read_clocks;
  hands.find_guests = [] { return find_protected_guests(); };
  hands.kill_guests = [](Duration budget) { return kill_protected_guests(budget, SystemClock()); };
  if (settings.sysrq && !settings.watchdog.emulated) hands.reset_machine = reset_machine;
  hands.ask = [&managers](std::size_t manager, const wire::LeaseRequest& request, Duration time) {
    return managers.ask(manager, request, time);
  };
  Guard guard(take_up_lease(settings, *boot_id, path), watchdog, path, settings.manager.size(),
              std::move(hands));
  log(LogLevel::info, "guard", "started", {{"host", settings.host}, {"boot_id", *boot_id}});

  guard.tick();
  std::thread renewal([&guard] { guard.renew_until_stopped(); });
  std::thread publisher([&guard] { guard.publish_until_stopped(); });
  while (!signal_came(signals, guard.tick())) {
  }
  guard.stop();
  renewal.join();  // bounded by one request
  publisher.join();
  guard.leave();
  log(LogLevel::info, "guard", "stopped", {{"watchdog_left_armed", watchdog.armed()}});
  return 0;
}

}  // namespace
}  // namespace bascule::guard

int main(int argc, char** argv) {
  const auto parsed = bascule::parse_daemon_arguments(
      argc, argv, "guard", "Renews this host's lease, stops its guests at the deadline, pets its watchdog.");
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& arguments = std::get<bascule::DaemonArguments>(parsed);

  const auto settings = bascule::guard::load_settings(arguments.config);
  if (arguments.check_config) return bascule::report_config_check(arguments.config, settings);
  if (!settings) {
    std::cerr << settings.error().message << '\n';
    return 2;
  }
  return bascule::guard::run(*settings);
}
