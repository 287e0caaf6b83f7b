// TLS with certificates on both sides: the files, whom a server admits, and who a peer is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/hardware_token.h"

namespace bascule::net {

struct TlsFiles {
  std::string ca;           // PEM; every peer must chain to it
  std::string certificate;  // PEM, own chain
  std::string key;          // PEM
  // Where it is there, certificate and key of a client may be PKCS#11 URIs instead.
  std::shared_ptr<const TokenAccess> token{};
};
template <class V>
void fields(V& v, TlsFiles& x) {  // the [tls] table of every configuration file
  v("ca", x.ca);
  v("certificate", x.certificate);
  v("key", x.key);
}

// Whom a server admits by smart card, when it takes nobody else. That the key is in a card is what the
// cards' authority certifies, by the policy under which it issued the certificate (RFC 5280, 4.2.1.4).
struct CardRules {
  std::string ca;      // PEM: the cards' authorities, the only ones that count; also one that another signed
  std::string policy;  // its OID, such as "1.3.6.1.4.1.32473.1.1"; each certificate below `ca` must have it
  // PEM or DER: the revocation lists of all authorities that sign certificates below `ca`. Read again when
  // the file changes. While there is none that is good today, nobody is admitted (RFC 5280, 6.3).
  std::string crl;
  std::vector<std::string> networks;  // "198.18.0.0/16", "2001:db8::/32": others are refused before TLS
};
template <class V>
void fields(V& v, CardRules& x) {
  v("ca", x.ca);
  v("policy", x.policy);
  v("crl", x.crl);
  v("networks", x.networks);
}

// "key: what is wrong", one each.
std::vector<std::string> problems_of(const CardRules& rules);

// Read from the peer's verified certificate.
struct Peer {
  std::string name;     // subject CN
  std::string role;     // subject OU: manager, host, guard, operator, portal
  std::string serial;   // of the certificate, hexadecimal
  std::string address;  // remote "ip:port"
};

}  // namespace bascule::net
