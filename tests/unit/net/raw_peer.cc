#include "raw_peer.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

namespace test {

RawPeer::RawPeer(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL's sockets have no MSG_NOSIGNAL
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{5, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  REQUIRE(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

RawPeer::RawPeer(std::uint16_t port, const bascule::net::TlsFiles& files) : RawPeer(port) {
  context_ = SSL_CTX_new(TLS_client_method());
  REQUIRE(SSL_CTX_use_certificate_chain_file(context_, files.certificate.c_str()) == 1);
  REQUIRE(SSL_CTX_use_PrivateKey_file(context_, files.key.c_str(), SSL_FILETYPE_PEM) == 1);
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

}  // namespace test
