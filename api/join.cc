#include "api/join.h"

#include "api/problem.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/sha256.h"
#include "base/wire_join.h"

namespace bascule::api {
namespace {

constexpr std::size_t kBody = 40 * 1024;
constexpr std::size_t kConnections = 64;
constexpr std::size_t kConnectionsOfAddress = 8;
constexpr Duration kTime = 10s;
constexpr int kLeastPart = 500;  // of the validity, between two renewals: an hour and a half of 30 days

struct Issued {
  wire::Certificates certificates;
  std::vector<std::string> serials;
};

Result<Issued> issue(const Authority& authority, const wire::CertificateRequests& requests,
                     const HostId& host, Duration validity) {
  Issued issued;
  issued.certificates.ca = authority.certificate();
  const auto add = [&](const std::string& request, const char* role, std::string& certificate) -> Status {
    auto made = authority.issue(request, host.value, role, validity);
    if (!made) return failure(made.error().within(role));
    const auto facts = read_certificate(*made);
    if (!facts) return failure(facts.error());
    issued.serials.push_back(facts->serial);
    certificate = *std::move(made);
    return {};
  };
  Status done = add(requests.host, "host", issued.certificates.host);
  if (done) done = add(requests.guard, "guard", issued.certificates.guard);
  if (!done) return failure(done.error());
  return issued;
}

void refuse(const net::HttpReply& reply, const Error& error) { reply(respond(problem_of(error))); }

bool is_post(const net::HttpRequest& request, std::string_view path) {
  return request.method == "POST" && request.target == path;
}

Asked asked_by(const HostId& host) {
  SystemRandom random;
  return {RequestId(make_uuid(random)), OperatorId("host:" + host.value), ""};
}

// The engine asks again, in the step that uses the invitation up.
bool is_invited(const State& state, const HostId& host, const std::string& secret, WallTime now) {
  const auto found = state.hosts.find(host);
  const auto& invitation = found == state.hosts.end() ? std::nullopt : found->second.record.invitation;
  return invitation && constant_time_equal(invitation->secret, secret) && now < invitation->until;
}

std::function<void(const Answer&)> giver_of(const wire::Certificates& certificates,
                                            const net::HttpReply& reply) {
  return [certificates, reply](const Answer& answer) {
    if (answer.error) return refuse(reply, *answer.error);
    net::HttpResponse response;
    response.body = json::encode_text(certificates);
    reply(std::move(response));
  };
}

}  // namespace

void Enrolment::join(const net::HttpRequest& request, const net::HttpReply& reply) {
  if (!is_post(request, wire::kJoinPath)) return net::answer_nothing(request, reply);
  const auto wanted = json::decode_text<wire::JoinRequest>(request.body, json::Unknown::tolerate);
  if (!wanted) return refuse(reply, wanted.error());
  const std::string source = net::network_of(net::host_of(request.peer.address));
  if (throttle_.wait("", source, clock_.now()) > 0s)
    return refuse(reply, {ErrorCode::exhausted, "too many failed attempts: wait some minutes"});
  const std::string secret = sha256_hex(wanted->invitation);
  if (!is_invited(look_()->state, wanted->host, secret, clock_.wall())) {
    throttle_.failed_at(source, clock_.now());
    return refuse(reply, {ErrorCode::unauthenticated, "this invitation is not, or no longer, good"});
  }
  const auto issued = issue(*authority_, wanted->requests, wanted->host, validity_);
  if (!issued) return refuse(reply, issued.error());
  submit_(EnrolHost{asked_by(wanted->host), wanted->host, secret, issued->serials},
          giver_of(issued->certificates, reply));
}

void Enrolment::renew(const net::HttpRequest& request, const net::HttpReply& reply) {
  if (!is_post(request, wire::kRenewalPath)) return net::answer_nothing(request, reply);
  const auto requests = json::decode_text<wire::CertificateRequests>(request.body, json::Unknown::tolerate);
  if (!requests) return refuse(reply, requests.error());
  const HostId host(request.peer.name);
  if (!look_()->state.hosts.contains(host))
    return refuse(reply, {ErrorCode::not_found, "no host " + host.value + " is in manager.toml"});
  {
    const std::lock_guard lock(mutex_);
    const auto last = renewed_.find(host);
    if (last != renewed_.end() && clock_.now() - last->second < validity_ / kLeastPart)
      return refuse(reply, {ErrorCode::exhausted, "it asked a moment ago"});
    renewed_[host] = clock_.now();
  }
  const auto issued = issue(*authority_, *requests, host, validity_);
  if (!issued) return refuse(reply, issued.error());
  submit_(RenewCertificates{asked_by(host), host, issued->serials, request.peer.serial},
          giver_of(issued->certificates, reply));
}

Result<std::unique_ptr<net::Server>> serve_join(Enrolment& enrolment, const std::string& address,
                                                std::uint16_t port, const net::TlsFiles& own) {
  net::ServerOptions options;
  options.address = address;
  options.port = port;
  options.tls = {"", own.certificate, own.key};
  options.http.body_bytes = kBody;
  options.http.connections = kConnections;
  options.http.connections_per_address = kConnectionsOfAddress;
  options.http.request_time = kTime;
  return net::Server::start(std::move(options),
                            [&enrolment](const net::HttpRequest& request, const net::HttpReply& reply) {
                              enrolment.join(request, reply);
                            });
}

}  // namespace bascule::api
