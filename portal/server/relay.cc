#include "portal/server/relay.h"

#include <algorithm>
#include <array>

#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/net/problem.h"
#include "base/secret.h"

namespace bascule::portal {
namespace {

constexpr Duration kAnswerTime = 28s;  // above the manager's own, below the server's
constexpr std::array<std::string_view, 4> kMethods{"GET", "POST", "PUT", "DELETE"};
constexpr std::array<std::string_view, 7> kRequestHeaders{"authorization", "x-request-id",  "idempotency-key",
                                                          "if-match",      "if-none-match", "last-event-id",
                                                          "prefer"};
constexpr std::array<std::string_view, 9> kResponseHeaders{
    "x-request-id",    "retry-after",         "etag",           "www-authenticate", "location", "link",
    "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"};

struct Health {
  std::string portal = "up";
};
template <class V>
void fields(V& v, Health& x) {
  v("portal", x.portal);
}

net::HttpResponse problem(int status, ErrorCode code, std::string title, std::string detail,
                          const std::string& request) {
  net::Problem made = net::make_problem(status, code, std::move(title), std::move(detail));
  made.request = request;
  if (status == 503) made.retry_after_s = 2;
  return net::respond(made);
}

// The manager is gone or busy; nothing of where it is or what it said is for the internet.
net::HttpResponse without_manager(const Error& error, const std::string& request) {
  if (error.code == ErrorCode::unknown_outcome)
    return problem(
        504, error.code, "No answer in time",
        "what was asked may have been done: look before you ask again, or ask for it with the same "
        "X-Request-Id",
        request);
  return problem(503, ErrorCode::unavailable, "Not available now",
                 "nothing was done; the machines run on. Try again in a moment", request);
}

}  // namespace

bool is_console(const std::string& target) {
  return target.starts_with(kConsolePath) && is_secret(std::string_view(target).substr(kConsolePath.size()));
}

Result<net::HttpRequest> clean_request(const net::HttpRequest& request, const std::string& source) {
  if (std::find(kMethods.begin(), kMethods.end(), request.method) == kMethods.end())
    return failure(ErrorCode::invalid, "the method must be GET, POST, PUT or DELETE");
  if (!request.target.starts_with("/v1/"))
    return failure(ErrorCode::not_found, "no such path; all paths begin with /v1/");
  net::HttpRequest clean;
  clean.method = request.method;
  clean.target = request.target;
  clean.content_type = request.content_type;
  clean.body = request.body;
  for (const std::string_view name : kRequestHeaders) {
    const auto found = request.headers.find(std::string(name));
    if (found != request.headers.end()) clean.headers.insert(*found);
  }
  clean.headers["x-source"] = source;
  return clean;
}

net::HttpResponse clean_response(net::HttpResponse response) {
  std::map<std::string, std::string> headers{{"strict-transport-security", "max-age=63072000"},
                                             {"x-content-type-options", "nosniff"},
                                             {"content-security-policy", "default-src 'none'"},
                                             {"referrer-policy", "no-referrer"},
                                             {"cache-control", "no-store"}};
  for (const std::string_view name : kResponseHeaders) {
    const auto found = response.headers.find(std::string(name));
    if (found != response.headers.end()) headers.insert(*found);
  }
  response.headers = std::move(headers);
  return response;
}

net::HttpResponse clean_answer(Result<net::HttpResponse> answer, const std::string& id) {
  return clean_response(answer ? std::move(*answer) : without_manager(answer.error(), id));
}

// One line when it is lost and one when it is back, however many ask meanwhile.
void Relay::note_manager(bool answers, const std::string& why) {
  if (answered_.exchange(answers) == answers) return;
  if (answers)
    log(LogLevel::info, "relay", "manager_answers");
  else
    log(LogLevel::warning, "relay", "manager_lost", {{"why", why}});
}

void Relay::handle(net::HttpRequest request, net::HttpReply reply) {
  const auto answer = [reply](net::HttpResponse response) { reply(clean_response(std::move(response))); };
  if (request.method == "GET" && request.target == "/health") {
    net::HttpResponse response;
    response.body = json::encode_text(Health{});
    return answer(std::move(response));
  }
  if (auto page = pages_ ? pages_->answer(request) : std::nullopt) return reply(*std::move(page));
  Result<net::HttpRequest> clean = clean_request(request, net::host_of(request.peer.address));
  if (!clean) {
    const bool method = clean.error().code == ErrorCode::invalid;
    return answer(problem(method ? 405 : 404, clean.error().code, method ? "Not possible" : "Not found",
                          clean.error().message, ""));
  }
  std::string& id = clean->headers["x-request-id"];
  if (!is_valid_uuid(id)) id = make_uuid(random_);
  if (wants_stream(request)) return streams_.open(std::move(*clean), std::move(reply));
  manager_.request(std::move(*clean), kAnswerTime,
                   [this, reply = std::move(reply), id = id](Result<net::HttpResponse> response) {
                     note_manager(response.has_value(), response ? "" : response.error().message);
                     reply(clean_answer(std::move(response), id));
                   });
}

}  // namespace bascule::portal
