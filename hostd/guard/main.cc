// bascule-guard: renews this host's lease, stops its guests at the deadline, pets its watchdog.
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "base/config.h"
#include "base/ensure.h"
#include "base/log.h"
#include "hostd/guard/guard.h"
#include "hostd/guard/lease_file.h"
#include "hostd/guard/managers.h"
#include "hostd/guard/process.h"
#include "hostd/guard/settings.h"

namespace bascule::guard {
namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  bascule-guard --check-config\n"
    "  bascule-guard --config /etc/bascule/guard.toml\n"
    "\n"
    "Exit codes: 0 ended by a signal, 1 cannot run, 2 wrong usage or configuration.\n"
    "More: man bascule-guard.";

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
  const char* from_environment = std::getenv("BASCULE_CONFIG");
  std::string config = from_environment != nullptr ? from_environment : "/etc/bascule/guard.toml";
  bool check_only = false;
  CLI::App app("Renews this host's lease, stops its guests at the deadline, pets its watchdog.",
               "bascule-guard");
  app.footer(bascule::guard::kFooter);
  app.set_version_flag("--version", "bascule-guard " BASCULE_VERSION);
  app.add_option("--config", config, "configuration file")->capture_default_str();
  app.add_flag("--check-config", check_only, "report every error of the configuration and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& told) {
    return app.exit(told) == 0 ? 0 : 2;
  }

  const auto settings = bascule::guard::load_settings(config);
  if (check_only) return bascule::report_config_check(config, settings);
  if (!settings) {
    std::cerr << settings.error().message << '\n';
    return 2;
  }
  return bascule::guard::run(*settings);
}
