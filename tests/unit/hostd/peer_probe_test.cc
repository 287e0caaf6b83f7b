#include "hostd/peer_probe.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace bascule::hostd {
namespace {

struct Probes {
  SystemClock clock;
  SystemRandom random;
  std::unique_ptr<PeerProbe> open() {
    auto probe = PeerProbe::start("127.0.0.1", 0, clock, random);
    REQUIRE_MESSAGE(probe.has_value(), probe.error().message);
    return std::move(*probe);
  }
  bool seen_within(PeerProbe& probe, Duration time) {
    for (const Instant end = clock.now() + time; clock.now() < end; usleep(5000))
      if (probe.sightings().front().age) return true;
    return false;
  }
};

std::string address_of(const PeerProbe& probe) { return "127.0.0.1:" + std::to_string(probe.port()); }

TEST_CASE_FIXTURE(Probes, "two hosts see each other") {
  const auto a = open();
  const auto b = open();
  a->set_peers({{HostId("b"), address_of(*b)}});
  REQUIRE(a->sightings().size() == 1);
  CHECK_FALSE(a->sightings()[0].age.has_value());
  a->probe();
  CHECK(seen_within(*a, 20s));
  CHECK(*a->sightings()[0].age < 20s);
}

TEST_CASE_FIXTURE(Probes, "an age grows when a peer falls silent") {
  const auto a = open();
  auto b = open();
  a->set_peers({{HostId("b"), address_of(*b)}});
  a->probe();
  REQUIRE(seen_within(*a, 20s));
  b.reset();
  const Duration before = *a->sightings()[0].age;
  a->probe();
  usleep(20'000);
  CHECK(*a->sightings()[0].age > before);
}

TEST_CASE_FIXTURE(Probes, "an answer without a question, and garbage, count for nothing") {
  const auto a = open();
  const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(a->port());
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  const auto send = [&](const std::string& text) {
    sendto(socket, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  };
  a->set_peers({{HostId("b"), "127.0.0.1:9"}});
  a->probe();
  send("BSCLPRB!12345678");
  send("");
  send("garbage");
  send(std::string(2000, 'x'));
  // The probe still lives: a question after all that is answered.
  send("BSCLPRB?abcdefgh");
  char answer[64];
  const timeval bound{20, 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  CHECK(recv(socket, answer, sizeof answer, 0) == 16);
  CHECK(std::memcmp(answer, "BSCLPRB!abcdefgh", 16) == 0);
  CHECK_FALSE(a->sightings()[0].age.has_value());
  close(socket);
}

TEST_CASE_FIXTURE(Probes, "an address that is no numeric one is refused") {
  CHECK_FALSE(PeerProbe::start("host.example", 0, clock, random).has_value());
  const auto a = open();
  a->set_peers({{HostId("b"), "host.example:7446"}, {HostId("c"), "127.0.0.1"}});
  CHECK(a->sightings().empty());
}

}  // namespace
}  // namespace bascule::hostd
