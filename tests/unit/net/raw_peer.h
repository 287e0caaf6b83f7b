// A client that misbehaves: a plain TCP socket, or TLS that sends any bytes. Every read gives up after 5 s.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "base/net/tls.h"

namespace test {

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port);                              // TCP only
  RawPeer(std::uint16_t port, const bascule::net::TlsFiles& files);  // without a certificate if none is named
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

// Passes bytes on to a server, one connection at a time, and breaks the connection at the client's next bytes
// when told to.
class BreakingRelay {
 public:
  explicit BreakingRelay(std::uint16_t server_port);
  ~BreakingRelay();
  BreakingRelay(const BreakingRelay&) = delete;
  BreakingRelay& operator=(const BreakingRelay&) = delete;

  std::uint16_t port() const { return port_; }
  void break_next() { break_next_ = true; }

 private:
  void run();
  void relay(int client);

  const std::uint16_t server_port_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> break_next_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace test
