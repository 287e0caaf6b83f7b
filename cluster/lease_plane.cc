#include "cluster/lease_plane.h"

#include "base/json.h"
#include "base/log.h"
#include "base/net/http.h"

namespace bascule {
namespace {

net::HttpResponse refuse(int status, const std::string& words) {
  net::HttpResponse response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = words + "\n";
  return response;
}

class ServedPlane final : public LeasePlane {
 public:
  ServedPlane(GrantTable& table, const Clock& clock, Post post)
      : table_(table), clock_(clock), post_(std::move(post)) {}

  Status listen(LeasePlaneOptions options) {
    net::ServerOptions server;
    server.address = std::move(options.address);
    server.port = options.port;
    server.tls = std::move(options.tls);
    server.admit_role = "guard";
    server.why_not = std::move(options.why_not);
    server.http.body_bytes = 16 * 1024;
    server.http.connections = 2048;
    server.http.request_time = 5s;
    net::HttpHandler handler = [this](net::HttpRequest request, net::HttpReply reply) {
      reply(handle(request));
    };
    Result<std::unique_ptr<net::Server>> started = net::Server::start(std::move(server), std::move(handler));
    if (!started) return failure(started.error().within("the lease plane"));
    server_ = std::move(*started);
    return {};
  }

  std::uint16_t port() const override { return server_->port(); }

 private:
  net::HttpResponse handle(const net::HttpRequest& request) {
    if (request.target != wire::kLeasePath) return refuse(404, "only POST /lease is served here");
    if (request.method != "POST") return refuse(405, "only POST /lease is served here");
    const auto asked = json::decode_text<wire::LeaseRequest>(request.body, json::Unknown::tolerate);
    if (!asked) return refuse(400, asked.error().message);
    net::HttpResponse response;
    const wire::LeaseReply answer = table_.answer(*asked, request.peer.name, clock_.now());
    response.body = json::encode_text(answer);
    tell_if_changed({asked->host, asked->boot_id});
    if (answer.verdict == wire::LeaseVerdict::withheld) post_(LeaseAsked{{asked->host, asked->boot_id}});
    return response;
  }

  // Server's thread only.
  void tell_if_changed(const Copy& copy) {
    const bool armed = table_.armed(copy);
    if (told_.contains(copy) == armed || !post_(LeaseObserved{copy, armed})) return;
    log(armed ? LogLevel::info : LogLevel::warning, "lease_plane", armed ? "armed" : "disarmed",
        {{"host", copy.host}, {"boot_id", copy.boot_id}});
    if (armed)
      told_.insert(copy);
    else
      told_.erase(copy);
  }

  GrantTable& table_;
  const Clock& clock_;
  const Post post_;
  std::set<Copy> told_;  // as armed
  std::unique_ptr<net::Server> server_;
};

}  // namespace

Result<std::unique_ptr<LeasePlane>> LeasePlane::start(LeasePlaneOptions options, GrantTable& table,
                                                      const Clock& clock, Post post) {
  auto plane = std::make_unique<ServedPlane>(table, clock, std::move(post));
  if (const Status listening = plane->listen(std::move(options)); !listening)
    return failure(listening.error());
  return plane;
}

}  // namespace bascule
