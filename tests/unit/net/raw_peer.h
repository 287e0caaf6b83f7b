// A client that misbehaves: a plain TCP socket, or TLS that sends any bytes. Every read gives up after 5 s.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <string>

#include "base/net/tls.h"

namespace test {

class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port);  // TCP only
  RawPeer(std::uint16_t port, const bascule::net::TlsFiles& files);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  bool send(const std::string& bytes);
  std::string receive();  // what comes next; empty: closed, or 5 s have passed
  std::string receive_all();
  bool is_closed();  // within 5 s

 private:
  int socket_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* tls_ = nullptr;
};

}  // namespace test
