#include "cluster/lease_plane.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "base/json.h"
#include "base/net/http.h"

using namespace bascule;

namespace {

const Copy kCopy{HostId("paris-1"), BootId("boot-1")};

LeaseSettings settings(LeaseMode mode = LeaseMode::stop) {
  LeaseSettings settings;
  settings.leadership = {ClusterId("demo"), Epoch{"e1", EpochNumber(3)}, Term(7), ManagerId("m")};
  settings.mode = mode;
  return settings;
}

Instant at(Duration d) { return {1000s + d}; }

const RevokeLease kLost{ActionId("a1"), kCopy, true, at(3s)};
const RevokeLease kDoubted{ActionId("a2"), kCopy, false, at(3s)};

// A guard with a good watchdog and true clocks, unless the test says otherwise.
struct FakeGuard {
  GrantTable& table;
  Copy copy = kCopy;
  std::string name = "paris-1";
  std::uint64_t sequence = 0;
  std::uint64_t granted = 0;
  LeaseMode mode = LeaseMode::keep;
  bool watchdog_armed = true;
  Duration watchdog_timeout = 5s;
  double rate = 1.0;

  wire::LeaseRequest request(Duration time) {
    wire::LeaseRequest request;
    request.cluster = ClusterId("demo");
    request.host = copy.host;
    request.boot_id = copy.boot_id;
    request.sequence = ++sequence;
    request.echo_sequence = granted;
    request.echo_mode = mode;
    request.watchdog_armed = watchdog_armed;
    request.watchdog_timeout = watchdog_timeout;
    const auto own =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::nano>(time) * rate);
    request.raw_clock = 5s + own;
    request.boot_clock = 77s + own;
    return request;
  }
  wire::LeaseReply renew(Duration time, Duration delay = 1ms) {
    const wire::LeaseReply reply = table.answer(request(time), name, at(time + delay));
    if (reply.verdict == wire::LeaseVerdict::granted) {
      granted = reply.sequence;
      mode = reply.mode;
    }
    return reply;
  }
  bool armed() const { return table.armed(copy); }
};

struct Plane {
  GrantTable table;
  FakeGuard guard{table};
  explicit Plane(LeaseMode mode = LeaseMode::stop) : table(settings(mode)) { table.admit(kCopy.host); }
};

}  // namespace

TEST_CASE("a grant carries the leadership, the request's sequence and lengths that leave time to kill") {
  Plane plane;
  const wire::LeaseReply reply = plane.guard.renew(0s);
  CHECK(reply.verdict == wire::LeaseVerdict::granted);
  CHECK(reply.epoch.number == EpochNumber(3));
  CHECK(reply.term == Term(7));
  CHECK(reply.sequence == 1);
  CHECK(reply.ttl == 10s);
  CHECK(reply.kill_budget == 2s);
  CHECK(reply.stop_after == 8s);
  CHECK(reply.mode == LeaseMode::stop);
}

TEST_CASE("only hosts of the inventory, under their own certificate, get a lease") {
  Plane plane;
  const auto verdict = [&](auto change, std::string_view peer = "paris-1") {
    wire::LeaseRequest request = plane.guard.request(0s);
    change(request);
    return plane.table.answer(request, peer, at(0s)).verdict;
  };
  CHECK(verdict([](auto&) {}) == wire::LeaseVerdict::granted);
  CHECK(verdict([](auto&) {}, "lyon-1") == wire::LeaseVerdict::unknown_host);
  CHECK(verdict([](auto& r) { r.host = HostId("lyon-1"); }, "lyon-1") == wire::LeaseVerdict::unknown_host);
  CHECK(verdict([](auto& r) { r.cluster = ClusterId("other"); }) == wire::LeaseVerdict::unknown_host);
  CHECK(verdict([](auto& r) { r.protocol = 2; }) == wire::LeaseVerdict::unknown_host);
  CHECK(verdict([](auto& r) { r.boot_id = BootId(""); }) == wire::LeaseVerdict::unknown_host);
  plane.table.dismiss(kCopy.host);
  CHECK(verdict([](auto&) {}) == wire::LeaseVerdict::unknown_host);
}

TEST_CASE("nothing is granted once leadership has run out") {
  Plane plane;
  plane.table.lead_until(at(5s));
  CHECK(plane.guard.renew(5s, -1ns).verdict == wire::LeaseVerdict::granted);
  CHECK(plane.guard.renew(5s, 0s).verdict == wire::LeaseVerdict::not_leader);
  plane.table.lead_until(at(9s));
  CHECK(plane.guard.renew(6s).verdict == wire::LeaseVerdict::granted);
}

TEST_CASE("armed: a stop grant of ours was echoed by a guard with an armed watchdog") {
  Plane plane;
  FakeGuard& guard = plane.guard;
  CHECK_FALSE(guard.armed());
  guard.renew(0s);
  CHECK_FALSE(guard.armed());  // granted, not yet echoed
  guard.renew(2s);
  CHECK(guard.armed());
  SUBCASE("no longer when the watchdog is gone") {
    guard.watchdog_armed = false;
    guard.renew(4s);
    CHECK_FALSE(guard.armed());
  }
  SUBCASE("no longer when it bites later than the policy reckons") {
    guard.watchdog_timeout = 6s;
    guard.renew(4s);
    CHECK_FALSE(guard.armed());
    CHECK(plane.table.views().at(0).problem.find("timeout") != std::string::npos);
  }
  SUBCASE("no longer when a restarted guard holds nothing") {
    guard.granted = 0;
    guard.renew(4s);
    CHECK_FALSE(guard.armed());
  }
  SUBCASE("no longer when the echo says keep") {
    guard.mode = LeaseMode::keep;
    guard.renew(4s);
    CHECK_FALSE(guard.armed());
  }
  SUBCASE("silence changes nothing: that is what the evidence is for") { CHECK(guard.armed()); }
}

TEST_CASE("the echo of a predecessor's grant, or of one never made, arms nothing") {
  Plane plane;
  plane.guard.granted = 50;
  plane.guard.mode = LeaseMode::stop;
  plane.guard.sequence = 50;
  plane.guard.renew(0s);
  CHECK_FALSE(plane.guard.armed());
  plane.guard.granted = 99;
  plane.guard.renew(2s);
  CHECK_FALSE(plane.guard.armed());
}

TEST_CASE("in mode keep nobody is armed, whatever a guard says") {
  Plane plane(LeaseMode::keep);
  plane.guard.renew(0s);
  plane.guard.mode = LeaseMode::stop;
  plane.guard.renew(2s);
  CHECK_FALSE(plane.guard.armed());
  CHECK_FALSE(plane.table.revoke(kLost, at(3s)).armed);
  CHECK(plane.table.views().at(0).problem.empty());
}

TEST_CASE("after revoke no grant for that boot is made, and the facts are told") {
  Plane plane;
  plane.guard.renew(0s);
  plane.guard.renew(2s);
  const LeaseRevoked revoked = plane.table.revoke(kLost, at(3s));
  CHECK(revoked.action == kLost.action);
  CHECK(revoked.copy == kCopy);
  CHECK(revoked.armed);
  CHECK(revoked.echoed_sequence == 1);
  CHECK(revoked.lapse == 10s + 100ms + 2s + 5s + 500ms);
  CHECK(plane.guard.renew(4s).verdict == wire::LeaseVerdict::revoked);
  CHECK(plane.guard.renew(400s).verdict == wire::LeaseVerdict::revoked);
  CHECK(plane.table.revoke(kLost, at(401s)).armed);

  FakeGuard next_boot{plane.table};
  next_boot.copy.boot_id = BootId("boot-2");
  CHECK(next_boot.renew(402s).verdict == wire::LeaseVerdict::granted);

  plane.table.allow(kCopy);
  CHECK(plane.guard.renew(403s).verdict == wire::LeaseVerdict::granted);
}

TEST_CASE(
    "what is withheld is not granted either, is revoked when the host is declared lost, or given back") {
  Plane plane;
  plane.guard.renew(0s);
  plane.guard.renew(2s);
  const LeaseRevoked withheld = plane.table.revoke(kDoubted, at(3s));
  CHECK(withheld.action == kDoubted.action);
  CHECK(withheld.armed);
  CHECK(withheld.lapse == settings().lapse_of(10s));
  CHECK(plane.table.withholds(10s, at(3s)));
  CHECK_FALSE(plane.table.withholds(10s, at(13s)));  // such a guard asks no more
  CHECK(plane.guard.renew(4s).verdict == wire::LeaseVerdict::withheld);
  SUBCASE("declared lost") {
    CHECK(plane.table.revoke(kLost, at(5s)).armed);
    CHECK_FALSE(plane.table.withholds(10s, at(5s)));
    CHECK(plane.guard.renew(6s).verdict == wire::LeaseVerdict::revoked);
  }
  SUBCASE("given back") {
    plane.table.allow(kCopy);
    CHECK_FALSE(plane.table.withholds(10s, at(5s)));
    CHECK(plane.guard.renew(6s).verdict == wire::LeaseVerdict::granted);
    CHECK(plane.guard.armed());
  }
  SUBCASE("it can't be given a long lease, so none is waited for") {
    CHECK(plane.table.all_hold(60s, 10s, at(5s)));
  }
}

TEST_CASE("nothing is withheld from a guard that was granted a lease since it was decided") {
  Plane plane;
  plane.guard.renew(0s);
  plane.guard.renew(2s);
  RevokeLease late = kDoubted;
  late.decided = at(1s);
  CHECK_FALSE(plane.table.revoke(late, at(8s)).armed);
  CHECK(plane.guard.renew(9s).verdict == wire::LeaseVerdict::granted);
  late.declared_lost = true;
  CHECK(plane.table.revoke(late, at(10s)).armed);
  CHECK(plane.guard.renew(11s).verdict == wire::LeaseVerdict::revoked);
}

TEST_CASE("a boot that was never seen can be revoked, and is then no evidence") {
  Plane plane;
  const LeaseRevoked revoked = plane.table.revoke(kLost, at(0s));
  CHECK_FALSE(revoked.armed);
  CHECK(revoked.lapse == settings().lapse_of(10s));
  CHECK(plane.guard.renew(1s).verdict == wire::LeaseVerdict::revoked);
}

TEST_CASE("a revoked boot stays revoked however many others appear") {
  Plane plane;
  plane.table.revoke(kLost, at(0s));
  for (int i = 0; i < 20; ++i) {
    FakeGuard other{plane.table};
    other.copy.boot_id = BootId("other-" + std::to_string(i));
    CHECK(other.renew(i * 1s).verdict == wire::LeaseVerdict::granted);
  }
  CHECK(plane.guard.renew(30s).verdict == wire::LeaseVerdict::revoked);
  CHECK(plane.table.views().size() == 5);
}

TEST_CASE("long grants lengthen the wait, until they have run out") {
  Plane plane;
  plane.guard.renew(0s);
  CHECK_FALSE(plane.table.all_hold(60s, 10s, at(2s)));
  plane.table.set_ttl(600s);
  CHECK(plane.table.all_hold(60s, 10s, at(11s)));  // it renews no more: not waited for
  const wire::LeaseReply reply = plane.guard.renew(2s, 0s);
  CHECK(reply.ttl == 600s);
  CHECK(reply.stop_after == 598s);
  CHECK(plane.table.all_hold(60s, 10s, at(2s)));
  plane.table.set_ttl(10s);
  plane.guard.renew(4s);  // the reply with the shorter one may be lost
  CHECK(plane.table.revoke(kLost, at(102s)).lapse == settings().lapse_of(500s));
  CHECK(plane.table.revoke(kLost, at(700s)).lapse == settings().lapse_of(10s));
}

TEST_CASE("an older request is not answered with a grant, and its echo is not believed") {
  Plane plane;
  plane.guard.renew(0s);
  const wire::LeaseRequest old = plane.guard.request(1s);  // armed, echoing stop
  plane.guard.watchdog_armed = false;
  plane.guard.renew(2s);
  CHECK_FALSE(plane.guard.armed());
  CHECK(plane.table.answer(old, "paris-1", at(3s)).verdict == wire::LeaseVerdict::not_leader);
  CHECK_FALSE(plane.guard.armed());
}

TEST_CASE("clocks that run more than 1 % off disarm; honest ones arm again") {
  for (const double rate : {0.97, 1.03}) {
    CAPTURE(rate);
    Plane plane;
    plane.guard.rate = rate;
    for (Duration time = 0s; time < 60s; time += 2s) plane.guard.renew(time);
    CHECK_FALSE(plane.guard.armed());
    CHECK_FALSE(plane.table.revoke(kLost, at(60s)).armed);
    CHECK(plane.table.views().at(0).problem.find("clocks") != std::string::npos);
  }
  for (const double rate : {0.995, 1.005}) {
    CAPTURE(rate);
    Plane plane;
    plane.guard.rate = rate;
    for (Duration time = 0s; time < 600s; time += 2s) plane.guard.renew(time);
    CHECK(plane.guard.armed());
  }
}

TEST_CASE("a clock that stood still is noticed at the next renewal, and forgiven after two honest windows") {
  Plane plane;
  Duration time = 0s;
  for (; time < 30s; time += 2s) plane.guard.renew(time);
  REQUIRE(plane.guard.armed());
  const auto paused = [&plane](Duration t) {  // the host's clocks lost 5 s
    wire::LeaseRequest request = plane.guard.request(t - 5s);
    const wire::LeaseReply reply = plane.table.answer(request, "paris-1", at(t));
    plane.guard.granted = reply.sequence;
  };
  paused(time);
  CHECK_FALSE(plane.guard.armed());
  for (const Duration end = time + 30s; time < end; time += 2s) paused(time);
  CHECK(plane.guard.armed());
}

TEST_CASE("the delay of single requests is no drift") {
  Plane plane;
  for (int i = 0; i < 300; ++i) {
    plane.guard.renew(i * 2s, i % 3 == 0 ? 1ms : i % 7 * 150ms);
    if (i > 0) REQUIRE(plane.guard.armed());
  }
}

namespace {

// A CA, a manager and two guards in a temporary folder.
class Pki {
 public:
  Pki() {
    std::string name = "/tmp/lease-plane-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    const std::string script = "cd " + folder_ + R"( && exec >log 2>&1 && set -e
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca
      make() {
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj "/CN=$2/OU=$3"
        echo subjectAltName=IP:127.0.0.1 > $1.ext
        openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -set_serial $4 -extfile $1.ext -out $1.pem
      }
      make manager m manager 2; make guard paris-1 guard 3; make host paris-1 host 4)";
    REQUIRE(std::system(("bash -c '" + script + "'").c_str()) == 0);
  }
  ~Pki() { std::filesystem::remove_all(folder_); }
  Pki(const Pki&) = delete;
  Pki& operator=(const Pki&) = delete;
  net::TlsFiles files(const std::string& who) const {
    return {folder_ + "/ca.pem", folder_ + "/" + who + ".pem", folder_ + "/" + who + ".key"};
  }

 private:
  std::string folder_;
};

}  // namespace

TEST_CASE("served over mutual TLS to guards only, and the engine is told when a boot is armed") {
  const Pki pki;
  const SystemClock clock;
  GrantTable table(settings());
  table.admit(kCopy.host);
  std::vector<LeaseObserved> told;  // by the server's thread, before it answers
  std::vector<LeaseAsked> asked;
  bool takes = false;
  const auto plane =
      LeasePlane::start({"127.0.0.1", 0, pki.files("manager")}, table, clock, [&](EventBody event) {
        if (!takes) return false;
        if (const auto* ask = std::get_if<LeaseAsked>(&event))
          asked.push_back(*ask);
        else
          told.push_back(std::get<LeaseObserved>(event));
        return true;
      });
  REQUIRE(plane);
  const auto client_of = [&](const std::string& who) {
    net::ClientOptions options;
    options.address = "127.0.0.1:" + std::to_string((*plane)->port());
    options.tls = pki.files(who);
    return std::move(*net::HttpClient::make(options));
  };
  const auto post = [](net::HttpClient& client, const std::string& target, const std::string& body) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = target;
    request.body = body;
    return client.request(request, 10s);
  };
  FakeGuard guard{table};
  const auto client = client_of("guard");
  const auto renew = [&](Duration time) {
    const auto response = post(*client, "/lease", json::encode_text(guard.request(time)));
    REQUIRE(response);
    REQUIRE(response->status == 200);
    const auto reply = json::decode_text<wire::LeaseReply>(response->body, json::Unknown::refuse);
    REQUIRE(reply);
    guard.granted = reply->sequence;
    guard.mode = reply->mode;
    return *reply;
  };
  CHECK(renew(0s).verdict == wire::LeaseVerdict::granted);
  renew(1ms);
  CHECK(table.armed(kCopy));
  CHECK(told.empty());  // not taken: told again at the next renewal
  takes = true;
  renew(2ms);
  renew(3ms);
  REQUIRE(told.size() == 1);
  CHECK(told[0].armed);
  CHECK(told[0].copy == kCopy);
  guard.watchdog_armed = false;
  renew(4ms);
  REQUIRE(told.size() == 2);
  CHECK_FALSE(told[1].armed);
  table.revoke({ActionId("a2"), kCopy, false, clock.now()}, clock.now());
  CHECK(renew(5ms).verdict == wire::LeaseVerdict::withheld);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].copy == kCopy);

  CHECK(post(*client, "/lease", "{\"protocol\": 1}")->status == 400);
  CHECK(post(*client, "/lease", "garbage")->status == 400);
  CHECK(post(*client, "/other", "{}")->status == 404);
  const auto stranger = client_of("host");
  CHECK_FALSE(post(*stranger, "/lease", json::encode_text(guard.request(6ms))));
}
