// Two WebSockets that are one conversation, over real connections.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "base/net/http.h"
#include "seen.h"
#include "test_pki.h"

using namespace bascule;
using namespace bascule::net;
using test::Pki;
using test::Seen;

namespace {

WebSocketLimits bytes() {
  WebSocketLimits limits;
  limits.bytes = true;
  return limits;
}

// A server with two doors, "/near/…" and "/far/…", that are joined; a refusing one for every other path.
struct Joined {
  std::atomic<int> ended = 0;
  std::shared_ptr<WebSocketJoint> joint = WebSocketJoint::make([this](const std::string&) { ++ended; });
  std::unique_ptr<Server> server;
  Seen near, far;
  std::unique_ptr<WebSocketDialer> dialer;

  Joined() {
    ServerOptions options;
    options.address = "127.0.0.1";
    options.tls = Pki::instance().files("manager");
    options.admit_role = "host";
    options.websockets["/near/"] = {door(WebSocketJoint::End::near), bytes()};
    options.websockets["/far/"] = {door(WebSocketJoint::End::far), bytes()};
    auto started =
        Server::start(std::move(options), [](const HttpRequest&, const HttpReply& reply) { reply({}); });
    REQUIRE(started);
    server = *std::move(started);
    ClientOptions client;
    client.tls = Pki::instance().files("host");
    auto made = WebSocketDialer::make(client);
    REQUIRE(made);
    dialer = *std::move(made);
  }
  ~Joined() { dialer.reset(); }

  WebSocketDoor door(WebSocketJoint::End end) {
    return [this, end](const std::string& target, const Peer&) -> std::optional<WebSocketEvents> {
      if (!target.ends_with("/right")) return std::nullopt;
      return joint->events(end);
    };
  }
  void dial(const std::string& path, Seen& seen) {
    dialer->dial("127.0.0.1:" + std::to_string(server->port()), path, bytes(), seen.events());
  }
};

std::string all(Seen& seen, std::size_t size) {
  std::string text;
  for (std::size_t count = 1; text.size() < size; ++count) {
    text.clear();
    for (const std::string& message : seen.messages(count)) text += message;
    if (seen.is_closed()) break;
  }
  return text;
}

}  // namespace

TEST_CASE_FIXTURE(Joined,
                  "what comes in at one end goes out at the other, bytes of any kind, early ones too") {
  dial("/near/right", near);
  near.opened()->send(std::string("\xff\x00\xc3(", 4));
  dial("/far/right", far);
  far.opened()->send("hello");
  CHECK(far.messages(1)[0] == std::string("\xff\x00\xc3(", 4));
  CHECK(near.messages(1)[0] == "hello");
}

TEST_CASE_FIXTURE(Joined, "either's end is the other's, which is told why") {
  dial("/near/right", near);
  dial("/far/right", far);
  near.opened();
  far.opened();
  SUBCASE("far leaves") {
    far.opened()->close("the machine has ended");
    CHECK(near.closed() == "closed by the peer: closed by the peer: the machine has ended");
  }
  SUBCASE("closed from the middle") {
    joint->close("you may no longer");
    CHECK(near.closed() == "closed by the peer: you may no longer");
    CHECK(far.closed() == "closed by the peer: you may no longer");
  }
  CHECK(ended == 1);
}

TEST_CASE_FIXTURE(Joined, "whoever comes when it is over is told so") {
  joint->close("too late");
  dial("/near/right", near);
  CHECK(near.closed() == "closed by the peer: too late");
}

TEST_CASE_FIXTURE(Joined, "an end that doesn't read makes the other wait, and loses nothing") {
  dial("/near/right", near);
  dial("/far/right", far);
  const auto from = far.opened();
  near.opened()->pause(true);
  constexpr std::size_t kBlock = 32 * 1024;
  constexpr std::size_t kBlocks = 400;  // 12.5 MiB: more than all buffers between them
  std::size_t sent = 0;
  // The sender's own queue fills, and stays full while nobody reads.
  for (; sent < kBlocks; ++sent) {
    for (int i = 0; i < 100 && from->queued() > 2 * kBlock; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (from->queued() > 2 * kBlock) break;
    REQUIRE(from->send(std::string(kBlock, static_cast<char>('a' + sent % 26))));
  }
  CHECK(sent < kBlocks);
  near.opened()->pause(false);
  const std::string got = all(near, sent * kBlock);
  REQUIRE(got.size() == sent * kBlock);
  for (std::size_t i = 0; i < sent; ++i) CHECK(got[i * kBlock] == static_cast<char>('a' + i % 26));
}

TEST_CASE_FIXTURE(Joined, "whoever says much before the other end is there waits, and loses nothing") {
  dial("/near/right", near);
  const auto from = near.opened();
  constexpr std::size_t kPart = 32 * 1024;
  constexpr std::size_t kParts = 100;  // 3 MiB: more than is kept for an end that isn't there
  for (std::size_t i = 0; i < kParts; ++i)
    REQUIRE(from->send(std::string(kPart, static_cast<char>('a' + i % 26))));
  CHECK_FALSE(near.is_closed());
  dial("/far/right", far);
  const std::string got = all(far, kParts * kPart);
  REQUIRE(got.size() == kParts * kPart);
  for (std::size_t i = 0; i < kParts; ++i) CHECK(got[i * kPart] == static_cast<char>('a' + i % 26));
}

TEST_CASE_FIXTURE(Joined, "a door that refuses is a 404") {
  dial("/near/wrong", near);
  CHECK(near.closed().find("status 404") != std::string::npos);
  dial("/elsewhere/right", far);
  CHECK(far.closed().find("status 404") != std::string::npos);
}

TEST_CASE("an address that isn't one is told like any failed dial") {
  ClientOptions client;
  client.tls = Pki::instance().files("host");
  const auto dialer = WebSocketDialer::make(client);
  REQUIRE(dialer);
  Seen seen;
  (*dialer)->dial("nowhere", "/", bytes(), seen.events());
  CHECK_FALSE(seen.closed().empty());
}
