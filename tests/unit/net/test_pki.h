// A throwaway PKI in a temporary folder: made by the openssl command, once per test program.
#pragma once

#include <string>

#include "base/net/tls.h"

namespace test {

class Pki {
 public:
  static const Pki& instance();
  ~Pki();
  Pki(const Pki&) = delete;
  Pki& operator=(const Pki&) = delete;

  // "manager", "operator", "host", "expired" (an operator's), "foreign" (an operator's of another CA),
  // "manager-expired", "manager-foreign", "manager-elsewhere" (its SAN is another address), "impostor"
  // (OU=host).
  bascule::net::TlsFiles files(const std::string& who) const;
  std::string fingerprint(const std::string& who) const;  // SHA-256 of their certificate

 private:
  Pki();
  std::string folder_;
};

}  // namespace test
