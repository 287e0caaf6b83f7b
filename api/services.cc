// The API's services over the production parts.
#include "api/api.h"
#include "api/password.h"
#include "cluster/runner.h"

namespace bascule::api {
namespace {

constexpr std::size_t kPortalConnections = 16'384;  // several portals, each with a pool, and their consoles
constexpr std::size_t kPortalBody = 64 * 1024;

}  // namespace

Services services_of(Runner& runner, Store& store, const Notary& notary, Consoles& consoles,
                     const Metrics& metrics, std::vector<std::string> channels) {
  Services services;
  services.channels = std::move(channels);
  services.snapshot = [&runner] { return runner.snapshot(); };
  services.submit = [&runner](EventBody event, std::function<void(const Answer&)> reply) {
    runner.submit(std::move(event), std::move(reply));
  };
  services.recent = [&runner](std::uint64_t after, std::size_t limit, const TenantId& tenant) {
    return runner.trail().read(after, limit, tenant);
  };
  services.follow = [&runner](std::uint64_t after, const TenantId& tenant, Duration wait,
                              std::function<void()> call) {
    return runner.trail().follow(after, tenant, SystemClock().now() + wait, std::move(call));
  };
  services.audit = [&runner, &store](std::uint64_t after,
                                     std::size_t limit) -> Result<std::vector<AuditEntry>> {
    if (auto recent = runner.trail().read(after, limit, {})) return std::move(recent->entries);
    return read_audit(store, after, limit);
  };
  services.verify_audit = [&store] { return verify_chain(store); };
  services.request = [&store](const RequestId& id) { return read_request(store, id); };
  services.export_audit = [&store](std::uint64_t after, std::size_t limit) {
    return export_audit(store, after, limit);
  };
  services.console = [&consoles](const Principal& who, Consoles::Wanted wanted) {
    return consoles.admit(who, std::move(wanted));
  };
  services.guest_metrics = [&metrics](const VmId& vm) { return metrics.of_guest(vm, SystemClock().wall()); };
  services.host_metrics = [&metrics](const HostId& host) {
    return metrics.of_host(host, SystemClock().wall());
  };
  services.host_now = [&metrics](const HostId& host) {
    return metrics.now_of_host(host, SystemClock().wall());
  };
  services.audit_key = notary.public_pem();
  return services;
}

Result<std::unique_ptr<net::Server>> serve(Api& api, Consoles& consoles, Door door,
                                           net::ServerOptions options,
                                           std::shared_ptr<const net::Pages> pages) {
  options.websockets[std::string(kConsolePath)] = consoles.door();
  options.admit_role = door == Door::portal ? "portal" : options.cards ? "" : "operator";
  if (door == Door::portal) {
    if (hash_of_nobody().empty())
      return failure(ErrorCode::exhausted, "there is no memory to check passwords");
    options.http.connections = kPortalConnections;
    options.http.body_bytes = kPortalBody;
  }
  if (door != Door::operators || !pages) return net::Server::start(std::move(options), api.handler(door));
  const auto handler = [pages, answer = api.handler(door)](net::HttpRequest request, net::HttpReply reply) {
    if (auto page = pages->answer(request)) return reply(*std::move(page));
    answer(std::move(request), std::move(reply));
  };
  return net::Server::start(std::move(options), handler);
}

}  // namespace bascule::api
