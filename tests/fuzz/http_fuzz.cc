// The listeners: garbage instead of TLS, of HTTP and of WebSocket. The server lives on and answers others.
#include <doctest/doctest.h>

#include <atomic>

#include "base/net/http.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/net/raw_peer.h"
#include "tests/unit/net/test_pki.h"

namespace bascule::net {
namespace {

constexpr std::size_t kBody = 4096;

const fuzz::Corpus kRequests = {
    {"GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n",
     "POST /v1/vms HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
     "13\r\n\r\n{\"name\":\"a\"}\n",
     "POST /lease HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
     "GET /host-session HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: "
     "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85"
     "abcd1234\x89\x80"
     "abcd"},
    {"\r\n", "\r", "\n", ":", " ", "Content-Length: 99999999999999999999\r\n", "Content-Length: -1\r\n",
     "HTTP/1.1", "HTTP/9.9", "Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n",
     "Expect: 100-continue\r\n", "\xff", "\x81\xff", "Connection: close\r\n",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}};

class FuzzedServer {
 public:
  FuzzedServer() : files_(test::Pki::instance().files("operator")) {
    ServerOptions options;
    options.address = "127.0.0.1";
    options.tls = test::Pki::instance().files("manager");
    options.admit_role = "operator";
    options.http.header_bytes = 2048;
    options.http.body_bytes = kBody;
    options.http.request_time = 1s;
    options.http.idle_time = 1s;
    WebSocketEvents events;
    events.on_message = [this](const auto&, const std::string& text) {
      if (text.size() > kBody) ++beyond_;
    };
    WebSocketPath& path = options.websockets["/host-session"];
    path.limits.message_bytes = kBody;
    path.door = [events](const std::string&, const Peer&) { return std::optional(events); };
    auto server =
        Server::start(std::move(options), [this](const HttpRequest& request, const HttpReply& reply) {
          if (request.body.size() > kBody || request.target.size() > 8192 || request.method.empty())
            ++beyond_;
          reply({});
        });
    REQUIRE(server);
    server_ = *std::move(server);
  }

  void take(const std::string& bytes, bool tls) {
    if (tls)
      test::RawPeer(server_->port(), files_).send(bytes);
    else
      test::RawPeer(server_->port()).send(bytes);
  }
  bool answers() {
    test::RawPeer peer(server_->port(), files_);
    peer.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    return peer.receive().starts_with("HTTP/1.1 200");
  }
  int beyond_limits() const { return beyond_; }

 private:
  const TlsFiles files_;
  std::atomic<int> beyond_{0};
  std::unique_ptr<Server> server_;
};

TEST_CASE("listeners that get garbage") {
  FuzzedServer server;
  REQUIRE(server.answers());
  int turn = 0;
  fuzz::run(kRequests, 500, [&](const std::string& bytes) {
    server.take(bytes, turn % 8 != 0);
    if (++turn % 50 == 0 && !server.answers()) FAIL_CHECK("no longer answers");
  });
  CHECK(server.answers());
  CHECK(server.beyond_limits() == 0);
}

}  // namespace
}  // namespace bascule::net
