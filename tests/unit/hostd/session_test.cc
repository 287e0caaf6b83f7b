// The session against a manager that is a real WebSocket server with certificates.
#include "hostd/session.h"

#include <deque>

#include "base/json.h"
#include "base/mailbox.h"
#include "tests/unit/hostd/agent_fixture.h"
#include "tests/unit/net/test_pki.h"

namespace bascule::hostd {
namespace {

constexpr Duration kBound = 30s;

// What a manager hears, one message at a time.
class Manager {
 public:
  explicit Manager(std::uint16_t port = 0) {
    net::ServerOptions options;
    options.address = "127.0.0.1";
    options.port = port;
    options.tls = test::Pki::instance().files("manager");
    options.admit_role = "host";
    net::WebSocketEvents events;
    events.on_open = [this](std::shared_ptr<net::WebSocket> opened) {
      const std::lock_guard lock(mutex_);
      socket_ = std::move(opened);
    };
    events.on_message = [this](const std::shared_ptr<net::WebSocket>&, std::string text) {
      REQUIRE(heard_.put(std::move(text)));
    };
    events.on_close = [](const std::shared_ptr<net::WebSocket>&, std::string) {};
    options.websockets[std::string(wire::kHostSessionPath)].door =
        [events](const std::string&, const net::Peer&) { return std::optional(events); };
    auto server = net::Server::start(options, [](net::HttpRequest, net::HttpReply reply) {
      net::HttpResponse nothing;
      nothing.status = 404;
      reply(nothing);
    });
    REQUIRE_MESSAGE(server.has_value(), server.error().message);
    server_ = std::move(*server);
  }

  // The next message of this kind; others are passed over.
  template <class Message>
  Message hear() {
    for (const Instant end = clock_.now() + kBound; clock_.now() < end;) {
      const std::optional<std::string> text = heard_.take(100ms);
      if (!text) continue;
      const auto message = json::decode_text<wire::FromHost>(*text, json::Unknown::refuse);
      REQUIRE_MESSAGE(message.has_value(), message.error().message);
      if (const auto* match = std::get_if<Message>(&*message)) return *match;
    }
    FAIL("the host did not say it in time");
    return {};
  }

  void say(const wire::FromManager& message) {
    const std::lock_guard lock(mutex_);
    REQUIRE(socket_->send(json::encode_text(message)));
  }
  void welcome(std::uint64_t term = 1) {
    wire::Welcome welcome;
    welcome.cluster = ClusterId("demo");
    welcome.epoch = {"e", EpochNumber(1)};
    welcome.term = Term(term);
    welcome.manager = ManagerId("m");
    welcome.heartbeat = 50ms;
    say(welcome);
  }
  void hang_up() {
    const std::lock_guard lock(mutex_);
    socket_->close();
  }
  std::uint16_t port() const { return server_->port(); }

 private:
  SystemClock clock_;
  Mailbox<std::string> heard_{10'000};
  std::mutex mutex_;
  std::shared_ptr<net::WebSocket> socket_;
  std::unique_ptr<net::Server> server_;
};

struct Conversation : Host {
  SystemClock system_clock;
  SystemRandom random;
  Manager manager;
  std::unique_ptr<PeerProbe> probe = std::move(*PeerProbe::start("127.0.0.1", 0, system_clock, random));
  Workers workers{2, 64};
  Session session{
      {{"127.0.0.1:1", "127.0.0.1:" + std::to_string(manager.port())}, test::Pki::instance().files("host")},
      system_clock};

  Conversation() {
    forward = [this](const wire::FromHost& message) { session.say(message); };
    session.start(*agent, *probe, workers, {});
  }
  ~Conversation() { forward = nullptr; }
};

TEST_CASE_FIXTURE(Conversation, "Hello, Welcome, heartbeats, a command and its reply") {
  const wire::Hello hello = manager.hear<wire::Hello>();
  CHECK(hello.host == HostId("paris-1"));
  CHECK(hello.boot_id == kBoot);
  CHECK(hello.capacity == Capacity{4096, 8});
  manager.welcome();
  const std::uint64_t first = manager.hear<wire::Heartbeat>().sequence;
  CHECK(manager.hear<wire::Heartbeat>().sequence == first + 1);
  const wire::Command order = start(1);
  manager.say(order);
  const wire::CommandReply reply = manager.hear<wire::CommandReply>();
  CHECK(reply.action == order.action);
  CHECK_FALSE(reply.error.has_value());
}

TEST_CASE_FIXTURE(Conversation, "after a lost connection the host says Hello again, with all that it knows") {
  manager.hear<wire::Hello>();
  manager.welcome();
  manager.say(start(1));
  manager.hear<wire::CommandReply>();
  manager.hang_up();
  CHECK(manager.hear<wire::Hello>().domains.size() == 1);
}

TEST_CASE_FIXTURE(Conversation, "news of the time without a manager follow the next Welcome") {
  manager.hear<wire::Hello>();
  agent->raise("storage", "test", {}, "a fault");
  session.say(
      wire::DomainChanged{{kVm, Generation(3), wire::DomainState::gone, ""}, wire::DomainCause::crashed});
  manager.welcome();
  CHECK(manager.hear<wire::HostFault>().detail == "a fault");
  CHECK(manager.hear<wire::DomainChanged>().domain.generation == Generation(3));
}

TEST_CASE_FIXTURE(Conversation, "nobody is obeyed before a Welcome, nor a manager of an older term") {
  manager.hear<wire::Hello>();
  manager.say(start(1));
  manager.hear<wire::Hello>();  // it hung up and dialled anew
  CHECK(processes.scan()->empty());
  manager.welcome(7);
  wire::Command order = start(1);
  order.term = Term(7);
  manager.say(order);
  CHECK_FALSE(manager.hear<wire::CommandReply>().error.has_value());
  manager.hang_up();
  manager.hear<wire::Hello>();
  manager.welcome(6);
  CHECK(manager.hear<wire::Hello>().term == Term(7));
}

TEST_CASE_FIXTURE(Conversation,
                  "heartbeats go on while libvirtd hangs, and an order of another VM is not delayed") {
  manager.hear<wire::Hello>();
  manager.welcome();
  hypervisor.set_stalled(true);
  manager.say(start(1));
  const std::uint64_t first = manager.hear<wire::Heartbeat>().sequence;
  for (int i = 0; i < 10; ++i) manager.hear<wire::Heartbeat>();
  CHECK(manager.hear<wire::Heartbeat>().sequence == first + 11);
  hypervisor.set_stalled(false);
  CHECK_FALSE(manager.hear<wire::CommandReply>().error.has_value());
}

}  // namespace
}  // namespace bascule::hostd
