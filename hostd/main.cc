// bascule-hostd: runs this host's guests for the manager.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "base/config.h"
#include "base/daemon_arguments.h"
#include "base/durable_file.h"
#include "base/log.h"
#include "base/signing.h"
#include "hostd/agent.h"
#include "hostd/config.h"
#include "hostd/consoles.h"
#include "hostd/device_watch.h"
#include "hostd/host_checks.h"
#include "hostd/identity.h"
#include "hostd/libvirt.h"
#include "hostd/peer_probe.h"
#include "hostd/pump.h"
#include "hostd/session.h"
#include "hostd/usage_meter.h"

namespace {

using namespace bascule;
using namespace bascule::hostd;

constexpr const char* kExceptionFile = "/etc/bascule/allow-devices";
constexpr Duration kSurveyEvery = 1s;
constexpr Duration kPolicyEvery = 2s;
constexpr Duration kStorageEvery = 1s;
constexpr Duration kUsageEvery = 10s;
constexpr Duration kApartEvery = 5s;
constexpr Duration kRenewalEvery = 5s;
constexpr Duration kAfterRenewal = 15s;
constexpr std::size_t kWorkers = 16;
constexpr std::size_t kWaitingOrders = 1024;
constexpr std::size_t kLargestKey = 16 * 1024;

int fail(const Error& error) {
  log(LogLevel::error, "hostd", "cannot_run", {{"why", error.message}});
  return 1;
}

BootId read_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(file, text);
  return BootId(text);
}

Result<std::string> key_in(const std::string& file) {
  const Result<std::string> text = read_whole(file, kLargestKey);
  auto key = text ? read_public_key(*text) : failure(text.error());
  return key ? key : failure(key.error().within(file));
}

Result<std::unique_ptr<Custodian>> open_custodian(const HostConfig& config) {
  TrustedKeys keys;
  keys.glass_wait = std::chrono::seconds(config.break_glass_wait_s);
  if (!config.officer.empty()) {
    auto officer = key_in(config.officer);
    if (!officer) return failure(officer.error());
    keys.officer = *std::move(officer);
  }
  for (const std::string& file : config.break_glass) {
    auto key = key_in(file);
    if (!key) return failure(key.error());
    if (std::find(keys.glass.begin(), keys.glass.end(), *key) != keys.glass.end())
      return failure(ErrorCode::invalid, file + " holds the same key as another file of break_glass");
    keys.glass.push_back(*std::move(key));
  }
  return Custodian::open(config.state_dir + "/grants.json", std::move(keys));
}

// Where the manager's authority gave the certificates. Without an answer it is tried again after a while.
void renew_if_due(const HostConfig& config, const Clock& clock, Instant& not_before) {
  const Identity identity(config.state_dir);
  if (!identity.is_used_by(config.tls) || clock.now() < not_before) return;
  const auto due = identity.is_due(clock.wall());
  if (due && !*due) return;
  not_before = clock.now() + kAfterRenewal;
  const Status renewed = due ? identity.renew(config.host, config.manager) : failure(due.error());
  if (renewed)
    log(LogLevel::info, "hostd", "certificates_renewed", {{"host", config.host}});
  else
    log(LogLevel::warning, "hostd", "certificates_not_renewed", {{"why", renewed.error().message}});
}

// Everything that must last is on disk, and a libvirtd that hangs must not keep us: guests run on.
[[noreturn]] void end_at_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int signal = 0;
  sigwait(&signals, &signal);
  log(LogLevel::info, "hostd", "ending", {{"signal", signal}});
  _exit(0);
}

int run(const HostConfig& config) {
  if (const Status clean = check_nothing_else_starts_guests(""); !clean) return fail(clean.error());
  const BootId boot = read_boot_id();
  const Result<std::unique_ptr<Tombstones>> tombstones =
      Tombstones::open(config.state_dir + "/tombstones.json", boot);
  if (!tombstones) return fail(tombstones.error());

  const std::string seed_folder = config.run_dir + "/seeds";
  if (const Status made = prepare_seed_folder(seed_folder); !made) return fail(made.error());

  const auto custodian = open_custodian(config);
  if (!custodian) return fail(custodian.error());
  if (!config.packet_filter) remove_packet_filter();
  const auto filter =
      config.packet_filter ? make_packet_filter(config.run_dir + "/filter") : make_open_filter();
  if (!filter) return fail(filter.error());

  SystemClock clock;
  SystemRandom random;
  StoragePools pools = make_pools(config.pool, clock);
  const std::unique_ptr<QemuProcesses> processes = make_qemu_processes();
  const std::unique_ptr<Hypervisor> libvirt = make_libvirt(config.libvirt_uri);
  const Result<std::unique_ptr<PeerProbe>> probe =
      PeerProbe::start(config.probe_address, kProbePort, clock, random);
  if (!probe) return fail(probe.error());

  Session session({config.manager, config.tls}, clock);
  Agent agent({config.cluster, config.host, boot, config.capacity, config.domain_type},
              {*libvirt, *processes, **tombstones, pools, clock, lease_reader(config.run_dir + "/lease.json"),
               [] { return exception_in_force(kExceptionFile); },
               [&session](wire::FromHost message) { session.say(std::move(message)); }, seed_folder,
               **custodian, **filter});
  DeviceWatch devices(agent, UsbPorts(), kExceptionFile);
  Workers workers(kWorkers, kWaitingOrders);
  const Result<std::unique_ptr<Consoles>> consoles = Consoles::start(*libvirt, config.tls, clock);
  if (!consoles) return fail(consoles.error());
  const Result<std::unique_ptr<Images>> images =
      Images::start(pools, config.tls, clock, config.state_dir + "/uploads",
                    [&session](wire::FromHost message) { session.say(std::move(message)); });
  if (!images) return fail(images.error());

  agent.adopt();
  Pump survey(kSurveyEvery, [&agent] { agent.survey(); });
  Pump policy(kPolicyEvery, [&agent] { agent.enforce_policy(); });
  libvirt->subscribe({[&](const DomainEvent& event) {
                        agent.on_domain(event);
                        survey.wake();
                        policy.wake();
                      },
                      [&](bool connected, const std::string&) {
                        agent.on_connection(connected);
                        survey.wake();
                      }});
  Pump watch(0s, [&agent] { agent.watch_processes(); });
  Pump storage(kStorageEvery, [&agent] { agent.tend_storage(); });
  Pump apart(kApartEvery, [&agent] { agent.keep_apart(); });
  Pump custody(kPolicyEvery, [&] {
    (*consoles)->look_again(agent);
    agent.watch_custody();
  });
  UsageMeter usage(*libvirt, clock);
  Pump measuring(kUsageEvery, [&usage] { usage.look(); });
  Instant next_renewal;
  Pump renewal(kRenewalEvery, [&] { renew_if_due(config, clock, next_renewal); });
  Pump ports(kPolicyEvery, [&devices] { devices.look(); });
  session.start(agent, **probe, workers, {consoles->get(), images->get(), &usage});
  log(LogLevel::info, "hostd", "running", {{"host", config.host}, {"boot", boot}});
  end_at_signal();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "join") return join_command(argc - 1, argv + 1);
  // Before any thread, so that all inherit it; a broken connection is an error, not a signal.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGPIPE);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  const auto parsed = parse_daemon_arguments(
      argc, argv, "hostd", "Bascule's daemon on a hypervisor: runs virtual machines for the manager.");
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& arguments = std::get<DaemonArguments>(parsed);

  const Result<HostConfig> config = load_host_config(arguments.config);
  if (arguments.check_config) return report_config_check(arguments.config, config);
  if (!config) {
    std::fprintf(stderr, "%s\n", config.error().message.c_str());
    return 2;
  }
  return run(*config);
}
