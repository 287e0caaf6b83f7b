#include "api/join.h"

#include "api/problem.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/wire_join.h"

namespace bascule::api {
namespace {

constexpr std::size_t kBody = 40 * 1024;
constexpr std::size_t kConnections = 64;
constexpr std::size_t kConnectionsOfAddress = 8;
constexpr Duration kTime = 10s;

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

void Enrolment::join(const net::HttpRequest& request, const net::HttpReply& reply) const {
  if (!is_post(request, wire::kJoinPath)) return net::answer_nothing(request, reply);
  const auto wanted = json::decode_text<wire::JoinRequest>(request.body, json::Unknown::tolerate);
  if (!wanted) return refuse(reply, wanted.error());
  if (!is_valid_name(wanted->host.value))
    return refuse(reply, {ErrorCode::invalid, "host: is not a valid name"});
  const auto issued = issue(*authority_, wanted->requests, wanted->host, validity_);
  if (!issued) return refuse(reply, issued.error());
  submit_(EnrolHost{asked_by(wanted->host), wanted->host, sha256_hex(wanted->invitation), issued->serials},
          giver_of(issued->certificates, reply));
}

void Enrolment::renew(const net::HttpRequest& request, const net::HttpReply& reply) const {
  if (!is_post(request, wire::kRenewalPath)) return net::answer_nothing(request, reply);
  const auto requests = json::decode_text<wire::CertificateRequests>(request.body, json::Unknown::tolerate);
  if (!requests) return refuse(reply, requests.error());
  const HostId host(request.peer.name);
  const auto issued = issue(*authority_, *requests, host, validity_);
  if (!issued) return refuse(reply, issued.error());
  submit_(RenewCertificates{asked_by(host), host, issued->serials}, giver_of(issued->certificates, reply));
}

Result<std::unique_ptr<net::Server>> serve_join(const Enrolment& enrolment, const std::string& address,
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
