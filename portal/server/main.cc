// bascule-portal: what the internet talks to, so that the manager doesn't have to. Holds no state and no
// authority; any number may run.
#include <signal.h>

#include <cstdio>

#include "base/config.h"
#include "base/daemon_arguments.h"
#include "base/log.h"
#include "portal/server/config.h"
#include "portal/server/relay.h"

namespace {

using namespace bascule;
using namespace bascule::portal;

constexpr std::size_t kMostBody = 64 * 1024;

int fail(const Error& error) {
  log(LogLevel::error, "portal", "cannot_run", {{"why", error.message}});
  return 1;
}

net::PoolOptions pool_options(const PortalConfig& config) {
  net::PoolOptions options;
  options.client.address = config.manager.address;
  options.client.tls = config.tls;
  return options;
}

net::ServerOptions server_options(const PortalConfig& config) {
  net::ServerOptions options;
  options.address = config.listen.address;
  options.port = config.listen.port;
  options.tls.certificate = config.listen.certificate;
  options.tls.key = config.listen.key;
  options.http.connections = config.listen.connections;
  options.http.connections_per_address = config.listen.connections_per_address;
  options.http.body_bytes = kMostBody;
  return options;
}

// Consoles: whoever has a ticket; the manager knows whose it is.
net::WebSocketPath consoles_through(net::WebSocketDialer& dialer, const std::string& manager) {
  net::WebSocketLimits limits;
  limits.bytes = true;
  const auto door = [&dialer, manager, limits](const std::string& target, const net::Peer&) {
    std::optional<net::WebSocketEvents> near;
    if (!is_console(target)) return near;
    const auto joint = net::WebSocketJoint::make([](const std::string&) {});
    dialer.dial(manager, target, limits, joint->events(net::WebSocketJoint::End::far));
    near = joint->events(net::WebSocketJoint::End::near);
    return near;
  };
  return {door, limits};
}

int run(const PortalConfig& config, const sigset_t& ending) {
  const auto manager = net::HttpPool::make(pool_options(config));
  if (!manager) return fail(manager.error());
  const auto dialer = net::WebSocketDialer::make(pool_options(config).client);
  if (!dialer) return fail(dialer.error());
  SystemRandom random;
  Relay relay(**manager, random);
  net::ServerOptions options = server_options(config);
  options.websockets[std::string(kConsolePath)] = consoles_through(**dialer, config.manager.address);
  const auto server =
      net::Server::start(std::move(options), [&relay](net::HttpRequest request, net::HttpReply reply) {
        relay.handle(std::move(request), std::move(reply));
      });
  if (!server) return fail(server.error());
  log(LogLevel::info, "portal", "running",
      {{"port", std::uint64_t{(*server)->port()}}, {"version", BASCULE_VERSION}});
  int signal = 0;
  sigwait(&ending, &signal);
  log(LogLevel::info, "portal", "ended");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Before any thread, so that all inherit it; a broken connection is an error, not a signal.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigset_t blocked = ending;
  sigaddset(&blocked, SIGPIPE);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);

  const auto parsed = parse_daemon_arguments(
      argc, argv, "portal",
      "Bascule's public face: takes the requests of tenants to the manager. Holds no authority of its own.");
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& arguments = std::get<DaemonArguments>(parsed);
  const Result<PortalConfig> config = load_portal_config(arguments.config);
  if (arguments.check_config) return report_config_check(arguments.config, config);
  if (!config) {
    std::fprintf(stderr, "%s\n", config.error().message.c_str());
    return 2;
  }
  return run(*config, ending);
}
