// Tickets for consoles: who gets in with one, and what ends it. The WebSockets are made up.
#include "cluster/consoles.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/unit/api/example_state.h"

using namespace bascule;

namespace {

// A socket that remembers what happens to it.
struct MadeUpSocket final : net::WebSocket {
  bool send(std::string message) override {
    const std::lock_guard lock(mutex);
    said += message;
    return true;
  }
  std::size_t queued() const override { return 0; }
  void pause(bool) override {}
  void close(const std::string& why) override {
    const std::lock_guard lock(mutex);
    closed = why.empty() ? "closed" : why;
  }
  const net::Peer& peer() const override { return who; }

  std::string why() {
    const std::lock_guard lock(mutex);
    return closed;
  }
  net::Peer who;
  std::mutex mutex;
  std::string said, closed;
};

struct Doors {
  SystemClock clock;
  std::mutex mutex;
  Snapshot snapshot = example_snapshot();
  std::vector<wire::OpenStream> told;
  std::vector<wire::ReceiveImage> received;
  HostId asked;
  VmId vm = snapshot.state.vms.begin()->first;
  Principal alice{OperatorId("alice"), TokenId()};
  Consoles consoles{clock};

  Doors() {
    consoles.connect(
        [this](const Copy& host, const wire::FromManager& order) {
          asked = host.host;
          if (const auto* image = std::get_if<wire::ReceiveImage>(&order))
            received.push_back(*image);
          else
            told.push_back(std::get<wire::OpenStream>(order));
          return true;
        },
        [this] {
          const std::lock_guard lock(mutex);
          return std::make_shared<const Snapshot>(snapshot);
        });
  }
  void change(const std::function<void(State&)>& how) {
    const std::lock_guard lock(mutex);
    how(snapshot.state);
  }
  std::string ticket() {
    const auto made = consoles.admit(alice, {vm});
    REQUIRE(made);
    return "/v1/consoles/" + made->reveal();
  }
  std::optional<net::WebSocketEvents> enter(const std::string& path) {
    return consoles.door().door(path, {});
  }
  std::optional<net::WebSocketEvents> dial(const std::string& host) {
    net::Peer peer;
    peer.name = host;
    return consoles.host_door().door("/stream/" + told.back().stream, peer);
  }
  static std::shared_ptr<MadeUpSocket> open(const net::WebSocketEvents& events) {
    const auto socket = std::make_shared<MadeUpSocket>();
    events.on_open(socket);
    return socket;
  }
  static std::string end_of(const std::shared_ptr<MadeUpSocket>& socket) {
    for (int i = 0; i < 500 && socket->why().empty(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return socket->why();
  }
};

}  // namespace

TEST_CASE_FIXTURE(Doors, "a ticket opens once; its host, and no other, is the other end") {
  const std::string path = ticket();
  CHECK_FALSE(enter("/v1/consoles/bst_guessed"));
  const auto person = enter(path);
  REQUIRE(person);
  CHECK_FALSE(enter(path));
  REQUIRE(told.size() == 1);
  CHECK(asked == HostId("paris-1"));
  CHECK(told[0].vm == vm);
  CHECK(told[0].generation == Generation(1));
  CHECK_FALSE(dial("lyon-1"));
  const auto host = dial("paris-1");
  REQUIRE(host);
  CHECK_FALSE(dial("paris-1"));
  const auto near = open(*person);
  const auto far = open(*host);
  person->on_message(near, "root\r");
  host->on_message(far, "Password: ");
  CHECK(far->said == "root\r");
  CHECK(near->said == "Password: ");
}

TEST_CASE_FIXTURE(Doors, "it ends when its holder may no longer, and when the machine isn't there any more") {
  const auto person = enter(ticket());
  REQUIRE(person);
  const auto host = dial("paris-1");
  REQUIRE(host);
  const auto near = open(*person);
  const auto far = open(*host);
  SUBCASE("their account") {
    change([](State& state) { state.directory.staff.clear(); });
    CHECK(end_of(near).find("no account") != std::string::npos);
  }
  SUBCASE("it became its tenant's") {
    change([](State& state) { state.vms.begin()->second.record.spec.tenant = TenantId("acme"); });
    CHECK(end_of(near).find("say why first") != std::string::npos);
  }
  SUBCASE("another generation runs") {
    change([](State& state) { state.vms.begin()->second.record.placement.generation = Generation(2); });
    CHECK(end_of(near) == "the machine runs there no more");
  }
  SUBCASE("stopped") {
    change([](State& state) { state.vms.begin()->second.record.phase = VmPhase::stopped; });
    CHECK(end_of(near) == "the machine runs there no more");
  }
  SUBCASE("gone") {
    change([](State& state) { state.vms.clear(); });
    CHECK(end_of(near) == "the machine is gone");
  }
  SUBCASE("the manager stops") {
    consoles.end();
    CHECK(near->why() == "the manager stops");
    CHECK_FALSE(consoles.admit(alice, {vm}));
  }
  CHECK_FALSE(end_of(far).empty());
}

TEST_CASE_FIXTURE(Doors, "whoever lost the right since the ticket is told so, and no host is bothered") {
  const std::string path = ticket();
  change([](State& state) { state.directory.staff.clear(); });
  const auto person = enter(path);
  REQUIRE(person);
  CHECK(told.empty());
  CHECK(end_of(open(*person)).find("no account") != std::string::npos);
}

TEST_CASE_FIXTURE(Doors, "one person has twenty at most") {
  for (std::size_t i = 0; i < Consoles::kMostOfOne; ++i) ticket();
  const auto refused = consoles.admit(alice, {vm});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::conflict);
  CHECK(consoles.admit({OperatorId("bob"), TokenId()}, {vm}));
}

TEST_CASE_FIXTURE(Doors,
                  "a ticket for an image is for a host that keeps it, until the image or the right is gone") {
  TenantImage image;
  image.id = ImageId("aaaaaaaa-0000-4000-8000-0000000000c1");
  image.pool = "metro";
  image.bytes = 7;
  change([&](State& state) { state.directory.images[image.id] = image; });
  Consoles::Wanted wanted;
  wanted.image = image.id;
  const auto ticket = consoles.admit(alice, wanted);
  REQUIRE(ticket);
  const auto person = enter("/v1/consoles/" + ticket->reveal());
  REQUIRE(person);
  REQUIRE(received.size() == 1);
  CHECK(received[0].image == image.id);
  CHECK(received[0].bytes == 7);
  net::Peer peer;
  peer.name = asked.value;
  const auto host = consoles.host_door().door("/stream/" + received[0].stream, peer);
  REQUIRE(host);
  const auto near = open(*person);
  const auto far = open(*host);
  person->on_message(near, "content");
  CHECK(far->said == "content");
  SUBCASE("it is removed") {
    change([&](State& state) { state.directory.images.at(image.id).phase = ImagePhase::removing; });
    CHECK(end_of(near) == "the image is being removed");
  }
  SUBCASE("it is gone") {
    change([&](State& state) { state.directory.images.clear(); });
    CHECK(end_of(near) == "the image is gone");
  }
  SUBCASE("their account is") {
    change([](State& state) { state.directory.staff.clear(); });
    CHECK(end_of(near).find("has no account") != std::string::npos);
  }
}
