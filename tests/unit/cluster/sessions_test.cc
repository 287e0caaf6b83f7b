#include "cluster/host_sessions.h"

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "base/json.h"
#include "base/net/http.h"
#include "tests/unit/cluster/pump.h"

using namespace ::test;

namespace {

// Certificates of a manager and a host, once per program.
class HostPki {
 public:
  static const HostPki& instance() {
    static const HostPki pki;
    return pki;
  }
  ~HostPki() { std::filesystem::remove_all(folder_); }
  HostPki(const HostPki&) = delete;
  HostPki& operator=(const HostPki&) = delete;
  net::TlsFiles files(const std::string& who) const {
    return {folder_ + "/ca.pem", folder_ + "/" + who + ".pem", folder_ + "/" + who + ".key"};
  }

 private:
  HostPki() {
    std::string pattern = std::filesystem::temp_directory_path() / "bascule-sessions-XXXXXX";
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    std::ofstream(folder_ + "/make") << R"sh(set -e
cd "$(dirname "$0")"
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=ca
issue() {
  openssl req $key -keyout $1.key -out $1.csr -subj "/CN=$1/OU=$2"
  echo "subjectAltName=IP:127.0.0.1" > $1.ext
  openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -set_serial $3 -extfile $1.ext -out $1.pem
}
issue manager manager 1
issue paris-1 host 2
issue stranger host 3
)sh";
    REQUIRE(std::system(("bash " + folder_ + "/make > " + folder_ + "/log 2>&1").c_str()) == 0);
  }
  std::string folder_;
};

struct Everyone {
  SystemClock clock;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<EventBody> events;
  std::unique_ptr<HostSessions> sessions;

  Everyone() {
    HostSessionsOptions options;
    options.address = "127.0.0.1";
    options.tls = HostPki::instance().files("manager");
    options.leadership = {ClusterId("demo"), Epoch{"e1", EpochNumber(2)}, Term(7), ManagerId("m")};
    options.heartbeat = 1s;
    options.command_validity = 30s;
    options.peers = {{HostId("paris-1"), "127.0.0.1:7446"}, {HostId("lyon-1"), "127.0.0.2:7446"}};
    auto started = HostSessions::start(std::move(options), clock, [this](EventBody event) {
      const std::lock_guard lock(mutex);
      events.push_back(std::move(event));
      changed.notify_all();
      return true;
    });
    REQUIRE(started.has_value());
    sessions = std::move(*started);
  }
  bool wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, condition);
  }
  template <class T>
  std::size_t count() const {
    std::size_t found = 0;
    for (const EventBody& event : events) found += std::holds_alternative<T>(event) ? 1 : 0;
    return found;
  }
};

// A host's side, on the wire. Its members are guarded by the same mutex as the events.
struct FakeHost {
  Everyone& all;
  std::shared_ptr<net::WebSocket> socket;
  std::vector<wire::FromManager> heard;
  bool closed = false;
  std::unique_ptr<net::WebSocketClient> client;

  explicit FakeHost(Everyone& everyone, const std::string& certificate = "paris-1") : all(everyone) {
    net::ClientOptions options;
    options.address = "127.0.0.1:" + std::to_string(all.sessions->port());
    options.tls = HostPki::instance().files(certificate);
    net::WebSocketEvents events;
    events.on_open = [this](std::shared_ptr<net::WebSocket> open) {
      const std::lock_guard lock(all.mutex);
      socket = std::move(open);
      all.changed.notify_all();
    };
    events.on_message = [this](const std::shared_ptr<net::WebSocket>&, const std::string& text) {
      auto message = json::decode_text<wire::FromManager>(text, json::Unknown::refuse);
      const std::lock_guard lock(all.mutex);
      if (message) heard.push_back(std::move(*message));
      all.changed.notify_all();
    };
    events.on_close = [this](const std::shared_ptr<net::WebSocket>&, const std::string&) {
      const std::lock_guard lock(all.mutex);
      closed = true;
      all.changed.notify_all();
    };
    auto dialled =
        net::WebSocketClient::dial(options, std::string(wire::kHostSessionPath), {}, std::move(events));
    REQUIRE(dialled.has_value());
    client = std::move(*dialled);
    REQUIRE(all.wait([this] { return socket != nullptr || closed; }));
    REQUIRE(socket);
  }
  void say(const wire::FromHost& message) { socket->send(json::encode_text(message)); }
};

wire::Hello hello_of_paris() {
  wire::Hello said = std::get<HostHello>(hello("paris-1")).hello;
  said.clock = 500s;
  return said;
}

SendCommand start_command(const Copy& to) {
  wire::StartVm start;
  start.spec = std::get<CreateVm>(create_vm("web-1")).spec;
  return {ActionId("a1"), to, Generation(4), start};
}

}  // namespace

TEST_CASE("a host says hello, is welcomed, heard and commanded on its own clock") {
  Everyone all;
  FakeHost host(all);
  host.say(hello_of_paris());
  REQUIRE(all.wait([&] { return host.heard.size() == 1 && all.count<HostHello>() == 1; }));
  const auto& welcome = std::get<wire::Welcome>(host.heard[0]);
  CHECK(welcome.term == Term(7));
  REQUIRE(welcome.peers.size() == 1);
  CHECK(welcome.peers[0].host == HostId("lyon-1"));

  wire::Heartbeat beat;
  beat.clock = 510s;
  host.say(beat);
  REQUIRE(all.wait([&] { return all.count<HostHeartbeat>() == 1; }));
  all.sessions->send(start_command(copy_of("paris-1")));
  REQUIRE(all.wait([&] { return host.heard.size() == 2; }));
  const auto& command = std::get<wire::Command>(host.heard[1]);
  CHECK(command.epoch.number == EpochNumber(2));
  CHECK(command.generation == Generation(4));
  CHECK(command.boot_id == boot_of("paris-1"));
  CHECK(command.not_after >= 540s);
  CHECK(command.not_after < 600s);

  // A command for another boot of it goes nowhere.
  all.sessions->send(start_command({HostId("paris-1"), BootId("another")}));
  host.client.reset();
  REQUIRE(all.wait([&] { return all.count<HostSessionClosed>() == 1; }));
  CHECK(host.heard.size() == 2);
}

TEST_CASE("what a host may not say ends its session and reaches no engine") {
  std::vector<std::string> texts;
  wire::Hello hello = hello_of_paris();
  hello.protocol = 2;
  texts.push_back(json::encode_text<wire::FromHost>(hello));
  hello = hello_of_paris();
  hello.cluster = ClusterId("other");
  texts.push_back(json::encode_text<wire::FromHost>(hello));
  hello = hello_of_paris();
  hello.host = HostId("lyon-1");  // its certificate says paris-1
  texts.push_back(json::encode_text<wire::FromHost>(hello));
  texts.push_back(json::encode_text<wire::FromHost>(wire::Heartbeat{}));  // before hello
  texts.push_back(R"({"type":"reboot_everything"})");
  texts.push_back("no JSON");
  Everyone all;
  for (const std::string& text : texts) {
    CAPTURE(text);
    FakeHost host(all);
    host.socket->send(text);
    CHECK(all.wait([&] { return host.closed; }));
  }
  FakeHost stranger(all, "stranger");  // not in the inventory
  hello = hello_of_paris();
  hello.host = HostId("stranger");
  stranger.say(hello);
  CHECK(all.wait([&] { return stranger.closed; }));
  CHECK(all.events.empty());
}

TEST_CASE("a newer session replaces the older, whose end says nothing about the host") {
  Everyone all;
  FakeHost older(all);
  older.say(hello_of_paris());
  REQUIRE(all.wait([&] { return older.heard.size() == 1; }));
  FakeHost newer(all);
  newer.say(hello_of_paris());
  REQUIRE(all.wait([&] { return newer.heard.size() == 1 && older.closed; }));
  all.sessions->send(start_command(copy_of("paris-1")));
  REQUIRE(all.wait([&] { return newer.heard.size() == 2; }));
  CHECK(all.count<HostSessionClosed>() == 0);
}

TEST_CASE("a flood of messages ends the session") {
  Everyone all;
  FakeHost host(all);
  host.say(hello_of_paris());
  for (int i = 0; i < 2'000; ++i) host.say(wire::Heartbeat{});
  CHECK(all.wait([&] { return host.closed; }));
  CHECK(all.count<HostHeartbeat>() < 1'000);
}
