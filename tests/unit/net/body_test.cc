// Bodies that go on: what is sent comes at once, in order; the connection ends with either side.
#include <doctest/doctest.h>

#include <condition_variable>
#include <mutex>

#include "base/net/http.h"
#include "raw_peer.h"
#include "test_pki.h"

using namespace bascule;
using namespace bascule::net;
using test::contains;
using test::Pki;
using test::RawPeer;

namespace {

// A server all of whose answers go on.
class Streaming {
 public:
  Streaming() {
    ServerOptions options;
    options.address = "127.0.0.1";
    options.tls = Pki::instance().files("manager");
    options.admit_role = "operator";
    auto started = Server::start(options, [this](const HttpRequest&, const HttpReply& reply) {
      HttpResponse response;
      response.content_type = "text/event-stream";
      response.goes_on = [this](std::shared_ptr<BodyStream> body) {
        const std::lock_guard lock(mutex_);
        body_ = std::move(body);
        changed_.notify_all();
      };
      reply(response);
    });
    REQUIRE(started);
    server = *std::move(started);
  }

  // Of the request that came.
  std::shared_ptr<BodyStream> body() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, 5s, [this] { return body_ != nullptr; }));
    return body_;
  }
  bool wait_until_gone() {
    const auto until = std::chrono::steady_clock::now() + 5s;
    while (body_->send("x") && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return !body_->send("x");
  }

  std::unique_ptr<Server> server;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<BodyStream> body_;
};

const char* const kAsk = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";

}  // namespace

TEST_CASE("a body that goes on comes piece by piece, and ends") {
  Streaming streaming;
  RawPeer peer(streaming.server->port(), Pki::instance().files("operator"));
  REQUIRE(peer.send(kAsk));
  const auto body = streaming.body();
  const std::string header = peer.receive();
  CHECK(contains(header, "200 OK"));
  CHECK(contains(header, "Transfer-Encoding: chunked"));
  CHECK_FALSE(contains(header, "Content-Length"));
  REQUIRE(body->send("id: 1\n\n"));
  CHECK(contains(peer.receive(), "id: 1\n\n"));
  REQUIRE(body->send("id: 2\n\n"));
  REQUIRE(body->send("id: 3\n\n"));
  body->end();
  CHECK_FALSE(body->send("too late"));
  const std::string rest = peer.receive_all();
  CHECK(rest.find("id: 2") < rest.find("id: 3"));
  CHECK(contains(rest, "\r\n0\r\n\r\n"));
  CHECK_FALSE(contains(rest, "too late"));
}

TEST_CASE("a client that leaves a body, or talks into it, is noticed") {
  Streaming streaming;
  auto peer = std::make_unique<RawPeer>(streaming.server->port(), Pki::instance().files("operator"));
  REQUIRE(peer->send(kAsk));
  const auto body = streaming.body();
  SUBCASE("it closes") { peer.reset(); }
  SUBCASE("it asks again meanwhile") { REQUIRE(peer->send(kAsk)); }
  CHECK(streaming.wait_until_gone());
}

TEST_CASE("a client that doesn't read costs a bounded part of the memory") {
  Streaming streaming;
  RawPeer peer(streaming.server->port(), Pki::instance().files("operator"));
  REQUIRE(peer.send(kAsk));
  const auto body = streaming.body();
  const std::string piece(64 * 1024, 'x');
  int sent = 0;
  while (sent < 1000 && body->send(piece)) ++sent;
  CHECK(sent < 1000);  // 64 MB: far above what sockets hold
}

TEST_CASE("what was to be done later isn't done when the client has left") {
  Streaming streaming;
  RawPeer peer(streaming.server->port(), Pki::instance().files("operator"));
  REQUIRE(peer.send(kAsk));
  const auto body = streaming.body();
  struct Count {
    std::mutex mutex;
    std::condition_variable changed;
    int calls = 0;
  } count;
  body->later(1ms, [&count] {
    const std::lock_guard lock(count.mutex);
    ++count.calls;
    count.changed.notify_all();
  });
  {
    std::unique_lock lock(count.mutex);
    CHECK(count.changed.wait_for(lock, 5s, [&count] { return count.calls == 1; }));
  }
  body->later(60s, [&count] { ++count.calls; });
  streaming.server.reset();
  CHECK(count.calls == 1);
  CHECK_FALSE(body->send("x"));
}
