// bascule-portal: what the internet talks to, so that the manager doesn't have to. Holds no state and no
// authority; any number may run.
#include <signal.h>

#include <atomic>
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
constexpr std::size_t kMostQueued = 1024 * 1024;  // of a console, for one end
constexpr std::size_t kMostRequests = 256;        // to the manager, at once
constexpr std::size_t kMostStreams = 2000;        // of events; each keeps a request waiting
constexpr int kMostDials = 64;                    // for consoles, at once

int fail(const Error& error) {
  log(LogLevel::error, "portal", "cannot_run", {{"why", error.message}});
  return 1;
}

net::PoolOptions pool_options(const PortalConfig& config, std::size_t connections) {
  net::PoolOptions options;
  options.connections = connections;
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

// Consoles: whoever has a ticket; the manager knows whose it is. Nothing that it, or the network, says of a
// dial that failed is for the internet.
net::WebSocketPath consoles_through(net::WebSocketDialer& dialer, const std::string& manager) {
  net::WebSocketLimits limits;
  limits.bytes = true;
  limits.message_bytes = kMostBody;
  limits.queued_bytes = kMostQueued;
  const auto dials = std::make_shared<std::atomic<int>>(0);  // under way
  const auto door = [&dialer, manager, limits, dials](const std::string& target, const net::Peer&) {
    std::optional<net::WebSocketEvents> near;
    if (!is_console(target) || dials->load() >= kMostDials) return near;
    ++*dials;
    const auto joint = net::WebSocketJoint::make([](const std::string&) {});
    net::WebSocketEvents far = joint->events(net::WebSocketJoint::End::far);
    const auto opened = std::make_shared<bool>(false);  // on the dialer's thread
    far.on_open = [dials, opened, pass_on = far.on_open](std::shared_ptr<net::WebSocket> socket) {
      *opened = true;
      --*dials;
      pass_on(std::move(socket));
    };
    far.on_close = [dials, opened, joint, pass_on = far.on_close](
                       const std::shared_ptr<net::WebSocket>& socket, const std::string& why) {
      if (*opened) return pass_on(socket, why);
      --*dials;
      joint->close("this ticket is not, or no longer, good");
    };
    dialer.dial(manager, target, limits, std::move(far));
    near = joint->events(net::WebSocketJoint::End::near);
    return near;
  };
  return {door, limits};
}

int run(const PortalConfig& config, const sigset_t& ending) {
  const auto manager = net::HttpPool::make(pool_options(config, kMostRequests));
  if (!manager) return fail(manager.error());
  const auto dialer = net::WebSocketDialer::make(pool_options(config, 1).client);
  if (!dialer) return fail(dialer.error());
  const auto listening = net::HttpPool::make(pool_options(config, kMostStreams));
  if (!listening) return fail(listening.error());
  SystemRandom random;
  EventStreams streams(**listening);
  std::optional<net::Pages> pages;
  if (!config.pages.empty()) {
    auto loaded = net::Pages::load(config.pages);
    if (!loaded) return fail(loaded.error());
    pages = *std::move(loaded);
  }
  Relay relay(**manager, streams, random, std::move(pages));
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
