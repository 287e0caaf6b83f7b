#include "portal/server/relay.h"

#include <doctest/doctest.h>

#include "base/secret.h"

#include <optional>

#include "base/json.h"

namespace {

using namespace bascule;
using namespace bascule::portal;

// What the manager is asked, and what it says.
class Manager final : public net::HttpPool {
 public:
  void request(net::HttpRequest request, Duration, Reply reply) override {
    asked = std::move(request);
    reply(says);
  }
  std::optional<net::HttpRequest> asked;
  Result<net::HttpResponse> says = net::HttpResponse();
};

net::HttpRequest request_of(const std::string& method, const std::string& target) {
  net::HttpRequest request;
  request.method = method;
  request.target = target;
  request.peer.address = "203.0.113.7:51000";
  return request;
}

net::HttpResponse handle(Manager& manager, net::HttpRequest request) {
  SystemRandom random;
  EventStreams streams(manager);
  Relay relay(manager, streams, random);
  net::HttpResponse answer;
  relay.handle(std::move(request), [&answer](net::HttpResponse response) { answer = std::move(response); });
  return answer;
}

}  // namespace

TEST_CASE("only what may be a ticket is asked of the manager") {
  SystemRandom random;
  const std::string ticket = make_secret(random).reveal();
  CHECK(is_console("/v1/consoles/" + ticket));
  for (const char* path : {"/v1/consoles/", "/v1/consoles/bst_short", "/v1/vms/x"})
    CHECK_FALSE(is_console(path));
  CHECK_FALSE(is_console("/v1/consoles/" + ticket + "?x"));
  CHECK_FALSE(is_console("/v1/consoles/../" + ticket));
}

TEST_CASE("what goes on to the manager is made anew, of what it needs") {
  net::HttpRequest request = request_of("POST", "/v1/sessions");
  request.body = "{}";
  request.content_type = "application/json";
  request.headers = {
      {"authorization", "Bearer bst_x"},   {"cookie", "a=b"},      {"x-source", "198.51.100.1"},
      {"x-forwarded-for", "198.51.100.2"}, {"if-match", "\"e1\""}, {"host", "portal.example"}};
  Manager manager;
  handle(manager, request);
  REQUIRE(manager.asked);
  CHECK(manager.asked->body == "{}");
  CHECK(manager.asked->headers.at("authorization") == "Bearer bst_x");
  CHECK(manager.asked->headers.at("if-match") == "\"e1\"");
  CHECK(manager.asked->headers.at("x-source") == "203.0.113.7");
  CHECK(is_valid_uuid(manager.asked->headers.at("x-request-id")));
  CHECK(manager.asked->headers.size() == 4);
}

TEST_CASE("what isn't the tenants' API goes no further") {
  Manager manager;
  for (const char* target : {"/", "/v2/vms", "/host-session", "/V1/vms", "//v1/vms"})
    CHECK(handle(manager, request_of("GET", target)).status == 404);
  for (const char* method : {"HEAD", "OPTIONS", "CONNECT", "TRACE", "get"})
    CHECK(handle(manager, request_of(method, "/v1/vms")).status == 405);
  CHECK_FALSE(manager.asked);
  CHECK(handle(manager, request_of("GET", "/health")).status == 200);
}

TEST_CASE("answers carry what clients need, and what browsers are to obey") {
  Manager manager;
  manager.says->headers = {{"etag", "\"e2\""}, {"server", "secret/1.0"}, {"x-request-id", "r"}};
  const auto answer = handle(manager, request_of("GET", "/v1/vms"));
  CHECK(answer.headers.at("etag") == "\"e2\"");
  CHECK(answer.headers.contains("strict-transport-security"));
  CHECK_FALSE(answer.headers.contains("server"));
}

TEST_CASE("without the manager the answer says what that means, and nothing of the inside") {
  Manager manager;
  for (const ErrorCode code :
       {ErrorCode::unavailable, ErrorCode::timeout, ErrorCode::exhausted, ErrorCode::denied}) {
    manager.says = failure(code, "198.18.0.2:7447 can't be reached");
    const auto answer = handle(manager, request_of("POST", "/v1/vms/x/start"));
    CHECK(answer.status == 503);
    CHECK(answer.headers.at("retry-after") == "2");
    CHECK(answer.body.find("nothing was done") != std::string::npos);
    CHECK(answer.body.find("198.18") == std::string::npos);
  }
  manager.says = failure(ErrorCode::unknown_outcome, "took it");
  const auto unknown = handle(manager, request_of("POST", "/v1/vms/x/start"));
  CHECK(unknown.status == 504);
  CHECK(json::parse(unknown.body)->at("request") == unknown.headers.at("x-request-id"));
}
