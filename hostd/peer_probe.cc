#include "hostd/peer_probe.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "base/log.h"
#include "base/real_time.h"

namespace bascule::hostd {
namespace {

constexpr std::string_view kMagic = "BSCLPRB";
constexpr std::size_t kMessageBytes = 16;
constexpr std::size_t kOpenRequests = 32;  // per peer: an answer that is later than so many is too late
constexpr std::size_t kMostPeers = 256;
constexpr int kPriority = 5;  // below bascule-guard's: on a busy host, who answers late looks dead

using Message = std::array<char, kMessageBytes>;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

// Numeric addresses only: a name server must not delay a probe.
std::optional<Address> parse_address(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return std::nullopt;
  Address address;
  address.length = found->ai_addrlen;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return address;
}

std::optional<Address> parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return parse_address(host, text.substr(colon + 1));
}

// The one place where socket addresses change their type, as the socket interface demands.
const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}
sockaddr* generic(Address& address) { return reinterpret_cast<sockaddr*>(&address.storage); }

Message message_of(char kind, std::uint64_t nonce) {
  Message message{};
  std::memcpy(message.data(), kMagic.data(), kMagic.size());
  message[kMagic.size()] = kind;
  std::memcpy(message.data() + 8, &nonce, sizeof nonce);
  return message;
}

struct Request {
  std::uint64_t nonce = 0;
  Instant sent;
  bool open = false;
};
struct PeerState {
  Address address;
  std::array<Request, kOpenRequests> requests;
  std::size_t next = 0;
  std::optional<Instant> seen;
};

class UdpPeerProbe final : public PeerProbe {
 public:
  UdpPeerProbe(int socket, int wake, bool answers, const Clock& clock, Random& random)
      : socket_(socket), wake_(wake), answers_(answers), clock_(clock), random_(random) {
    thread_ = std::thread([this] { receive(); });
  }

  ~UdpPeerProbe() override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t woken = write(wake_, &one, sizeof one);
    thread_.join();
    close(socket_);
    close(wake_);
  }

  std::uint16_t port() const override {
    Address own;
    own.length = sizeof own.storage;
    getsockname(socket_, generic(own), &own.length);
    return ntohs(reinterpret_cast<const sockaddr_in*>(&own.storage)->sin_port);
  }

  void set_peers(const std::vector<wire::PeerAddress>& peers) override {
    const std::lock_guard lock(mutex_);
    std::map<HostId, PeerState> next;
    for (const wire::PeerAddress& peer : peers) {
      const std::optional<Address> address = parse_address(peer.address);
      if (!address || next.size() >= kMostPeers) continue;
      PeerState& state = next[peer.host];
      if (const auto known = peers_.find(peer.host); known != peers_.end()) state = known->second;
      state.address = *address;
    }
    peers_ = std::move(next);
  }

  void probe() override {
    const std::lock_guard lock(mutex_);
    for (auto& [host, peer] : peers_) {
      Request& request = peer.requests[peer.next++ % kOpenRequests];
      request = {random_.next(), clock_.now(), true};
      const Message message = message_of('?', request.nonce);
      // Never waits: a full socket buffer loses a probe like the network may.
      sendto(socket_, message.data(), message.size(), MSG_DONTWAIT, generic(peer.address),
             peer.address.length);
    }
  }

  std::vector<wire::PeerSighting> sightings() const override {
    const std::lock_guard lock(mutex_);
    std::vector<wire::PeerSighting> all;
    const Instant now = clock_.now();
    for (const auto& [host, peer] : peers_) {
      wire::PeerSighting sighting{host, std::nullopt};
      if (peer.seen) sighting.age = now - *peer.seen;
      all.push_back(sighting);
    }
    return all;
  }

 private:
  void receive() {
    if (const Status now = run_in_real_time(kPriority); !now)
      log(LogLevel::warning, "peer_probe", "not_permitted", {{"what", now.error().message}});
    std::array<pollfd, 2> polled{pollfd{socket_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    while (true) {
      if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
      if (polled[1].revents != 0) return;
      Message message{};
      Address sender;
      sender.length = sizeof sender.storage;
      const ssize_t got = recvfrom(socket_, message.data(), message.size(), MSG_DONTWAIT | MSG_TRUNC,
                                   generic(sender), &sender.length);
      if (got == static_cast<ssize_t>(kMessageBytes) &&
          std::memcmp(message.data(), kMagic.data(), kMagic.size()) == 0)
        handle(message, sender);
    }
  }

  void handle(const Message& message, const Address& sender) {
    std::uint64_t nonce = 0;
    std::memcpy(&nonce, message.data() + 8, sizeof nonce);
    if (message[kMagic.size()] == '!') return note_answer(nonce);
    if (message[kMagic.size()] != '?' || !answers_) return;
    const Message answer = message_of('!', nonce);
    sendto(socket_, answer.data(), answer.size(), MSG_DONTWAIT, generic(sender), sender.length);
  }

  void note_answer(std::uint64_t nonce) {
    const std::lock_guard lock(mutex_);
    for (auto& [host, peer] : peers_)
      for (Request& request : peer.requests) {
        if (!request.open || request.nonce != nonce) continue;
        request.open = false;
        if (!peer.seen || *peer.seen < request.sent) peer.seen = request.sent;
        return;
      }
  }

  const int socket_;
  const int wake_;
  const bool answers_;
  const Clock& clock_;
  Random& random_;
  mutable std::mutex mutex_;
  std::map<HostId, PeerState> peers_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<PeerProbe>> PeerProbe::start(const std::string& address, std::uint16_t port,
                                                    const Clock& clock, Random& random) {
  const bool answers = !address.empty();
  const std::optional<Address> own =
      parse_address(answers ? address : "0.0.0.0", std::to_string(answers ? port : 0));
  if (!own) return failure(ErrorCode::invalid, "probe_address \"" + address + "\" is no numeric IP address");
  const int descriptor = socket(own->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0 || bind(descriptor, generic(*own), own->length) != 0) {
    const std::string why = std::strerror(errno);
    if (descriptor >= 0) close(descriptor);
    return failure(ErrorCode::unavailable,
                   "UDP " + address + ":" + std::to_string(port) + " can't be used: " + why);
  }
  return std::make_unique<UdpPeerProbe>(descriptor, eventfd(0, EFD_CLOEXEC), answers, clock, random);
}

}  // namespace bascule::hostd
