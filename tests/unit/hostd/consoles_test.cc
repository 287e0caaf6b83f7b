// A guest's serial line and the manager's end of it: a pseudo terminal of ours stands for the guest's.
#include "hostd/consoles.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/hostd/agent_fixture.h"
#include "tests/unit/net/seen.h"
#include "tests/unit/net/test_pki.h"

namespace bascule::hostd {
namespace {

struct Terminal {
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  Terminal() {
    REQUIRE(grantpt(master) == 0);
    REQUIRE(unlockpt(master) == 0);
  }
  ~Terminal() { hang_up(); }
  void hang_up() {
    if (master >= 0) close(std::exchange(master, -1));
  }
  std::string path() const { return ptsname(master); }
};

std::string definition(const std::string& path) {
  return "<domain><devices><serial type='pty'><source path='" + path +
         "'/></serial><graphics type='vnc'><listen type='address'/><listen type='socket' socket='/run/vnc'/>"
         "</graphics></devices></domain>";
}

// A host with a guest, and the manager's door for streams.
struct Wired : Host {
  test::Seen manager;
  std::unique_ptr<net::Server> server;
  std::unique_ptr<Consoles> consoles;
  Terminal terminal;

  Wired() {
    net::ServerOptions options;
    options.address = "127.0.0.1";
    options.tls = test::Pki::instance().files("manager");
    options.admit_role = "host";
    net::WebSocketLimits limits;
    limits.bytes = true;
    options.websockets[std::string(wire::kStreamPath)] = {
        [this](const std::string& target, const net::Peer&) {
          return target == "/stream/s1" ? std::optional(manager.events()) : std::nullopt;
        },
        limits};
    auto started = net::Server::start(std::move(options), [](const auto&, const auto& reply) { reply({}); });
    REQUIRE(started);
    server = *std::move(started);
    auto made = Consoles::start(hypervisor, test::Pki::instance().files("host"), clock);
    REQUIRE(made);
    consoles = *std::move(made);
  }
  ~Wired() { consoles.reset(); }

  void run_guest() {
    wire::Command order = command(1);
    wire::StartVm start;
    start.spec.id = kVm;
    start.spec.name = "web-1";
    start.spec.home = SiteId("paris");
    start.spec.memory_mib = 64;
    order.order = start;
    agent->obey(order);
    REQUIRE(agent->runs(kVm, Generation(1)));
    hypervisor.replace_xml(kVm, definition(terminal.path()));
  }
  void open(Generation generation = Generation(1)) {
    consoles->open(
        {"s1", kVm, generation, wire::ConsoleKind::serial, OperatorId("alice"), {}, {}, server->port()},
        *agent, "127.0.0.1:" + std::to_string(server->port()));
  }
};

TEST_CASE("where a console is") {
  CHECK(*console_path(definition("/dev/pts/7"), wire::ConsoleKind::serial) == "/dev/pts/7");
  CHECK(*console_path(definition("/dev/pts/7"), wire::ConsoleKind::screen) == "/run/vnc");
  CHECK(console_path(definition("/etc/shadow"), wire::ConsoleKind::serial).error().code == ErrorCode::policy);
  CHECK(console_path("<domain/>", wire::ConsoleKind::screen).error().code == ErrorCode::not_found);
  CHECK_FALSE(console_path("no xml", wire::ConsoleKind::serial));
}

TEST_CASE_FIXTURE(Wired, "what is typed reaches the guest, and what it says comes back") {
  run_guest();
  open();
  const auto socket = manager.opened();
  socket->send("root\r");
  char typed[5];
  REQUIRE(read(terminal.master, typed, sizeof typed) == 5);
  CHECK(std::string(typed, 5) == "root\r");
  REQUIRE(write(terminal.master, "login: ", 7) == 7);
  CHECK(manager.messages(1)[0] == "login: ");
  SUBCASE("it became its tenant's alone") {
    VmSpec shop = spec();
    shop.tenant = TenantId("acme");
    REQUIRE(pools.at("metro")->create({{"metro", "shop", 1}, kVm, false, first_custody(shop, true)}));
    hypervisor.replace_xml(kVm,
                           "<domain><metadata><v:vm xmlns:v='https://bascule.example/xmlns/1'><v:volume "
                           "pool='metro' name='shop'/></v:vm></metadata>" +
                               definition(terminal.path()).substr(8));
    consoles->look_again(*agent);
    CHECK(manager.closed().find("acme alone gets inside") != std::string::npos);
  }
  SUBCASE("nothing changed") {
    consoles->look_again(*agent);
    CHECK_FALSE(manager.is_closed());
  }
  SUBCASE("the guest ends") {
    terminal.hang_up();
    CHECK(manager.closed() == "closed by the peer: the machine has ended");
  }
  SUBCASE("the daemon ends") {
    consoles.reset();
    manager.closed();
  }
}

TEST_CASE_FIXTURE(Wired, "what doesn't run here, or no more, isn't opened, and the reason is told") {
  open();
  CHECK(manager.closed() == "closed by the peer: it doesn't run on this host any more");
}

TEST_CASE_FIXTURE(Wired, "an older generation's console isn't the newer one's") {
  run_guest();
  open(Generation(2));
  CHECK(manager.closed() == "closed by the peer: it doesn't run on this host any more");
}

}  // namespace
}  // namespace bascule::hostd
