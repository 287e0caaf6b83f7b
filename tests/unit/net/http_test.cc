#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/net/http.h"
#include "raw_peer.h"
#include "test_pki.h"

using namespace bascule;
using namespace bascule::net;
using test::BreakingRelay;
using test::contains;
using test::Pki;
using test::RawPeer;

namespace {

void echo(const HttpRequest& request, const HttpReply& reply) {
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = request.method + " " + request.target + " " + request.peer.name + " " + request.peer.role +
                  " " + request.body;
  reply(response);
}

ServerOptions options_for(const std::string& who = "manager") {
  ServerOptions options;
  options.address = "127.0.0.1";
  options.tls = Pki::instance().files(who);
  options.admit_role = "operator";
  return options;
}

std::unique_ptr<Server> start(ServerOptions options, HttpHandler handler = echo) {
  auto server = Server::start(std::move(options), std::move(handler));
  REQUIRE(server);
  return *std::move(server);
}

std::unique_ptr<HttpClient> client_of(std::uint16_t port, const std::string& who = "operator",
                                      const std::string& host = "127.0.0.1") {
  ClientOptions options;
  options.address = host + ":" + std::to_string(port);
  options.tls = Pki::instance().files(who);
  auto client = HttpClient::make(options);
  REQUIRE(client);
  return *std::move(client);
}

HttpRequest get(const std::string& target) {
  HttpRequest request;
  request.method = "GET";
  request.target = target;
  return request;
}

HttpRequest post(const std::string& target, std::string body) {
  HttpRequest request;
  request.method = "POST";
  request.target = target;
  request.body = std::move(body);
  return request;
}

// The error of one request, which must fail.
Error error_of(HttpClient& client) {
  const auto response = client.request(get("/"), 5s);
  REQUIRE_FALSE(response);
  return response.error();
}

std::chrono::milliseconds time_of(const std::function<void()>& work) {
  const auto before = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - before);
}

const char* const kPlainRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

}  // namespace

TEST_CASE("requests are answered over one kept connection, and the handler knows who asks") {
  std::vector<std::string> addresses;
  const auto server = start(options_for(), [&addresses](const HttpRequest& request, const HttpReply& reply) {
    addresses.push_back(request.peer.address);
    CHECK(request.headers.at("x-bascule") == "yes");
    CHECK_FALSE(request.peer.serial.empty());
    echo(request, reply);
  });
  const auto client = client_of(server->port());
  HttpRequest request = post("/v1/vms?limit=5", "hello");
  request.headers["X-Bascule"] = "yes";
  for (int i = 0; i < 3; ++i) {
    const auto response = client->request(request, 5s);
    REQUIRE(response);
    CHECK(response->status == 200);
    CHECK(response->content_type == "text/plain");
    CHECK(response->body == "POST /v1/vms?limit=5 alice operator hello");
  }
  REQUIRE(addresses.size() == 3);
  CHECK(addresses[0] == addresses[2]);
}

TEST_CASE("a name is dialled as well as an address") {
  const auto server = start(options_for());
  CHECK(client_of(server->port(), "operator", "localhost")->request(get("/"), 5s));
}

TEST_CASE("a large body and a large answer pass whole") {
  const auto server = start(options_for(), [](const HttpRequest& request, const HttpReply& reply) {
    HttpResponse response;
    response.body = std::string(3 * 1024 * 1024, 'a') + request.body;
    reply(response);
  });
  const auto response = client_of(server->port())->request(post("/", std::string(1024 * 1024, 'b')), 10s);
  REQUIRE(response);
  CHECK(response->body == std::string(3 * 1024 * 1024, 'a') + std::string(1024 * 1024, 'b'));
}

TEST_CASE("certificates that aren't good are refused with a clear message") {
  const auto server = start(options_for());
  const auto refused = [&server](const std::string& who) {
    return error_of(*client_of(server->port(), who));
  };
  CHECK(refused("expired").code == ErrorCode::denied);
  CHECK(contains(refused("expired").message, "our certificate has expired"));
  CHECK(refused("foreign").code == ErrorCode::denied);
  CHECK(contains(refused("foreign").message, "CA unknown to it"));
  CHECK(refused("host").code == ErrorCode::denied);
  CHECK(contains(refused("host").message, "role (OU) isn't admitted"));
  CHECK(client_of(server->port())->request(get("/"), 5s));
}

TEST_CASE("whoever may be there no longer is cut off, and doesn't come in again") {
  std::atomic<bool> shut_out{false};
  ServerOptions options = options_for();
  options.why_not = [&shut_out](const Peer& peer) {
    CHECK(peer.name == "alice");
    return shut_out ? "expelled" : "";
  };
  const auto server = start(std::move(options));
  RawPeer open(server->port(), Pki::instance().files("operator"));
  REQUIRE(open.send(kPlainRequest));
  REQUIRE_FALSE(open.receive().empty());
  shut_out = true;
  CHECK(open.is_closed());  // within 5 s
  CHECK_FALSE(client_of(server->port())->request(get("/"), 5s));
  shut_out = false;
  CHECK(client_of(server->port())->request(get("/"), 5s));
}

TEST_CASE("a server is known by its fingerprint alone, whoever signed its certificate") {
  const auto server = start(options_for());
  const auto asked_with = [&server](const std::string& fingerprint) {
    ClientOptions options;
    options.address = "127.0.0.1:" + std::to_string(server->port());
    options.tls = Pki::instance().files("operator");
    options.tls.ca.clear();
    options.fingerprint = fingerprint;
    auto client = HttpClient::make(options);
    REQUIRE(client);
    return (*client)->request(get("/"), 5s);
  };
  const std::string right = Pki::instance().fingerprint("manager");
  CHECK(asked_with(right));
  CHECK_FALSE(asked_with(""));  // the system's authorities don't know it
  std::string wrong = right;
  wrong[0] = wrong[0] == '0' ? '1' : '0';
  const auto refused = asked_with(wrong);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::denied);
}

TEST_CASE("a client without a certificate gets no answer") {
  std::atomic<int> count{0};
  const auto server = start(options_for(), [&count](const HttpRequest& request, const HttpReply& reply) {
    ++count;
    echo(request, reply);
  });
  RawPeer peer(server->port(), TlsFiles());
  peer.send(kPlainRequest);
  CHECK(peer.receive_all().empty());
  CHECK(client_of(server->port())->request(get("/"), 5s));
  CHECK(count == 1);
}

TEST_CASE("when a kept connection breaks, a GET is repeated once; what may change something isn't") {
  std::atomic<int> count{0};
  const auto server = start(options_for(), [&count](const HttpRequest& request, const HttpReply& reply) {
    ++count;
    echo(request, reply);
  });
  BreakingRelay relay(server->port());
  const auto client = client_of(relay.port());
  REQUIRE(client->request(get("/1"), 5s));
  relay.break_next();
  const auto repeated = client->request(get("/2"), 5s);
  REQUIRE(repeated);
  CHECK(repeated->body == "GET /2 alice operator ");
  relay.break_next();
  const auto lost = client->request(post("/3", ""), 5s);
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code == ErrorCode::unknown_outcome);
  CHECK(client->request(post("/4", ""), 5s));
  CHECK(count == 3);
}

TEST_CASE("a server that isn't the manager at the dialled address is refused with a clear message") {
  const auto message_for = [](const std::string& who) {
    const auto server = start(options_for(who));
    const Error error = error_of(*client_of(server->port()));
    CHECK(error.code == ErrorCode::denied);
    return error.message;
  };
  CHECK(contains(message_for("manager-expired"), "certificate has expired"));
  CHECK(contains(message_for("manager-foreign"), "unable to get local issuer certificate"));
  CHECK(
      contains(message_for("manager-elsewhere"), "no subjectAltName matches the dialled address 127.0.0.1"));
  CHECK(contains(message_for("impostor"), "isn't the expected OU=manager"));
}

TEST_CASE("garbage on the port harms nobody") {
  const auto server = start(options_for());
  for (const std::string& garbage :
       {std::string(kPlainRequest), std::string(70000, '\xff'), std::string("\x16\x03\x01", 3),
        std::string(1, '\0'), std::string("\x16\x03\x01\x40\x00", 5) + std::string(20000, 'z')}) {
    RawPeer peer(server->port());
    peer.send(garbage);
  }
  for (const char* garbage : {"\r\n\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x01\x02\x03\r\n\r\n",
                              "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                              "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n"}) {
    RawPeer peer(server->port(), Pki::instance().files("operator"));
    peer.send(garbage);
    const std::string answer = peer.receive_all();
    CHECK_MESSAGE(contains(answer, "400 Bad Request"), garbage, answer);
  }
  CHECK(client_of(server->port())->request(get("/"), 5s));
}

TEST_CASE("oversize bodies, headers and targets are refused, and the refusal arrives") {
  ServerOptions options = options_for();
  options.http.body_bytes = 1000;
  const auto server = start(std::move(options));
  const auto large = client_of(server->port())->request(post("/", std::string(3 * 1024 * 1024, 'x')), 5s);
  REQUIRE(large);
  CHECK(large->status == 413);
  CHECK(large->content_type == "application/problem+json");
  CHECK(contains(large->body, R"("detail":"the body exceeds 1000 bytes")"));

  HttpRequest with_header = get("/");
  for (int i = 0; i < 10; ++i) with_header.headers["x-" + std::to_string(i)] = std::string(4000, 'h');
  const auto header = client_of(server->port())->request(with_header, 5s);
  REQUIRE(header);
  CHECK(header->status == 431);
  const auto target = client_of(server->port())->request(get("/" + std::string(9000, 't')), 5s);
  REQUIRE(target);
  CHECK(target->status == 414);
  RawPeer chunked(server->port(), Pki::instance().files("operator"));
  chunked.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + std::string(0x1000, 'c') +
               "\r\n");
  CHECK(contains(chunked.receive_all(), "413 Payload Too Large"));
}

TEST_CASE("a client that sends slowly is cut off, whatever it is slow at") {
  ServerOptions options = options_for();
  options.http.request_time = 300ms;
  const auto server = start(std::move(options));
  const auto files = Pki::instance().files("operator");
  RawPeer no_tls(server->port());
  CHECK(no_tls.is_closed());
  RawPeer silent(server->port(), files);
  CHECK(silent.is_closed());
  RawPeer in_header(server->port(), files);
  in_header.send("GET / HTTP/1.1\r\nX: ");
  CHECK(in_header.is_closed());
  RawPeer in_body(server->port(), files);
  in_body.send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf");
  CHECK(in_body.is_closed());
  // A byte now and then doesn't help.
  RawPeer drip(server->port(), files);
  bool cut = false;
  for (int i = 0; i < 100 && !cut; ++i) {
    cut = !drip.send("G");
    std::this_thread::sleep_for(20ms);
  }
  CHECK(cut);
}

TEST_CASE("an idle connection is closed, and the next request opens another") {
  ServerOptions options = options_for();
  options.http.idle_time = 100ms;
  std::atomic<int> count{0};
  const auto server = start(std::move(options), [&count](const HttpRequest& request, const HttpReply& reply) {
    ++count;
    echo(request, reply);
  });
  RawPeer peer(server->port(), Pki::instance().files("operator"));
  peer.send(kPlainRequest);
  CHECK(contains(peer.receive(), "200 OK"));
  CHECK(peer.is_closed());
  const auto client = client_of(server->port());
  REQUIRE(client->request(post("/", "1"), 5s));
  std::this_thread::sleep_for(300ms);  // more than the idle time; the outcome is the same if it isn't
  REQUIRE(client->request(post("/", "2"), 5s));
  CHECK(count == 3);
}

TEST_CASE("more connections than allowed are closed") {
  ServerOptions options = options_for();
  options.http.connections = 2;
  const auto server = start(std::move(options));
  const auto first = client_of(server->port());
  const auto second = client_of(server->port());
  REQUIRE(first->request(get("/"), 5s));
  REQUIRE(second->request(get("/"), 5s));
  CHECK(error_of(*client_of(server->port())).code == ErrorCode::unavailable);
  CHECK(first->request(get("/"), 5s));
}

TEST_CASE("a handler may reply later from another thread; later replies are ignored") {
  std::vector<std::thread> threads;
  const auto server = start(options_for(), [&threads](const HttpRequest& request, const HttpReply& reply) {
    threads.emplace_back([request, reply] {
      std::this_thread::sleep_for(20ms);
      echo(request, reply);
      reply({});
    });
  });
  const auto client = client_of(server->port());
  for (int i = 0; i < 3; ++i) {
    const auto response = client->request(post("/", std::to_string(i)), 5s);
    REQUIRE(response);
    CHECK(response->body == "POST / alice operator " + std::to_string(i));
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("a reply after the server's end is ignored, and no reply at all becomes 503") {
  HttpReply kept;
  ServerOptions options = options_for();
  options.http.request_time = 200ms;
  auto server =
      start(std::move(options), [&kept](const HttpRequest&, HttpReply reply) { kept = std::move(reply); });
  const auto client = client_of(server->port());
  const auto response = client->request(get("/"), 5s);
  REQUIRE(response);
  CHECK(response->status == 503);
  server.reset();
  kept({});
}

TEST_CASE("a handler that throws is answered for") {
  const auto server = start(
      options_for(), [](const HttpRequest&, const HttpReply&) { throw std::runtime_error("of the test"); });
  const auto response = client_of(server->port())->request(get("/"), 5s);
  REQUIRE(response);
  CHECK(response->status == 500);
}

TEST_CASE("a request that was sent and not answered has an unknown outcome") {
  auto server = start(options_for(), [](const HttpRequest&, const HttpReply&) {});
  const auto client = client_of(server->port());
  const auto late = client->request(post("/", ""), 200ms);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::unknown_outcome);
  std::thread stopper([&server] {
    std::this_thread::sleep_for(200ms);
    server.reset();
  });
  const auto cut = client->request(post("/", ""), 10s);
  stopper.join();
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == ErrorCode::unknown_outcome);
}

TEST_CASE("a dead port, a silent one and a restarted server") {
  auto server = start(options_for());
  const std::uint16_t port = server->port();
  const auto client = client_of(port);
  REQUIRE(client->request(get("/"), 5s));
  server.reset();
  CHECK(error_of(*client).code == ErrorCode::unavailable);
  ServerOptions options = options_for();
  options.port = port;
  server = start(std::move(options));
  CHECK(client->request(post("/", ""), 5s));

  // 198.51.100.1 (RFC 5737) answers nobody: either no route, at once, or silence until the bound.
  const auto nowhere = client_of(9, "operator", "198.51.100.1");
  CHECK(time_of([&nowhere] { CHECK_FALSE(nowhere->request(get("/"), 300ms)); }) < 5s);
}

TEST_CASE("what can't work is said at once") {
  ServerOptions options = options_for();
  options.address = "nowhere";
  CHECK_FALSE(Server::start(options, echo));
  options = options_for();
  options.address = "192.0.2.1";
  const auto elsewhere = Server::start(options, echo);
  REQUIRE_FALSE(elsewhere);
  CHECK(contains(elsewhere.error().message, "can't listen on 192.0.2.1:0"));
  options = options_for();
  options.tls.key = Pki::instance().files("operator").key;
  CHECK_FALSE(Server::start(options, echo));
  options.tls.ca = "/nonexistent";
  const auto no_ca = Server::start(options, echo);
  REQUIRE_FALSE(no_ca);
  CHECK(contains(no_ca.error().message, "CA file /nonexistent can't be used"));
  for (const char* address : {"", "host", "host:", ":1", "host:0", "host:70000", "::1:7443", "[]:1"}) {
    ClientOptions client;
    client.address = address;
    client.tls = Pki::instance().files("operator");
    CHECK_FALSE(HttpClient::make(client));
  }
  const auto server = start(options_for());
  CHECK_FALSE(client_of(server->port())->request(get("/a b"), 1s));
}
