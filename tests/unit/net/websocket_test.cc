#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/net/http.h"
#include "raw_peer.h"
#include "seen.h"
#include "test_pki.h"

using namespace bascule;
using namespace bascule::net;
using test::contains;
using test::Pki;
using test::RawPeer;
using test::Seen;

namespace {

std::unique_ptr<Server> start(const WebSocketEvents& events, WebSocketLimits limits = {}) {
  ServerOptions options;
  options.address = "127.0.0.1";
  options.tls = Pki::instance().files("manager");
  options.admit_role = "host";
  options.websockets["/session"] = {
      [events](const std::string&, const Peer&) { return std::optional(events); }, limits};
  auto server =
      Server::start(std::move(options), [](const HttpRequest&, const HttpReply& reply) { reply({}); });
  REQUIRE(server);
  return *std::move(server);
}

std::unique_ptr<WebSocketClient> dial(std::uint16_t port, const WebSocketEvents& events,
                                      WebSocketLimits limits = {}, const std::string& path = "/session",
                                      const std::string& who = "host",
                                      const std::string& host = "127.0.0.1") {
  ClientOptions options;
  options.address = host + ":" + std::to_string(port);
  options.tls = Pki::instance().files(who);
  options.connect_time = 2s;
  auto client = WebSocketClient::dial(options, path, limits, events);
  REQUIRE(client);
  return *std::move(client);
}

const char* const kUpgrade =
    "GET /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

// A client's frame of up to 125 bytes, masked with zeros.
std::string frame(char first_byte, const std::string& payload) {
  return std::string(1, first_byte) + static_cast<char>(0x80 | payload.size()) + std::string(4, '\0') +
         payload;
}

}  // namespace

TEST_CASE("messages pass both ways, in order, small and large") {
  Seen at_server, at_client;
  const auto server = start(at_server.events(true));
  const auto client = dial(server->port(), at_client.events());
  const auto socket = at_client.opened();
  CHECK(socket->peer().name == "manager-1");
  CHECK(at_server.opened()->peer().name == "paris-1");
  CHECK(at_server.opened()->peer().role == "host");
  std::vector<std::string> sent;
  for (int i = 0; i < 200; ++i) sent.push_back("message " + std::to_string(i));
  sent.push_back(std::string(3 * 1024 * 1024, 'L'));
  sent.push_back("");
  for (const std::string& text : sent) CHECK(socket->send(text));
  CHECK((at_client.messages(sent.size()) == sent));
}

TEST_CASE("closing sends what waits, then tells both ends why") {
  Seen at_server, at_client;
  const auto server = start(at_server.events());
  const auto client = dial(server->port(), at_client.events());
  const auto socket = at_client.opened();
  CHECK(socket->send("last words"));
  socket->close();
  CHECK_FALSE(socket->send("too late"));
  CHECK(at_client.closed() == "closed by this side");
  CHECK(at_server.closed() == "closed by the peer");
  CHECK(at_server.messages(1) == std::vector<std::string>{"last words"});
  CHECK_FALSE(at_server.opened()->send("to nobody"));
}

TEST_CASE("either end may be destroyed while the socket is open and others still hold it") {
  Seen at_server, at_client;
  auto server = start(at_server.events());
  auto client = dial(server->port(), at_client.events());
  const auto theirs = at_server.opened();
  at_client.opened();
  client.reset();
  CHECK(at_client.closed() == "closed by this side");
  at_server.closed();
  Seen second;
  client = dial(server->port(), second.events());
  const auto socket = second.opened();
  server.reset();
  second.closed();
  client.reset();
  CHECK_FALSE(socket->send("x"));
  CHECK_FALSE(theirs->send("x"));
  socket->close();
}

TEST_CASE("a peer that doesn't read costs at most the queue's bound") {
  Seen at_server;
  WebSocketLimits limits;
  limits.queued_bytes = 256 * 1024;
  const auto server = start(at_server.events(), limits);
  RawPeer deaf(server->port(), Pki::instance().files("host"));
  deaf.send(kUpgrade);
  CHECK(contains(deaf.receive(), "101 Switching Protocols"));
  const auto socket = at_server.opened();
  int sent = 0;
  // The kernel's own buffers take some megabytes first.
  while (sent < 10000 && socket->send(std::string(32 * 1024, 'q'))) ++sent;
  CHECK(sent >= 8);
  CHECK(sent < 10000);
  CHECK(contains(at_server.closed(), "send queue is full"));
}

TEST_CASE("a message beyond the limit ends the connection") {
  Seen at_server, at_client;
  WebSocketLimits limits;
  limits.message_bytes = 1000;
  const auto server = start(at_server.events(), limits);
  const auto client = dial(server->port(), at_client.events());
  CHECK(at_client.opened()->send(std::string(1001, 'x')));
  CHECK(at_server.closed() == "the peer sent a message of more than 1000 bytes");
  at_client.closed();
}

TEST_CASE("a silent peer is dropped; pings keep a quiet one") {
  WebSocketLimits limits;
  limits.idle_time = 600ms;
  Seen at_server;
  const auto server = start(at_server.events(), limits);
  RawPeer silent(server->port(), Pki::instance().files("host"));
  silent.send(kUpgrade);
  CHECK(contains(silent.receive(), "101 Switching Protocols"));
  CHECK(silent.receive() == std::string("\x89\x00", 2));  // a ping
  CHECK(at_server.closed() == "nothing came from the peer for 600 ms");

  Seen quiet_server, quiet_client;
  const auto other = start(quiet_server.events(true), limits);
  const auto client = dial(other->port(), quiet_client.events(), limits);
  const auto socket = quiet_client.opened();
  std::this_thread::sleep_for(1500ms);  // more than twice the idle time
  CHECK_FALSE(quiet_client.is_closed());
  CHECK_FALSE(quiet_server.is_closed());
  CHECK(socket->send("still here"));
  CHECK(quiet_client.messages(1) == std::vector<std::string>{"still here"});
}

TEST_CASE("binary messages, broken frames and broken UTF-8 end the connection, also of a peer that stays") {
  const std::string broken_utf8 = frame('\x81', "\xc3\x28");
  for (const std::string& bytes : {frame('\x82', "binary"), std::string(20, '\xff'), broken_utf8,
                                   std::string("\x81\x05hello, unmasked")}) {
    Seen at_server;
    const auto server = start(at_server.events());
    auto peer = std::make_unique<RawPeer>(server->port(), Pki::instance().files("host"));
    peer->send(kUpgrade);
    CHECK(contains(peer->receive(), "101 Switching Protocols"));
    peer->send(bytes);
    CHECK(peer->receive().substr(0, 1) == "\x88");  // a close frame
    if (bytes != broken_utf8) peer.reset();
    CHECK_FALSE(at_server.closed().empty());
  }
}

TEST_CASE("a WebSocket that isn't a good one is declined") {
  Seen at_server;
  const auto server = start(at_server.events());
  RawPeer peer(server->port(), Pki::instance().files("host"));
  peer.send("GET /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  CHECK(contains(peer.receive(), "400 Bad Request"));
  Seen lost;
  const auto client = dial(server->port(), lost.events(), {}, "/elsewhere");
  CHECK(contains(lost.closed(), "declined the WebSocket with status 404"));
  CHECK(lost.open_count() == 0);
  CHECK(at_server.open_count() == 0);
}

TEST_CASE("a dial that fails says why, once, without on_open") {
  std::uint16_t dead_port = 0;
  {
    Seen at_server;
    const auto server = start(at_server.events());
    dead_port = server->port();
    Seen wrong_role;
    const auto client = dial(server->port(), wrong_role.events(), {}, "/session", "operator");
    CHECK(contains(wrong_role.closed(), "role (OU) isn't admitted"));
    CHECK(wrong_role.open_count() == 0);
  }
  Seen dead;
  const auto client = dial(dead_port, dead.events());
  CHECK(contains(dead.closed(), "can't be reached: Connection refused"));
  CHECK(dead.open_count() == 0);
  Seen nowhere;  // RFC 5737: no route, or silence until the bound
  const auto before = std::chrono::steady_clock::now();
  const auto to_nowhere = dial(9, nowhere.events(), {}, "/session", "host", "198.51.100.1");
  nowhere.closed();
  CHECK(std::chrono::steady_clock::now() - before < 8s);
  // Destroyed in the middle of its dial.
  Seen cut_short;
  dial(9, cut_short.events(), {}, "/session", "host", "198.51.100.1").reset();
  cut_short.closed();
}
