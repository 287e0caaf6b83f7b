// TLS with certificates on both sides: the files, and who a peer is.
#pragma once

#include <string>

namespace bascule::net {

struct TlsFiles {
  std::string ca;           // PEM; every peer must chain to it
  std::string certificate;  // PEM, own chain
  std::string key;          // PEM
};
template <class V>
void fields(V& v, TlsFiles& x) {  // the [tls] table of every configuration file
  v("ca", x.ca);
  v("certificate", x.certificate);
  v("key", x.key);
}

// Read from the peer's verified certificate.
struct Peer {
  std::string name;     // subject CN
  std::string role;     // subject OU: manager, host, guard, operator
  std::string serial;   // of the certificate, hexadecimal
  std::string address;  // remote "ip:port"
};

}  // namespace bascule::net
