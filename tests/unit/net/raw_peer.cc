#include "raw_peer.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One read from `from`, all written to `to`; false when it has ended.
bool pass(int from, int to) {
  std::array<char, 16384> bytes{};
  const ssize_t size = recv(from, bytes.data(), bytes.size(), 0);
  return size > 0 && send(to, bytes.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) == size;
}

}  // namespace

RawPeer::RawPeer(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL's sockets have no MSG_NOSIGNAL
  const sockaddr_in address = loopback(port);
  const timeval patience{5, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  REQUIRE(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

RawPeer::RawPeer(std::uint16_t port, const bascule::net::TlsFiles& files) : RawPeer(port) {
  context_ = SSL_CTX_new(TLS_client_method());
  if (!files.certificate.empty()) {
    REQUIRE(SSL_CTX_use_certificate_chain_file(context_, files.certificate.c_str()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey_file(context_, files.key.c_str(), SSL_FILETYPE_PEM) == 1);
  }
  tls_ = SSL_new(context_);
  SSL_set_fd(tls_, socket_);
  REQUIRE(SSL_connect(tls_) == 1);
}

RawPeer::~RawPeer() {
  SSL_free(tls_);
  SSL_CTX_free(context_);
  close(socket_);
}

bool RawPeer::send(const std::string& bytes) {
  const auto size = static_cast<ssize_t>(bytes.size());
  if (tls_ != nullptr) return SSL_write(tls_, bytes.data(), static_cast<int>(size)) == size;
  return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == size;
}

std::string RawPeer::receive() {
  std::string bytes(64 * 1024, '\0');
  const ssize_t size = tls_ != nullptr ? SSL_read(tls_, bytes.data(), static_cast<int>(bytes.size()))
                                       : recv(socket_, bytes.data(), bytes.size(), 0);
  bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return bytes;
}

std::string RawPeer::receive_all() {
  std::string all;
  for (std::string next = receive(); !next.empty(); next = receive()) all += next;
  return all;
}

bool RawPeer::is_closed() {
  char byte = 0;
  while (true) {
    const ssize_t size = recv(socket_, &byte, 1, 0);
    if (size == 0) return true;
    if (size < 0) return errno == ECONNRESET;
  }
}

BreakingRelay::BreakingRelay(std::uint16_t server_port)
    : server_port_(server_port), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address = loopback(0);
  REQUIRE(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(listener_, 5) == 0);
  socklen_t size = sizeof address;
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

BreakingRelay::~BreakingRelay() {
  stop_ = true;
  thread_.join();
  close(listener_);
}

void BreakingRelay::run() {
  while (!stop_) {
    pollfd ready{listener_, POLLIN, 0};
    if (poll(&ready, 1, 20) != 1) continue;
    const int client = accept(listener_, nullptr, nullptr);
    relay(client);
    close(client);
  }
}

void BreakingRelay::relay(int client) {
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(server_port_);
  bool open = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  while (open && !stop_) {
    std::array<pollfd, 2> ready{pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}};
    if (poll(ready.data(), ready.size(), 20) < 1) continue;
    if (ready[0].revents != 0) open = !break_next_.exchange(false) && pass(client, server);
    if (open && ready[1].revents != 0) open = pass(server, client);
  }
  close(server);
}

}  // namespace test
