// The one port that speaks without TLS: what a host answers on UDP 7446.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "hostd/peer_probe.h"
#include "tests/fuzz/fuzz.h"

namespace bascule::hostd {
namespace {

class Stranger {
 public:
  explicit Stranger(std::uint16_t port) : socket_(socket(AF_INET, SOCK_DGRAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Stranger() { close(socket_); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  void say(const std::string& bytes) const { (void)send(socket_, bytes.data(), bytes.size(), 0); }
  // The next answer; empty: none within 5 s.
  std::string hear() const {
    const timeval patience{5, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::array<char, 2048> bytes{};
    const ssize_t size = recv(socket_, bytes.data(), bytes.size(), 0);
    return std::string(bytes.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  }

 private:
  const int socket_;
};

TEST_CASE("a probe responder that gets garbage: it answers questions, and nothing else") {
  SystemClock clock;
  SystemRandom random;
  const auto probe = PeerProbe::start("127.0.0.1", 0, clock, random);
  REQUIRE(probe);
  const Stranger stranger((*probe)->port());
  const fuzz::Corpus corpus{{"BSCLPRB?01234567", "BSCLPRB!01234567"},
                            {"BSCLPRB?", "BSCLPRB!", "?", "!", "\xff", "0"}};
  int round = 100'000'000;
  fuzz::run(corpus, 1500, [&](const std::string& bytes) {
    stranger.say(bytes.substr(0, 1400));
    // Answers come in order: the one to our own question ends those to the garbage.
    const std::string nonce = std::to_string(++round).substr(1);
    stranger.say("BSCLPRB?" + nonce);
    std::string heard = stranger.hear();
    const bool to_garbage =
        bytes.size() == 16 && bytes.starts_with("BSCLPRB?") && heard.substr(8) == bytes.substr(8);
    if (to_garbage) heard = stranger.hear();
    if (heard != "BSCLPRB!" + nonce) FAIL_CHECK("answered ", heard, " to ", bytes);
  });
}

}  // namespace
}  // namespace bascule::hostd
