// How base/net uses OpenSSL: contexts from files, and who may be at the other end. For the .cc files of
// base/net.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/net/boost.h"
#include "base/net/tls.h"
#include "base/result.h"

namespace bascule::net {

enum class Side { server, client };

// TLS 1.2 or newer, certificates on both sides (but for a server without a CA: it asks for none), no
// resumption (it would skip the check of dates and roles).
Result<std::shared_ptr<asio::ssl::context>> make_tls_context(const TlsFiles& files, Side side);

// What a certificate that chains to our CA must also say. Whose role or policy matters has exactly one CN.
struct PeerRule {
  std::string role;           // OU; empty: any
  std::string host;           // address or name that a subjectAltName must hold; empty: any
  std::string policy{};       // OID of the policy under which it was issued; empty: any
  std::string fingerprint{};  // SHA-256 of it, hexadecimal: then nothing else is asked
};

// Name, role and serial; the address stays empty.
Peer read_peer(const X509& certificate);

// Called by OpenSSL for each certificate of the peer's chain. False refuses, and `why` says it in words.
bool admit(bool chain_is_good, X509_STORE_CTX& context, const PeerRule& rule, std::string& why);

// A failed operation in words for people.
std::string describe_tls_error(const error_code& error);
// The other end answered that it doesn't accept our certificate. It says so before it has read any request.
bool is_our_certificate_refused(const error_code& error);

}  // namespace bascule::net
