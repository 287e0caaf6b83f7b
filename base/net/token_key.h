// Certificates and keys that a token holds (a smart card, or an HSM), by OpenSSL's engine "pkcs11" of libp11.
// For the .cc files of base/net.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "base/net/tls.h"
#include "base/result.h"

namespace bascule::net {

bool is_token_uri(const std::string& name);  // by its scheme, "pkcs11:" (RFC 7512)

// Uses files.key, which is a token's, and files.certificate, which may be one. The PIN is asked once, when
// the token was found. Errors: `unavailable` (engine, module, token), `not_found`, `denied` (the PIN).
Status use_token(SSL_CTX& context, const TlsFiles& files);

}  // namespace bascule::net
