// bascule-manager: decides for the cluster. This file is its wiring diagram.
#include <signal.h>

#include <chrono>
#include <cstdio>

#include "api/api.h"
#include "api/join.h"
#include "api/manager_config.h"
#include "api/replay.h"
#include "api/validity.h"
#include "base/certificates.h"
#include "base/daemon_arguments.h"
#include "base/durable_file.h"
#include "base/log.h"
#include "base/random.h"
#include "base/signing.h"
#include "cluster/actuators.h"
#include "cluster/fence_agents.h"
#include "cluster/host_sessions.h"
#include "cluster/image_remover.h"
#include "cluster/journal.h"
#include "cluster/leadership.h"
#include "cluster/lease_plane.h"
#include "cluster/manager.h"
#include "cluster/metrics.h"
#include "cluster/notary.h"
#include "cluster/outbox.h"
#include "cluster/runner.h"
#include "cluster/store_sqlite.h"
#include "failover/enrolment.h"

namespace {

using namespace bascule;
using namespace bascule::api;

constexpr std::size_t kFenceThreads = 8;
constexpr std::size_t kLargestCertificate = 64 * 1024;

int fail(const Error& error) {
  log(LogLevel::error, "manager", "cannot_run", {{"why", error.message}});
  return 1;
}

Result<std::map<HostId, std::unique_ptr<PowerFence>>> make_fences(const ManagerConfig& config,
                                                                  const Clock& clock) {
  std::map<HostId, std::unique_ptr<PowerFence>> fences;
  for (const HostConfig& host : config.host) {
    if (!host.bmc) continue;
    Result<std::unique_ptr<PowerFence>> fence = make_power_fence(*host.bmc, clock);
    if (!fence) return failure(fence.error().within("BMC of " + host.name.value));
    fences.emplace(host.name, std::move(*fence));
  }
  return fences;
}

CourierConfig courier_config(const ManagerConfig& config) {
  CourierConfig courier;
  courier.cluster = config.cluster.value;
  courier.mail = config.mail;
  courier.sms = config.sms;
  return courier;
}

// Whose certificate doesn't count any more: of hosts and guards.
std::function<std::string(const net::Peer&)> shut_out(const Runner& runner) {
  return [&runner](const net::Peer& peer) {
    return why_shut_out(runner.snapshot()->state, HostId(peer.name), peer.serial);
  };
}

HostSessionsOptions session_options(const ManagerConfig& config, const Leadership& leadership,
                                    Metrics& metrics, const Runner& runner, Enrolment* enrolment) {
  HostSessionsOptions options;
  options.why_not = shut_out(runner);
  if (enrolment)
    options.requests = [enrolment](const net::HttpRequest& request, const net::HttpReply& reply) {
      enrolment->renew(request, reply);
    };
  options.measured = [&metrics, &runner](const HostId& host, const wire::Usage& usage) {
    metrics.note(host, own_guests(runner.snapshot()->state, host, usage), SystemClock().wall());
  };
  options.address = config.listen.address;
  options.port = config.listen.host_port;
  options.tls = config.tls;
  options.leadership = leadership;
  options.heartbeat = config.policy.policy.heartbeat;
  options.command_validity = config.policy.policy.command_validity;
  options.peers = peers_of(config);
  return options;
}

JournalOptions journal_options(const ManagerConfig& config) {
  JournalOptions options;
  options.directory = config.journal.directory;
  if (options.directory.empty()) options.directory = config.state_dir + "/journal";
  options.most_bytes = std::uint64_t{1024} * 1024 * static_cast<std::uint64_t>(config.journal.max_mb);
  return options;
}

// Leases go to the hosts of the inventory, but not to boots whose revocation a predecessor committed.
void fill(GrantTable& leases, const ManagerConfig& config, const Records& records, Instant now) {
  for (const HostConfig& host : config.host) leases.admit(host.name);
  for (const HostRecord& host : records.hosts)
    if (host.revoked) leases.revoke({ActionId(), {host.id, *host.revoked}, !host.withheld}, now);
}

ChannelChanged changed(const ChannelStatus& status) {
  return {std::string(name_of(status.channel)), status.alive, status.alive ? "" : status.error.message};
}

sigset_t end_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Waits for a tenth of a second at most.
bool end_is_asked() {
  const sigset_t signals = end_signals();
  const timespec moment{0, 100'000'000};
  return sigtimedwait(&signals, nullptr, &moment) > 0;
}

// Returns at SIGTERM or SIGINT, or with the error that made the engine stop.
std::optional<Error> wait_for_end(const Runner& runner) {
  while (!end_is_asked())
    if (const std::optional<Error> why = runner.failure()) return why;
  return std::nullopt;
}

// A lease that is withheld when the manager stops could be given back by its successor only. A guard that
// lives asks within a tenth of its lease, once its link works, and the engine, which still runs, gives it
// back.
void give_back_withheld(const GrantTable& leases, const Policy& policy, const Clock& clock) {
  const Instant end = clock.now() + policy.lease_ttl * 7 / 10;
  while (leases.withholds(policy.lease_ttl, clock.now()) && clock.now() < end && !end_is_asked()) {
  }
}

// In mode `stop` guests must outlast an upgrade: guards, which renew every tenth of a lease, get long ones. A
// second signal ends the wait for them.
void grant_long(GrantTable& leases, const Policy& policy, const Clock& clock) {
  if (policy.on_lease_loss != LeaseMode::stop) return;
  leases.set_ttl(policy.planned_stop_ttl);
  const Instant end = clock.now() + policy.lease_ttl / 2;
  const auto all = [&] { return leases.all_hold(policy.lease_ttl, policy.lease_ttl, clock.now()); };
  while (!all() && clock.now() < end && !end_is_asked()) {
  }
  log(LogLevel::info, "manager", all() ? "long_leases_granted" : "some_hosts_took_no_long_lease",
      {{"seconds", std::chrono::duration_cast<std::chrono::seconds>(policy.planned_stop_ttl).count()}});
}

// Without them all else goes on.
void open_consoles(Consoles& consoles, const ManagerConfig& config, const Runner& runner) {
  const auto open =
      consoles.listen(config.listen.address, config.listen.stream_port, config.tls, shut_out(runner));
  if (!open) log(LogLevel::error, "manager", "no_consoles", {{"why", open.error().message}});
}

// Null where the configuration names no authority.
Result<std::unique_ptr<Enrolment>> make_enrolment(const ManagerConfig& config, Runner& runner) {
  if (!config.authority) return std::unique_ptr<Enrolment>();
  auto authority = Authority::load(config.authority->certificate, config.authority->key);
  if (!authority) return failure(authority.error());
  return std::make_unique<Enrolment>(
      *std::move(authority), std::chrono::seconds(config.authority->validity_s),
      [&runner](EventBody event, std::function<void(const Answer&)> reply) {
        runner.submit(std::move(event), std::move(reply));
      },
      [&runner] { return runner.snapshot(); });
}

// Null where none is kept.
std::unique_ptr<Journal> begin_journal(const ManagerConfig& config, const Clock& clock, const Runner& runner,
                                       const AuditHead& audit) {
  if (config.journal.max_mb == 0) return nullptr;
  auto journal = std::make_unique<Journal>(journal_options(config), config.policy.policy, clock);
  journal->begin(runner.snapshot()->state, audit);
  return journal;
}

// What can't be read here is no key; hosts have the last word.
std::vector<std::string> glass_keys(const ManagerConfig& config) {
  std::vector<std::string> keys;
  for (const std::string& file : config.break_glass) {
    const auto text = read_whole(file, kLargestCertificate);
    auto key = text ? read_public_key(*text) : failure(text.error());
    if (key)
      keys.push_back(*std::move(key));
    else
      log(LogLevel::error, "manager", "no_key", {{"file", file}, {"why", key.error().message}});
  }
  return keys;
}

std::vector<std::string> channels_of(const ManagerConfig& config) {
  std::vector<std::string> channels;
  if (!config.mail.empty()) channels.emplace_back(name_of(Channel::mail));
  if (!config.sms.empty()) channels.emplace_back(name_of(Channel::sms));
  return channels;
}

Services services_for(const ManagerConfig& config, Services services) {
  services.glass_keys = glass_keys(config);
  if (!config.authority) return services;
  const auto own = read_whole(config.tls.certificate, kLargestCertificate);
  const auto facts = own ? read_certificate(*own) : failure(own.error());
  if (facts) services.fingerprint = facts->fingerprint;
  const bool is_v6 = config.listen.address.find(':') != std::string::npos;
  services.join_address = (is_v6 ? "[" + config.listen.address + "]" : config.listen.address) + ":" +
                          std::to_string(config.listen.join_port);
  return services;
}

Result<std::vector<std::unique_ptr<net::Server>>> open_doors(Api& api, Consoles& consoles,
                                                             const ManagerConfig& config,
                                                             Enrolment* enrolment) {
  std::vector<std::unique_ptr<net::Server>> servers;
  if (enrolment) {
    auto server = serve_join(*enrolment, config.listen.address, config.listen.join_port, config.tls);
    if (!server) return failure(server.error());
    servers.push_back(*std::move(server));
  }
  std::shared_ptr<const net::Pages> pages;
  if (!config.pages.empty()) {
    auto loaded = net::Pages::load(config.pages);
    if (!loaded) return failure(loaded.error());
    pages = std::make_shared<const net::Pages>(*std::move(loaded));
  }
  const ListenConfig& listen = config.listen;
  // That for portals, which takes a hash to open, comes first: whoever gets in by the other finds both open.
  const std::pair<Door, std::uint16_t> doors[] = {{Door::portal, listen.portal_port},
                                                  {Door::operators, listen.api_port}};
  for (const auto& [door, port] : doors) {
    net::ServerOptions options;
    options.address = listen.address;
    options.port = port;
    options.tls = config.tls;
    if (door == Door::operators) options.cards = config.cards;
    auto server = serve(api, consoles, door, std::move(options), pages);
    if (!server) return failure(server.error());
    servers.push_back(*std::move(server));
  }
  if (!config.cards)
    log(LogLevel::warning, "manager", "staff_without_cards",
        {{"why", "manager.toml has no [cards]: keys in files let the provider's staff in"}});
  if (config.staff.empty())
    log(LogLevel::warning, "manager", "nobody_may_anything", {{"why", "manager.toml has no [[staff]]"}});
  return servers;
}

std::unique_ptr<Validity> watch_validity(const ManagerConfig& config, const Clock& clock,
                                         Validity::Post post) {
  auto validity = Validity::start({config.tls.certificate, config.cards ? config.cards->crl : ""}, clock,
                                  std::move(post));
  if (validity) return *std::move(validity);
  log(LogLevel::error, "manager", "validity_unknown", {{"why", validity.error().message}});
  return nullptr;
}

int run(const ManagerConfig& config) {
  const Policy& policy = config.policy.policy;
  SystemClock clock;
  SystemRandom random;
  const auto store = open_sqlite_store(config.state_dir + "/manager.db", random);
  if (!store) return fail(store.error());
  const auto inauguration = take_leadership(**store, config.cluster, policy, random);
  if (!inauguration) return fail(inauguration.error());
  const Leadership& leadership = inauguration->leadership;

  State state = begin(inauguration->records, inventory_of(config), leadership.manager, clock.now());
  Runner runner(Manager(std::move(state), policy, *inauguration), **store, clock);
  const auto journal = begin_journal(config, clock, runner, inauguration->marker.audit);
  const auto post = [&runner](EventBody event) { return runner.post(std::move(event)); };
  GrantTable leases(lease_settings(policy, leadership));
  fill(leases, config, inauguration->records, clock.now());
  Actuators actuators(clock, post);
  auto bmcs = make_fences(config, clock);
  if (!bmcs) return fail(bmcs.error());
  FenceAgents fences(std::move(*bmcs), kFenceThreads,
                     [&actuators](const FenceOutcome& outcome) { actuators.fence_done(outcome); });
  Outbox outbox({config.cluster.value, config.language, leadership.term}, courier_config(config), **store,
                clock, [&post](const ChannelStatus& status) { (void)post(changed(status)); });
  const auto enrolment = make_enrolment(config, runner);
  if (!enrolment) return fail(enrolment.error());
  Consoles consoles(clock);
  Metrics metrics;
  const auto sessions = HostSessions::start(
      session_options(config, leadership, metrics, runner, enrolment->get()), clock, post);
  if (!sessions) return fail(sessions.error());
  const auto tell = [&](const Copy& host, const auto& order) { return (*sessions)->tell(host, order); };
  const auto look = [&runner] { return runner.snapshot(); };
  consoles.connect(tell, look);
  open_consoles(consoles, config, runner);
  const auto lease_plane = LeasePlane::start(
      {config.listen.address, config.listen.lease_port, config.tls, shut_out(runner)}, leases, clock, post);
  if (!lease_plane) return fail(lease_plane.error());
  actuators.connect({sessions->get(), &fences, &leases, &outbox});
  runner.start([&actuators](const Action& action) { actuators.take(action); },
               [&actuators](const Snapshot& snapshot) { actuators.follow(snapshot); },
               [&journal](const std::vector<Stepped>& turn, const State& after) {
                 if (journal) journal->record(turn, after);
               });
  const ImageRemover images(clock, tell, look);
  const auto notary =
      Notary::open({config.cluster, leadership.term, config.state_dir + "/audit"}, **store, clock);
  if (!notary) {
    runner.stop();
    return fail(notary.error());
  }
  (*notary)->start();
  const Services services = services_of(runner, **store, **notary, consoles, metrics, channels_of(config));
  Api api(services_for(config, services), {.offer = config.offer.value_or(Offer())});
  const auto doors = open_doors(api, consoles, config, enrolment->get());
  if (!doors) {
    runner.stop();
    return fail(doors.error());
  }
  const auto validity = watch_validity(config, clock, post);
  log(LogLevel::info, "manager", "running",
      {{"cluster", config.cluster}, {"term", leadership.term}, {"version", BASCULE_VERSION}});

  if (!wait_for_end(runner)) give_back_withheld(leases, policy, clock);
  consoles.end();
  runner.stop();  // before the parts that its actions go to
  if (const std::optional<Error> why = runner.failure()) return fail(*why);
  grant_long(leases, policy, clock);
  log(LogLevel::info, "manager", "ended");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "replay") return replay_command(argc - 1, argv + 1);
  // Before any thread, so that all inherit it; a broken connection is an error, not a signal.
  sigset_t signals = end_signals();
  sigaddset(&signals, SIGPIPE);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  const auto parsed = parse_daemon_arguments(
      argc, argv, "manager",
      "Bascule's cluster manager: notices dead hosts, proves them dead, starts their VMs elsewhere.\n"
      "To compute recorded decisions again: bascule-manager replay --help");
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& arguments = std::get<DaemonArguments>(parsed);

  const Result<ManagerConfig> config = load_manager_config(arguments.config);
  if (arguments.check_config) return report_config_check(arguments.config, config);
  if (!config) {
    std::fprintf(stderr, "%s\n", config.error().message.c_str());
    return 2;
  }
  return run(*config);
}
